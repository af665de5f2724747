package server

import (
	"encoding/binary"
	"time"
)

// TCPHandler describes a handler that a TCP server can be given by name.
type TCPHandler struct {
	Name    string
	Summary string
	// New makes the handler. maxLine bounds the lines of handlers that take lines: a
	// line of it and its end, "\r\n", must fit into TCPConfig.Buffer;
	// show, which may be called from any goroutine, gets what a person at the
	// server should see, a line at a time, without its end.
	New func(maxLine int, show func(line string)) Handler
}

// TCPHandlers returns the handlers, the default first.
func TCPHandlers() []TCPHandler {
	return []TCPHandler{
		{"echo", "every byte comes back (RFC 862)", stateless(echo{})},
		{"discard", "every byte is thrown away (RFC 863)", stateless(discard{})},
		{"chargen", "lines of characters without end (RFC 864)", func(int, func(string)) Handler { return chargenHandler{} }},
		{"daytime", "the time as a line of text, then the end (RFC 867)", stateless(daytime{})},
		{"time", "the time as 32 bits, seconds since 1900, then the end (RFC 868)", stateless(timeOfDay{})},
		{"chat", "a line goes to every other connection", func(maxLine int, show func(string)) Handler { return NewChat(maxLine, show) }},
		{"timediff", "a line with a timestamp is answered with its difference to the server's clock",
			func(maxLine int, _ func(string)) Handler { return lineHandler{maxLine, timeDiff{}} }},
	}
}

// stateless makes one Session the handler of all connections.
func stateless(s Session) func(int, func(string)) Handler {
	return func(int, func(string)) Handler { return shared{s} }
}

type shared struct{ session Session }

func (h shared) Open(*Conn) Session { return h.session }

type echo struct{}

func (echo) Handle(in []byte, _ bool, out []byte) (int, []byte, Next) {
	return len(in), append(out, in...), Wait
}
func (echo) Close() {}

type discard struct{}

func (discard) Handle(in []byte, _ bool, out []byte) (int, []byte, Next) { return len(in), out, Wait }
func (discard) Close()                                                   {}

type daytime struct{}

func (daytime) Handle(in []byte, _ bool, out []byte) (int, []byte, Next) {
	out = time.Now().AppendFormat(out, "Monday, January 2, 2006 15:04:05-MST")
	return len(in), append(out, "\r\n"...), Finish
}
func (daytime) Close() {}

type timeOfDay struct{}

// secondsFrom1900 is the Unix epoch on RFC 868's scale. The 32 bits roll over in 2036.
const secondsFrom1900 = 2208988800

func (timeOfDay) Handle(in []byte, _ bool, out []byte) (int, []byte, Next) {
	now := uint32(time.Now().Unix() + secondsFrom1900)
	return len(in), binary.BigEndian.AppendUint32(out, now), Finish
}
func (timeOfDay) Close() {}

// chargenHandler sends RFC 864's pattern: lines of 72 of the 95 printable
// characters, each line beginning one character later.
type chargenHandler struct{}

func (chargenHandler) Open(*Conn) Session { return &chargen{} }

type chargen struct{ line int }

const (
	chargenFirst   = ' '
	chargenCount   = 95
	chargenWidth   = 72
	chargenPerTurn = 64 // lines; enough to make the system call worth it
)

func (s *chargen) Handle(in []byte, _ bool, out []byte) (int, []byte, Next) {
	for range chargenPerTurn {
		for i := range chargenWidth {
			out = append(out, chargenFirst+byte((s.line+i)%chargenCount))
		}
		out = append(out, "\r\n"...)
		s.line = (s.line + 1) % chargenCount
	}
	return len(in), out, More
}
func (s *chargen) Close() {}
