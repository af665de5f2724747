package term

import (
	"bytes"
	"io"
	"unicode"
	"unicode/utf8"
)

// An Escaper shows bytes of a peer on a terminal without letting them drive it:
// all but printable characters, newlines and tabs are written as \x1b or \u202e.
// Of the end of line CR LF only LF is left. A character that is cut by the end
// of a Write is shown with the next.
type Escaper struct {
	W    io.Writer
	cut  []byte // the beginning of a character, or CR
	line []byte
	open bool // the last line shown has no end yet
}

// Write escapes p. It reports len(p) or an error.
func (e *Escaper) Write(p []byte) (int, error) {
	in := append(e.cut, p...)
	e.line = e.line[:0]
	for len(in) > 0 && !cutShort(in) {
		if bytes.HasPrefix(in, []byte("\r\n")) {
			in = in[1:]
		}
		r, size := utf8.DecodeRune(in)
		e.line = appendSafe(e.line, r, in[:size])
		in = in[size:]
	}
	e.cut = append(e.cut[:0], in...)
	return len(p), e.flush()
}

// Finish shows what was held back and ends the last line.
func (e *Escaper) Finish() error {
	e.line = e.line[:0]
	for _, c := range e.cut {
		e.line = appendSafe(e.line, utf8.RuneError, []byte{c})
	}
	e.cut = nil
	if e.open || len(e.line) > 0 {
		e.line = append(e.line, '\n')
	}
	return e.flush()
}

func (e *Escaper) flush() error {
	if len(e.line) == 0 {
		return nil
	}
	e.open = e.line[len(e.line)-1] != '\n'
	_, err := e.W.Write(e.line)
	return err
}

// cutShort reports whether what in begins with depends on the bytes to follow.
func cutShort(in []byte) bool { return !utf8.FullRune(in) || len(in) == 1 && in[0] == '\r' }

// appendSafe appends r, whose bytes are raw.
func appendSafe(dst []byte, r rune, raw []byte) []byte {
	const digits = "0123456789abcdef"
	switch {
	case r == '\n' || r == '\t' || r != utf8.RuneError && unicode.IsGraphic(r):
		return append(dst, raw...)
	case r == '\r':
		return append(dst, `\r`...)
	case r >= 0xa0 && r <= 0xffff && len(raw) > 1:
		return append(dst, '\\', 'u', digits[r>>12], digits[r>>8&15], digits[r>>4&15], digits[r&15])
	}
	for _, c := range raw {
		dst = append(dst, '\\', 'x', digits[c>>4], digits[c&15])
	}
	return dst
}
