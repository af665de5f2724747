package observe

import (
	"fmt"
	"log/slog"
	"strconv"
	"time"
	"unicode/utf8"

	"wirelab/internal/human"
)

// TextStyle says how log lines look to people:
//
//	10:03:04.123456 INFO  server-tcp  connected     peer=127.0.0.1:4711
//
// Times are local. Whatever is not printable is escaped, because messages and
// values may hold bytes that a peer chose.
type TextStyle struct {
	Color   bool // ANSI colours by level
	Verbose bool // with function and line
	Date    bool // with the date
}

const (
	componentWidth = 10
	messageWidth   = 12   // "disconnected"; with a connection and its peer a line has 80 columns
	maxTextValue   = 4096 // bytes of a value that are shown
)

// SGR sequences (ECMA-48).
const (
	sgrReset  = "\x1b[0m"
	sgrDim    = "\x1b[2m"
	sgrRed    = "\x1b[1;31m"
	sgrYellow = "\x1b[33m"
	sgrGreen  = "\x1b[32m"
)

func (s TextStyle) appendHead(b []byte, t time.Time, level slog.Level, component, msg string) []byte {
	layout := "15:04:05.000000"
	if s.Date {
		layout = "2006-01-02 " + layout
	}
	when := t.Local().Format(layout)
	if t.IsZero() { // a broken line before any that has a date
		when = fmt.Sprintf("%-*s", len(layout), "(no date)")
	}
	b = s.dim(b, when)
	name, color := levelText(level)
	if s.Color {
		b = append(b, color...)
	}
	b = append(b, ' ')
	b = append(b, name...)
	if s.Color {
		b = append(b, sgrReset...)
	}
	b = append(b, ' ')
	b = appendPadded(b, component, componentWidth)
	b = append(b, ' ', ' ')
	return appendPadded(b, clip(msg, maxTextValue), messageWidth)
}

func levelText(l slog.Level) (name, color string) {
	switch {
	case l < slog.LevelInfo:
		return "DEBUG", sgrDim
	case l < slog.LevelWarn:
		return "INFO ", sgrGreen
	case l < slog.LevelError:
		return "WARN ", sgrYellow
	}
	return "ERROR", sgrRed
}

func (s TextStyle) appendAttr(b []byte, prefix string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range v.Group() {
			b = s.appendAttr(b, prefix, member)
		}
		return b
	}
	if a.Key == "" && v.Kind() == slog.KindAny && v.Any() == nil {
		return b
	}
	return s.appendField(b, prefix+a.Key, valueString(v))
}

// appendField appends "  key=value", quoted where it would be ambiguous.
func (s TextStyle) appendField(b []byte, key, value string) []byte {
	b = append(b, ' ', ' ')
	if s.Color {
		b = append(b, sgrDim...)
	}
	b = appendEscaped(b, key)
	b = append(b, '=')
	if s.Color {
		b = append(b, sgrReset...)
	}
	if value == "" || needsQuotes(value) {
		return strconv.AppendQuote(b, clip(value, maxTextValue))
	}
	return append(b, clip(value, maxTextValue)...)
}

// appendTail ends the line. The padding of a message without attributes goes.
func (s TextStyle) appendTail(b []byte, function string, line int) []byte {
	for len(b) > 0 && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	if s.Verbose && function != "" {
		b = append(b, ' ', ' ')
		b = s.dim(b, function+":"+strconv.Itoa(line))
	}
	return append(b, '\n')
}

func (s TextStyle) dim(b []byte, text string) []byte {
	if !s.Color {
		return appendEscaped(b, text)
	}
	b = append(b, sgrDim...)
	b = appendEscaped(b, text)
	return append(b, sgrReset...)
}

func needsQuotes(value string) bool {
	for _, r := range value {
		if r == ' ' || r == '"' || r == '=' || r == '\\' || r == utf8.RuneError || !strconv.IsPrint(r) {
			return true
		}
	}
	return false
}

// appendEscaped appends s with all that is not printable in Go's escapes.
func appendEscaped(b []byte, s string) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, '\\', 'x', hexDigits[s[0]>>4], hexDigits[s[0]&15])
		case strconv.IsPrint(r):
			b = append(b, s[:n]...)
		default:
			quoted := strconv.AppendQuoteRune(nil, r)
			b = append(b, quoted[1:len(quoted)-1]...)
		}
		s = s[n:]
	}
	return b
}

func appendPadded(b []byte, s string, width int) []byte {
	start := len(b)
	b = appendEscaped(b, s)
	for n := utf8.RuneCount(b[start:]); n < width; n++ {
		b = append(b, ' ')
	}
	return b
}

// mostContents is how many bytes of Contents are shown.
const mostContents = 256

// appendRows appends the first bytes, 16 a line.
func (c Contents) appendRows(b []byte) []byte {
	shown := c[:min(len(c), mostContents)]
	for i := 0; i < len(shown); i += human.HexRow {
		b = append(b, "  "...)
		b = human.AppendHexRow(b, uint64(i), shown[i:min(i+human.HexRow, len(shown))])
		b = append(b, '\n')
	}
	if rest := len(c) - len(shown); rest > 0 {
		b = fmt.Appendf(b, "  … and %s\n", human.Bytes(uint64(rest)))
	}
	return b
}

// putText queues a line that no record stands behind.
func (q *lineQueue) putText(style TextStyle, t time.Time, level slog.Level, component, msg string) {
	buf := q.buffer()
	b := style.appendHead(*buf, t, level, component, msg)
	*buf = style.appendTail(b, "", 0)
	q.put(buf)
}
