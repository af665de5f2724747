package handlers

import (
	"encoding/binary"
	"time"

	"wirelab/server/tcp"
)

// A Kind describes a handler that a server can be given by name.
type Kind struct {
	Name    string
	Summary string
	// New makes the handler. maxLine bounds the lines of handlers that take lines: a
	// line of it and its end, "\r\n", must fit into the server's buffer;
	// show, which may be called from any goroutine, gets what a person at the
	// server should see, a line at a time, without its end.
	New func(maxLine int, show func(line string)) tcp.Handler
	// Buffer is how many bytes a server with this handler should read at once, unless it
	// is told; 0: as many as any.
	Buffer int
}

// All returns the handlers, the default first.
func All() []Kind {
	return []Kind{
		{Name: "echo", Summary: "every byte comes back (RFC 862)", New: stateless(echo{})},
		{Name: "discard", Summary: "every byte is thrown away (RFC 863)", New: stateless(discard{})},
		{Name: "chargen", Summary: "lines of characters without end (RFC 864)", New: func(int, func(string)) tcp.Handler { return chargenHandler{} }},
		{Name: "daytime", Summary: "the time as a line of text, then the end (RFC 867)", New: stateless(daytime{})},
		{Name: "time", Summary: "the time as 32 bits, seconds since 1900, then the end (RFC 868)", New: stateless(timeOfDay{})},
		{Name: "chat", Summary: "a line goes to every other connection", New: func(maxLine int, show func(string)) tcp.Handler { return NewChat(maxLine, show) }},
		{Name: "timediff", Summary: "a line with a time is answered with how late it came",
			New: func(maxLine int, _ func(string)) tcp.Handler { return lineHandler{maxLine, timeDiff{}} }},
		{Name: "throughput", Summary: "as many bytes as fit, either way: for load tcp --throughput",
			New: newThroughput, Buffer: 2 * throughputBlock},
	}
}

// stateless makes one tcp.Session the handler of all connections.
func stateless(s tcp.Session) func(int, func(string)) tcp.Handler {
	return func(int, func(string)) tcp.Handler { return shared{s} }
}

type shared struct{ session tcp.Session }

func (h shared) Open(*tcp.Conn) tcp.Session { return h.session }

type echo struct{}

func (echo) Handle(in []byte, _ bool, out []byte) (int, []byte, tcp.Next) {
	return len(in), append(out, in...), tcp.Wait
}
func (echo) Close() {}

type discard struct{}

func (discard) Handle(in []byte, _ bool, out []byte) (int, []byte, tcp.Next) {
	return len(in), out, tcp.Wait
}
func (discard) Close() {}

type daytime struct{}

func (daytime) Handle(in []byte, _ bool, out []byte) (int, []byte, tcp.Next) {
	out = time.Now().AppendFormat(out, "Monday, January 2, 2006 15:04:05-MST")
	return len(in), append(out, "\r\n"...), tcp.Finish
}
func (daytime) Close() {}

type timeOfDay struct{}

// secondsFrom1900 is the Unix epoch on RFC 868's scale. The 32 bits roll over in 2036.
const secondsFrom1900 = 2208988800

func (timeOfDay) Handle(in []byte, _ bool, out []byte) (int, []byte, tcp.Next) {
	now := uint32(time.Now().Unix() + secondsFrom1900)
	return len(in), binary.BigEndian.AppendUint32(out, now), tcp.Finish
}
func (timeOfDay) Close() {}

// chargenHandler sends RFC 864's pattern: lines of 72 of the 95 printable
// characters, each line beginning one character later.
type chargenHandler struct{}

func (chargenHandler) Open(*tcp.Conn) tcp.Session { return &chargen{} }

type chargen struct{ line int }

const (
	printables     = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
	chargenRing    = printables + printables // in which no line is cut in two
	chargenWidth   = 72
	chargenPerTurn = 64 // lines; enough to make the system call worth it
)

func (s *chargen) Handle(in []byte, _ bool, out []byte) (int, []byte, tcp.Next) {
	for range chargenPerTurn {
		out = append(out, chargenRing[s.line:s.line+chargenWidth]...)
		out = append(out, "\r\n"...)
		s.line = (s.line + 1) % len(printables)
	}
	return len(in), out, tcp.More
}
func (s *chargen) Close() {}
