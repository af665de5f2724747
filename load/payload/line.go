package payload

import "bytes"

// maxAnswerLine bounds the line that answers a time message, unless the message
// itself is longer.
const maxAnswerLine = 256

// A lineScanner looks for a signed number, such as the +123.4 of a time
// difference, in a line that arrives in pieces.
type lineScanner struct {
	number      numberState
	unprintable bool
}

type numberState uint8

const (
	noSign numberState = iota
	afterSpace
	afterSign
	foundNumber
)

func (s *lineScanner) scan(piece []byte, atStart bool) {
	if atStart {
		s.number = afterSpace
	}
	for _, b := range piece {
		if (b < ' ' || b > '~') && b != '\r' {
			s.unprintable = true
		}
		s.number = s.number.next(b)
	}
}

func (n numberState) next(b byte) numberState {
	switch {
	case n == foundNumber, n == afterSign && '0' <= b && b <= '9':
		return foundNumber
	case n == afterSpace && (b == '+' || b == '-'):
		return afterSign
	case b == ' ' || b == '=' || b == '\t':
		return afterSpace
	}
	return noSign
}

// feedLine is Feed for the answer to a time message: all up to a newline.
func (c *Check) feedLine(piece []byte) (used int, complete bool) {
	used = len(piece)
	if i := bytes.IndexByte(piece, '\n'); i >= 0 {
		used, complete = i+1, true
	}
	// What is too long is not kept back for ever: it counts as an answer, a wrong one.
	if limit := max(maxAnswerLine, c.payload.Len()) - c.offset; used > limit || used == limit && !complete {
		used, complete = limit, true
		c.reason = "a line too long"
	}
	piece = piece[:used]
	c.compare(piece)
	c.line.scan(bytes.TrimSuffix(piece, []byte("\n")), c.offset == 0)
	c.offset += used
	if complete && c.reason == "" && !c.Echoed() {
		c.reason = c.judgeLine()
	}
	return used, complete
}

func (c *Check) judgeLine() string {
	switch {
	case c.line.unprintable:
		return "a line that is not printable"
	case c.line.number != foundNumber:
		return "neither the line that was sent nor one with a time difference"
	}
	return ""
}
