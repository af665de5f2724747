package tcp

import (
	"syscall"

	"wirelab/internal/sys/epoll"
	"wirelab/internal/sys/stream"
	"wirelab/server"
)

// epollConn is one connection of an epollLoop, used by that loop's thread
// alone, except for the Conn and link in it.
type epollConn struct {
	Conn
	loop    *epollLoop
	pending []byte // said, and not yet taken by the socket
	last    lastBytes
	fd      int32 // -1 after the end

	next      Next // what the last turn wants
	readable  bool // there may be something to read
	urgent    bool // and a read may end before all of it
	hungUp    bool // there is nothing more to come after what can be read
	eof       bool // the input has ended
	ended     bool // others have ended the input: see lastBytes
	pushed    bool // there may be something in the outbox
	lingering bool // all is said; waiting for the peer's end
}

func (c *epollConn) flush()    { c.loop.commands.post(c, commandFlush) }
func (c *epollConn) endInput() { c.loop.commands.post(c, commandEndInput) }
func (c *epollConn) abort()    { c.loop.commands.post(c, commandAbort) }

// note remembers what an event told.
func (c *epollConn) note(ready epoll.Ready) {
	if ready&(epoll.ReadyIn|epoll.ReadyUrgent|epoll.ReadyEnd) != 0 {
		c.readable = true
	}
	if ready&epoll.ReadyUrgent != 0 {
		c.urgent = true
	}
	if ready&epoll.ReadyEnd != 0 {
		c.hungUp = true
	}
}

// serve does for c what can be done without waiting.
func (l *epollLoop) serve(c *epollConn) {
	for range turnsPerRound {
		if !l.step(c) {
			return
		}
	}
	if !c.queued {
		c.queued = true
		l.busy = append(l.busy, c)
	}
}

// step does the next thing for c, and reports whether there may be another.
func (l *epollLoop) step(c *epollConn) bool {
	switch {
	case c.fd < 0:
		return false
	case c.lingering:
		return l.drop(c)
	case len(c.pending) > 0 || c.pushed:
		return l.sendPending(c)
	case c.next == Finish:
		return l.finish(c)
	case c.next == More:
		l.turn(c, nil, c.eof)
		return true
	case c.readable:
		return l.receive(c)
	}
	return false
}

func (l *epollLoop) receive(c *epollConn) bool {
	in := l.in
	if c.ended {
		if in = c.last.limit(int(c.fd), in); len(in) == 0 {
			l.turn(c, nil, true)
			return true
		}
	}
	n, errno := stream.TryReceive(int(c.fd), in)
	switch {
	case errno == syscall.EAGAIN:
		c.readable, c.urgent = c.ended, false // what is left of last may not come any more: then it is the end
		c.last.left = 0
		return c.ended
	case errno != 0:
		l.end(c, server.ReasonReset)
		return false
	}
	c.readable = c.more(n, in) || c.ended
	c.last.took(n)
	l.turn(c, in[:n], n == 0)
	return true
}

// more reports whether there may be more to read after n bytes into in. The socket is
// empty after a read that did not fill the buffer (epoll(7)), and will tell when it is
// not; unless it has told the end already, which it does once, or the read ended at
// urgent data.
func (c *epollConn) more(n int, in []byte) bool { return n == len(in) || c.hungUp || c.urgent }

// turn has the session answer, and sends the answer.
func (l *epollLoop) turn(c *epollConn, got []byte, eof bool) {
	c.eof = eof
	var answer []byte
	answer, c.next = c.Conn.turn(got, eof, l.out[:0])
	l.keepGrown(answer)
	if len(answer) == 0 {
		return
	}
	if rest, ok := l.send(c, answer); ok && len(rest) > 0 {
		c.pending = append([]byte(nil), rest...)
	}
}

// keepGrown makes an answer buffer that a session had to enlarge the loop's,
// within reason.
func (l *epollLoop) keepGrown(answer []byte) {
	if cap(answer) > cap(l.out) && cap(answer) <= maxOutbox {
		l.out = answer
	}
}

// sendPending sends what is pending, then what others have pushed. It reports
// whether all of it is sent.
func (l *epollLoop) sendPending(c *epollConn) bool {
	if len(c.pending) == 0 {
		c.pending = c.takeOutbox()
		c.pushed = len(c.pending) > 0
	}
	if len(c.pending) == 0 {
		return true
	}
	rest, ok := l.send(c, c.pending)
	if !ok {
		return false
	}
	if c.pending = rest; len(rest) == 0 {
		c.pending = nil
	}
	return len(rest) == 0
}

// send sends what the socket takes and returns the rest; ok is false when the
// connection has ended instead.
func (l *epollLoop) send(c *epollConn, p []byte) (rest []byte, ok bool) {
	n, errno := stream.TrySend(int(c.fd), p)
	if errno != 0 && errno != syscall.EAGAIN {
		l.end(c, server.ReasonReset)
		return nil, false
	}
	switch {
	case n == len(p):
		c.sent(n)
	case n > 0:
		c.sentPart(n)
	}
	return p[n:], true
}

// finish closes this side when all is said, and the connection if the peer has
// closed its own.
func (l *epollLoop) finish(c *epollConn) bool {
	if c.pending = c.closeOutbox(); len(c.pending) > 0 {
		return true // the next step sends it
	}
	if why := c.finished(stream.ShutdownWrite(int(c.fd)), c.eof); why != server.NotEnded {
		l.end(c, why)
		return false
	}
	c.lingering, c.readable = true, true
	l.linger.add(c)
	return true
}

// drop reads and throws away until the peer's end.
func (l *epollLoop) drop(c *epollConn) bool {
	if !c.readable {
		return false
	}
	n, errno := stream.TryReceive(int(c.fd), l.in)
	switch {
	case errno == syscall.EAGAIN:
		c.readable, c.urgent = false, false
		return false
	case errno != 0 || n == 0:
		l.end(c, server.ReasonFinished)
		return false
	}
	c.readable = c.more(n, l.in)
	return true
}
