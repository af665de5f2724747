package tcp

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"wirelab/observe"
	"wirelab/server"
)

// maxOutbox bounds the bytes that others have pushed to a connection and that
// its peer has not taken.
const maxOutbox = 256 << 10

// A Conn is one connection of a TCP server as its handler, the table of
// connections and other connections see it. Its engine keeps the socket.
type Conn struct {
	id      uint64
	peer    netip.AddrPort
	since   time.Duration // after the server began
	server  *Server
	link    link
	session Session

	rest []byte // received and not consumed; the engine's

	in, out   atomic.Uint64 // bytes
	inN, outN atomic.Uint64 // messages
	active    atomic.Int64  // the server's tick when bytes last moved
	thread    atomic.Int32  // the OS thread that serves it; 0: any, or none yet
	ended     atomic.Uint32 // the server.Reason, once somebody decided to end it

	mu     sync.Mutex
	outbox []byte // pushed by others, not yet taken by the engine
	closed bool   // the last was said: nothing more is put into the outbox

	// Of an engine that serves many connections in a loop, and its alone:
	queued   bool   // it is in the loop's list of the busy
	together uint32 // answers that are going to be sent at once
}

// newConn makes a connection that is not admitted yet.
func newConn(s *Server, peer netip.AddrPort, l link) *Conn {
	c := new(Conn)
	c.init(s, peer, l)
	return c
}

// init is newConn for an engine that keeps a Conn inside a structure of its own.
func (c *Conn) init(s *Server, peer netip.AddrPort, l link) {
	c.peer, c.since, c.server, c.link = peer, s.uptime(), s, l
	c.active.Store(s.tick.Load())
}

// link is how everyone else reaches a connection that an engine hosts. Its methods do not block and may be called from any goroutine, also
// after the connection has ended.
type link interface {
	// flush has what is in the outbox sent soon. It is called with the Conn locked,
	// and never after closeOutbox.
	flush()
	// endInput makes the engine see end of input after what has already arrived.
	endInput()
	// abort ends every wait of the engine on this connection with an error.
	abort()
}

// ID returns the number of the connection, unique in its server.
func (c *Conn) ID() uint64 { return c.id }

// Peer returns the other end's address, IPv4 unmapped.
func (c *Conn) Peer() netip.AddrPort { return c.peer }

// Push has p sent to the peer as soon as the engine can. It copies p, never
// blocks, and may be called from any goroutine: this is how one connection
// speaks to another. A peer that leaves too much untaken is disconnected
// (server.ReasonTooSlow). What is pushed to an ended connection is dropped.
func (c *Conn) Push(p []byte) {
	if !c.push(p) {
		c.end(server.ReasonTooSlow)
	}
}

// push reports whether the outbox had room for p.
func (c *Conn) push(p []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return true
	case len(c.outbox)+len(p) > maxOutbox:
		return false
	}
	if len(c.outbox) == 0 {
		c.link.flush()
	}
	c.outbox = append(c.outbox, p...)
	if c.server.contents {
		c.logContents("out", p)
	}
	return true
}

// begin gives the connection its session.
func (c *Conn) begin(session Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = session
}

// name returns what the session calls the connection; empty if it does not.
func (c *Conn) name() string {
	c.mu.Lock()
	session := c.session
	c.mu.Unlock()
	if named, ok := session.(interface{ Name() string }); ok {
		return named.Name()
	}
	return ""
}

// takeOutbox hands over what was pushed; nil when there is nothing.
func (c *Conn) takeOutbox() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.outbox
	c.outbox = nil
	return p
}

// closeOutbox hands over what was pushed, and drops what will be.
func (c *Conn) closeOutbox() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.outbox
	c.outbox, c.closed = nil, true
	return p
}

// end decides why the connection ends and breaks it off, unless that was decided before.
// One that is only to finish is broken off too: its peer may never take the last answer.
func (c *Conn) end(why server.Reason) {
	for _, before := range [...]server.Reason{server.NotEnded, server.ReasonDrained, server.ReasonTooLong} {
		if c.ended.CompareAndSwap(uint32(before), uint32(why)) {
			c.link.abort()
			return
		}
	}
}

// drain lets the connection finish what has arrived, and no more.
func (c *Conn) drain() {
	if c.ended.CompareAndSwap(uint32(server.NotEnded), uint32(server.ReasonDrained)) {
		c.link.endInput()
	}
}

// ending tells whether somebody has decided to end the connection.
func (c *Conn) ending() bool { return c.ended.Load() != uint32(server.NotEnded) }

// finished returns what an engine sees that has closed its own side when all was said:
// why the connection has ended with that, or NotEnded if it is to wait for the peer's end.
// err is of the closing; eof tells whether the peer's end has come.
func (c *Conn) finished(err error, eof bool) server.Reason {
	switch {
	case err != nil && !errors.Is(err, syscall.ENOTCONN):
		return server.ReasonReset
	case eof && !c.ending():
		return server.ReasonPeer
	}
	return server.NotEnded
}

// reason returns why the connection ended: what was decided first, else
// what its engine saw.
func (c *Conn) reason(seen server.Reason) server.Reason {
	c.ended.CompareAndSwap(uint32(server.NotEnded), uint32(seen))
	return server.Reason(c.ended.Load())
}

// turn lets the session answer what has arrived: got, after what it left over
// before. The answer is appended to out, which may hold answers of earlier turns that
// are not sent yet. The caller sends it, and counts it with sent.
func (c *Conn) turn(got []byte, eof bool, out []byte) (answer []byte, next Next) {
	if len(got) > 0 {
		c.received(len(got))
	}
	in := got
	if len(c.rest) > 0 {
		c.rest = append(c.rest, got...)
		in = c.rest
	}
	if c.server.contents {
		c.logContents("in", got)
	}
	n, answer, next := c.session.Handle(in, eof, out)
	if c.server.contents {
		c.logContents("out", answer[len(out):])
	}
	if !c.keep(in, n) {
		c.ended.CompareAndSwap(uint32(server.NotEnded), uint32(server.ReasonTooLong))
		next = Finish
	}
	if next == More && c.ending() && len(c.rest) == 0 || next == Wait && eof {
		next = Finish
	}
	return answer, next
}

// keep stores what the session did not consume of in for its next turn, and reports
// whether it is within the bound. In is c.rest, if there is any.
func (c *Conn) keep(in []byte, consumed int) bool {
	switch unused := in[consumed:]; {
	case len(unused) == 0:
		c.rest = nil
	case len(unused) > c.server.cfg.Buffer:
		c.rest = nil
		return false
	case len(c.rest) == 0:
		c.rest = append([]byte(nil), unused...)
	case consumed >= len(unused):
		c.rest = c.rest[:copy(c.rest, unused)]
	default:
		c.rest = unused // moved when it is shorter: else much in small bites costs the square of it
	}
	return true
}

func (c *Conn) received(n int) {
	c.in.Add(uint64(n))
	c.inN.Add(1)
	c.touch()
	if c.server.trace {
		c.logMessage("received", n)
	}
}

// sent counts one answer, whose n bytes, or the last n of them, the kernel has taken.
func (c *Conn) sent(n int) {
	c.outN.Add(1)
	c.sentPart(n)
}

// sentTogether counts the answers whose last n bytes the kernel has taken together. What
// others have pushed, which is no answer, counts as one.
func (c *Conn) sentTogether(n int) {
	c.outN.Add(uint64(max(c.together, 1)))
	c.sentPart(n)
}

// sentPart counts n bytes that the kernel has taken of an answer.
func (c *Conn) sentPart(n int) {
	c.out.Add(uint64(n))
	c.touch()
	if c.server.trace {
		c.logMessage("sent", n)
	}
}

// logMessage is not inlined: its arguments would make the frames of every turn,
// and with them the stack of every waiting goroutine, twice as large.
//
//go:noinline
func (c *Conn) logMessage(what string, n int) {
	c.server.log.Debug(what, "conn", c.id, "peer", c.peer, "bytes", n)
}

// logContents logs bytes, to be seen.
//
//go:noinline
func (c *Conn) logContents(way string, b []byte) {
	if len(b) > 0 {
		c.server.log.Log(context.Background(), observe.LevelContents, way, "conn", c.id, "peer", c.peer, "bytes", len(b), "contents", observe.Contents(b))
	}
}

func (c *Conn) touch() {
	if now := c.server.tick.Load(); c.active.Load() != now {
		c.active.Store(now)
	}
}

func (c *Conn) traffic() server.Traffic {
	return server.Traffic{BytesIn: c.in.Load(), BytesOut: c.out.Load(), MessagesIn: c.inN.Load(), MessagesOut: c.outN.Load()}
}

// status describes the connection at an uptime of its server. The tick of its last
// activity may be from before it came.
func (c *Conn) status(now time.Duration) Connection {
	idle := max(now-max(time.Duration(c.active.Load()), c.since), 0)
	return Connection{
		ID: c.id, Peer: c.peer.String(), Engine: c.server.cfg.Engine, Thread: int(c.thread.Load()), Since: c.server.since.Add(c.since),
		Idle: idle.Microseconds(), Name: c.name(), Traffic: c.traffic(),
	}
}
