package handlers

import (
	"bytes"
	"strconv"

	"wirelab/server/tcp"
)

// lineReader answers lines. It has no state: what it needs is in its arguments.
type lineReader interface {
	// line appends the answer to one line, which comes without its end.
	line(line, out []byte) (answer []byte, next tcp.Next)
}

// lineHandler cuts what arrives into lines, ended by \n or \r\n, or by the end
// of input, for a lineReader. A line longer than maxLine is answered with an
// error and ends the connection: there is no telling where the next would begin.
type lineHandler struct {
	maxLine int
	reader  lineReader
}

func (h lineHandler) Open(*tcp.Conn) tcp.Session { return h }
func (h lineHandler) Close()                     {}

func (h lineHandler) Handle(in []byte, eof bool, out []byte) (int, []byte, tcp.Next) {
	return eachLine(in, eof, h.maxLine, out, h.reader.line)
}

// fullAnswer is how many bytes of answers a turn may have and go on with another
// line. Lines are short and answers are not: all that are in the buffer would be a
// hundred times as much, and kept for as long as the peer does not read.
const fullAnswer = 64 << 10

// eachLine is Handle for sessions that take lines. It consumes at least one that is
// complete, and all when it returns tcp.Wait.
func eachLine(in []byte, eof bool, maxLine int, out []byte, answer func(line, out []byte) ([]byte, tcp.Next)) (int, []byte, tcp.Next) {
	consumed, next := 0, tcp.Wait
	for next == tcp.Wait {
		line, n := nextLine(in[consumed:], eof)
		switch {
		case len(line) > maxLine || n == 0 && len(in)-consumed > maxLine+len("\r"):
			return len(in), appendTooLong(out, maxLine), tcp.Finish
		case n == 0:
			return consumed, out, tcp.Wait
		case consumed > 0 && len(out) >= fullAnswer:
			return consumed, out, tcp.More
		}
		consumed += n
		out, next = answer(line, out)
	}
	return len(in), out, next
}

// nextLine returns the first line of in without its end, and how many bytes it
// takes with it: 0 if it is not complete.
func nextLine(in []byte, eof bool) (line []byte, n int) {
	switch i := bytes.IndexByte(in, '\n'); {
	case i >= 0:
		return bytes.TrimSuffix(in[:i], []byte{'\r'}), i + 1
	case eof:
		return in, len(in)
	}
	return nil, 0
}

func appendTooLong(out []byte, maxLine int) []byte {
	out = append(out, "error: a line has at most "...)
	out = strconv.AppendInt(out, int64(maxLine), 10)
	return append(out, " bytes\n"...)
}
