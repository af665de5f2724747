package tcp

import (
	"syscall"

	"wirelab/internal/sys/stream"
	"wirelab/internal/sys/uring"
	"wirelab/server"
)

// uringConn is one connection of a uringLoop, used by that loop's thread
// alone, except for the Conn and link in it. While it is silent it is this
// structure, and a receive in the kernel that holds no buffer.
type uringConn struct {
	Conn
	loop   *uringLoop
	behind *backlog // nil unless the peer, or the session, cannot keep up
	// answer is said, and not yet taken by the socket. While sending, it is the
	// kernel's; otherwise it goes with all answers of this round.
	answer []byte
	fd     int32

	next      Next // what the last turn wants
	receiving bool // a receive is under way
	pausing   bool // and being cancelled
	fed       bool // it has brought something since it last found no buffer
	sending   bool // a send is under way that waits for the peer
	hungUp    bool // there is nothing more to come
	eof       bool // the input has ended, and the session knows
	inputCut  bool // others have ended the input: see lastBytes
	pushed    bool // there may be something in the outbox
	lingering bool // all is said; waiting for the peer's end
	over      bool // retired; open only until nothing is under way
}

// backlog is what could not be done yet for a connection.
type backlog struct {
	held []byte    // received while it was not to be read
	sent int       // how much of the answer under way the peer has taken
	last lastBytes // what is left to be read when the input was cut
}

func (c *uringConn) flush()    { c.loop.commands.post(c, commandFlush) }
func (c *uringConn) endInput() { c.loop.commands.post(c, commandEndInput) }
func (c *uringConn) abort()    { c.loop.commands.post(c, commandAbort) }

// backlog makes one where there is none.
func (c *uringConn) backlog() *backlog {
	if c.behind == nil {
		c.behind = new(backlog)
	}
	return c.behind
}

// holds reports whether there are bytes that the session has not seen.
func (c *uringConn) holds() bool { return c.behind != nil && len(c.behind.held) > 0 }

func (c *uringConn) data(kind uint64) uint64 { return kind | uint64(c.fd) }

// received takes what a receive has brought, and has it go on.
func (l *uringLoop) received(c *uringConn, done *uring.Completion) {
	if !done.More() {
		c.receiving, c.pausing = false, false
	}
	got := l.buffers.Take(*done)
	if len(got) > 0 {
		c.fed = true
		l.noteFresh(c)
	}
	l.take(c, got)
	switch errno := done.Errno(); errno {
	case 0:
		c.hungUp = c.hungUp || done.Result == 0
	case syscall.ENOBUFS:
		l.starved = append(l.starved, c)
		return
	case syscall.ECANCELED:
	default:
		l.end(c, c.broken())
	}
	if !c.receiving {
		l.serve(c)
	}
}

// broken returns what an error of the connection means to it.
func (c *uringConn) broken() server.Reason {
	if c.lingering {
		return server.ReasonFinished
	}
	return server.ReasonReset
}

// take has the session answer got, or holds what it cannot answer now.
func (l *uringLoop) take(c *uringConn, got []byte) {
	for len(got) > 0 {
		switch {
		case c.over || c.next == Finish:
			return
		case c.next == More || c.sending || c.holds() || len(c.answer) >= uringMaxAnswers:
			l.hold(c, got)
			return
		}
		n := min(len(got), l.server.cfg.Buffer)
		l.turn(c, got[:n], false)
		got = got[n:]
	}
}

func (l *uringLoop) hold(c *uringConn, got []byte) {
	b := c.backlog()
	if b.held == nil {
		b.held = l.free.get()
	}
	b.held = append(b.held, got...)
	l.pause(c)
}

// takeHeld has the session answer what was held.
func (l *uringLoop) takeHeld(c *uringConn) {
	held := c.behind.held
	c.behind.held = nil
	l.take(c, held)
	l.free.put(held)
}

// pause stops receiving; what is on its way still comes.
func (l *uringLoop) pause(c *uringConn) {
	if c.receiving && !c.pausing {
		c.pausing = true
		l.ring.Cancel(c.data(uringReceive), uringCancel)
	}
}

// turn has the session answer, and the answer sent with those of this round.
func (l *uringLoop) turn(c *uringConn, got []byte, eof bool) {
	fresh := c.answer == nil
	if fresh {
		c.answer = l.free.get()
	}
	c.eof = eof
	before := len(c.answer)
	c.answer, c.next = c.Conn.turn(got, eof, c.answer)
	if len(c.answer) > before {
		c.together++
	}
	switch {
	case len(c.answer) == 0:
		l.release(c)
	case fresh:
		l.answered = append(l.answered, c)
	}
}

// release gives the connection's buffer back.
func (l *uringLoop) release(c *uringConn) {
	l.free.put(c.answer)
	c.answer, c.together = nil, 0
}

// serve does for c what can be done without waiting.
func (l *uringLoop) serve(c *uringConn) {
	for range turnsPerRound {
		if !l.step(c) {
			return
		}
	}
	l.later(c)
}

// step does the next thing for c, and reports whether there may be another.
func (l *uringLoop) step(c *uringConn) bool {
	switch {
	case c.over:
		return l.closeWhenIdle(c)
	case c.answer != nil:
		return false // goes on when that is sent
	case c.lingering && c.hungUp:
		l.end(c, server.ReasonFinished)
	case c.lingering:
		return l.receive(c)
	case c.pushed:
		return l.sendPushed(c)
	case c.next == Finish:
		return l.finish(c)
	case c.next == More:
		l.turn(c, nil, c.eof)
	case c.holds():
		l.takeHeld(c)
	case c.hungUp:
		l.turn(c, nil, true)
	case c.inputCut:
		return l.receiveLast(c)
	default:
		return l.receive(c)
	}
	return true
}

// receive lets the kernel receive, until further notice.
func (l *uringLoop) receive(c *uringConn) bool {
	if !c.receiving {
		c.receiving, c.behind = true, nil
		l.ring.Receive(int(c.fd), l.buffers.Group(), c.data(uringReceive))
	}
	return false
}

// receiveLast reads what had arrived when the input was cut, and then its end.
func (l *uringLoop) receiveLast(c *uringConn) bool {
	if c.receiving {
		return false // goes on when that is cancelled
	}
	last := &c.backlog().last
	in := last.limit(int(c.fd), l.in)
	if len(in) == 0 {
		c.hungUp = true
		return true
	}
	n, errno := stream.TryReceive(int(c.fd), in)
	switch {
	case errno == syscall.EAGAIN || errno == 0 && n == 0:
		c.hungUp = true
	case errno != 0:
		l.end(c, server.ReasonReset)
	default:
		last.took(n)
		l.turn(c, in[:n], false)
	}
	return true
}

// finish closes this side when all is said, and the connection if the peer has
// closed its own.
func (l *uringLoop) finish(c *uringConn) bool {
	if c.answer = c.closeOutbox(); len(c.answer) > 0 {
		l.answered = append(l.answered, c)
		return false
	}
	c.answer, c.behind = nil, nil
	if why := c.finished(stream.ShutdownWrite(int(c.fd)), c.eof); why != server.NotEnded {
		l.end(c, why)
		return false
	}
	c.lingering, c.hungUp = true, false // what was cut off may still come
	l.linger.add(c)
	return true
}

// end retires a connection, and closes it when nothing is under way any more.
func (l *uringLoop) end(c *uringConn, seen server.Reason) {
	if c.over {
		return
	}
	l.server.retire(&c.Conn, seen)
	c.over = true
	if c.receiving || c.sending {
		l.ring.CancelFD(int(c.fd), uringCancel)
	}
	l.closeWhenIdle(c)
}

// closeWhenIdle closes a connection that is over. Before, its descriptor is not
// to be another's: completions are still to come for it.
func (l *uringLoop) closeWhenIdle(c *uringConn) bool {
	if !c.receiving && !c.sending && c.fd >= 0 {
		stream.Close(int(c.fd))
		l.conns[c.fd] = nil
		l.open--
		c.fd = -1
	}
	return false
}

// abandon ends a connection whose loop has failed.
func (l *uringLoop) abandon(c *uringConn) {
	if !c.over {
		l.server.retire(&c.Conn, server.ReasonReset)
	}
	stream.Close(int(c.fd))
}
