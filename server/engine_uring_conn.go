package server

import (
	"errors"
	"slices"
	"syscall"

	"wirelab/internal/sys"
)

// uringConn is one connection of a uringLoop, used by that loop's thread
// alone, except for the Conn and link in it. While it is silent it is this
// structure, and a receive in the kernel that holds no buffer.
type uringConn struct {
	Conn
	loop *uringLoop
	late *lateInput // what came when it could not be used; nil as a rule
	// answer is said, and not yet taken by the socket. While sending, it is the
	// kernel's; otherwise it goes with all answers of this round.
	answer []byte
	fd     int32

	next      Next // what the last turn wants
	receiving bool // a receive is under way
	pausing   bool // and being cancelled
	sending   bool // a send is under way that waits for the peer
	hungUp    bool // there is nothing more to come
	eof       bool // the input has ended, and the session knows
	inputCut  bool // others have ended the input: see lastBytes
	pushed    bool // there may be something in the outbox
	lingering bool // all is said; waiting for the peer's end
	over      bool // retired; open only until nothing is under way
}

// lateInput is what was received while the connection was not to be read.
type lateInput struct {
	held []byte
	last lastBytes
}

func (c *uringConn) flush()    { c.loop.mail.post(c, orderFlush) }
func (c *uringConn) endInput() { c.loop.mail.post(c, orderEndInput) }
func (c *uringConn) abort()    { c.loop.mail.post(c, orderAbort) }

func (c *uringConn) lateInput() *lateInput {
	if c.late == nil {
		c.late = new(lateInput)
	}
	return c.late
}

func (c *uringConn) data(kind uint64) uint64 { return kind | uint64(c.fd) }

// received takes what a receive has brought, and has it go on.
func (l *uringLoop) received(c *uringConn, done *sys.Completion) {
	if !done.More() {
		c.receiving, c.pausing = false, false
	}
	l.take(c, l.buffers.Take(*done))
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
func (c *uringConn) broken() Reason {
	if c.lingering {
		return ReasonFinished
	}
	return ReasonReset
}

// take has the session answer got, or keeps it until that can be.
func (l *uringLoop) take(c *uringConn, got []byte) {
	switch {
	case len(got) == 0 || c.over || c.next == Finish:
	case c.next == More || c.sending || c.late != nil && len(c.late.held) > 0 || len(c.answer) >= uringMaxAnswers:
		late := c.lateInput()
		late.held = append(late.held, got...)
		l.pause(c)
	default:
		l.turn(c, got, false)
	}
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
		c.answer = l.answers.get(uringAnswer)
	}
	c.eof = eof
	c.answer, c.next = c.Conn.turn(got, eof, c.answer)
	switch {
	case len(c.answer) == 0:
		l.release(c)
	case fresh:
		l.answered = append(l.answered, c)
	}
}

// release gives the connection's buffer back.
func (l *uringLoop) release(c *uringConn) {
	l.answers.put(c.answer)
	c.answer = nil
}

// serve does for c what can be done without waiting.
func (l *uringLoop) serve(c *uringConn) {
	for range turnsPerRound {
		if !l.step(c) {
			return
		}
	}
	l.busy = append(l.busy, c)
}

// step does the next thing for c, and reports whether there may be another.
func (l *uringLoop) step(c *uringConn) bool {
	switch {
	case c.over:
		return l.closeWhenIdle(c)
	case c.answer != nil:
		return false // goes on when that is sent
	case c.lingering && c.hungUp:
		l.end(c, ReasonFinished)
	case c.lingering:
		return l.receive(c)
	case c.pushed:
		return l.sendPushed(c)
	case c.next == Finish:
		return l.finish(c)
	case c.next == More:
		l.turn(c, nil, c.eof)
	case c.late != nil && len(c.late.held) > 0:
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
		c.receiving = true
		l.ring.Receive(int(c.fd), l.buffers.Group(), c.data(uringReceive))
	}
	return false
}

// takeHeld has the session answer some of what had to wait.
func (l *uringLoop) takeHeld(c *uringConn) {
	got := c.late.held[:min(len(c.late.held), l.server.cfg.Buffer)]
	c.late.held = c.late.held[len(got):]
	if len(c.late.held) == 0 {
		c.late.held = nil
	}
	l.turn(c, got, false)
}

// receiveLast reads what had arrived when the input was cut, and then its end.
func (l *uringLoop) receiveLast(c *uringConn) bool {
	if c.receiving {
		return false // goes on when that is cancelled
	}
	late := c.lateInput()
	in := late.last.limit(int(c.fd), l.in)
	if len(in) == 0 {
		c.hungUp = true
		return true
	}
	n, errno := sys.ReceiveNow(int(c.fd), in)
	switch {
	case errno == syscall.EAGAIN || errno == 0 && n == 0:
		c.hungUp = true
	case errno != 0:
		l.end(c, ReasonReset)
	default:
		late.last.left -= n
		l.turn(c, in[:n], false)
	}
	return true
}

// sendPushed has what others have pushed sent with the answers of this round.
func (l *uringLoop) sendPushed(c *uringConn) bool {
	c.pushed = false
	c.answer = c.takeOutbox()
	if len(c.answer) == 0 {
		c.answer = nil
		return true
	}
	l.answered = append(l.answered, c)
	return false
}

// sendAnswers prepares the sending of all answers of this round. As a rule the
// socket takes an answer at once, so that nobody has to wait for it.
func (l *uringLoop) sendAnswers() {
	for _, c := range l.answered {
		if c.over {
			continue
		}
		l.ring.SendNow(int(c.fd), c.answer, c.data(uringSendNow))
		c.sent(len(c.answer))
		if c.next != Wait || c.pushed || c.hungUp || c.inputCut || !c.receiving {
			l.busy = append(l.busy, c)
		}
	}
}

// settle ends the sending of the answers: those that the kernel did not take
// whole have completed with how much it took.
func (l *uringLoop) settle(completed []sys.Completion) {
	if len(l.answered) == 0 {
		return
	}
	for i := range completed {
		if done := &completed[i]; done.Data&uringKinds == uringSendNow {
			l.refused(l.conns[uint32(done.Data)], done)
		}
	}
	for i, c := range l.answered {
		if !c.sending {
			l.release(c)
		}
		l.answered[i] = nil
	}
	l.answered = l.answered[:0]
}

// refused has the rest of an answer sent as the peer takes it.
func (l *uringLoop) refused(c *uringConn, done *sys.Completion) {
	rest := c.answer[max(done.Result, 0):]
	c.out.Add(-uint64(len(rest))) // it was counted before it was sent
	if errno := done.Errno(); errno != 0 && errno != syscall.EAGAIN {
		l.end(c, ReasonReset)
		return
	}
	if cap(c.answer) <= maxAnswerBuffer {
		rest = slices.Clone(rest)
		l.answers.put(c.answer)
	}
	c.answer = rest
	l.send(c)
}

func (l *uringLoop) send(c *uringConn) {
	c.sending = true
	l.ring.Send(int(c.fd), c.answer, c.data(uringSend))
}

// sent goes on with what a send has left over.
func (l *uringLoop) sent(c *uringConn, done *sys.Completion) {
	c.sending = false
	switch {
	case c.over:
		l.closeWhenIdle(c)
		return
	case done.Result <= 0:
		l.end(c, ReasonReset)
		return
	}
	n := int(done.Result)
	c.Conn.sent(n)
	if c.answer = c.answer[n:]; len(c.answer) > 0 {
		l.send(c)
		return
	}
	c.answer = nil
	l.serve(c)
}

// finish closes this side when all is said, and the connection if the peer has
// closed its own.
func (l *uringLoop) finish(c *uringConn) bool {
	if c.answer = c.takeOutbox(); len(c.answer) > 0 {
		l.answered = append(l.answered, c)
		return false
	}
	c.answer, c.late = nil, nil
	if err := sys.ShutdownWrite(int(c.fd)); err != nil && !errors.Is(err, syscall.ENOTCONN) {
		l.end(c, ReasonReset)
		return false
	}
	if c.eof && !c.ending() {
		l.end(c, ReasonPeer)
		return false
	}
	c.lingering, c.hungUp = true, false // what was cut off may still come
	l.linger.add(c)
	return true
}

// end retires a connection, and closes it when nothing is under way any more.
func (l *uringLoop) end(c *uringConn, seen Reason) {
	if c.over {
		return
	}
	l.server.retire(&c.Conn, seen)
	c.over, c.late = true, nil
	if c.receiving || c.sending {
		l.ring.CancelFD(int(c.fd), uringCancel)
	}
	l.closeWhenIdle(c)
}

// closeWhenIdle closes a connection that is over. Before, its descriptor is not
// to be another's: completions are still to come for it.
func (l *uringLoop) closeWhenIdle(c *uringConn) bool {
	if !c.receiving && !c.sending && c.fd >= 0 {
		sys.Close(int(c.fd))
		l.conns[c.fd] = nil
		l.open--
		c.fd = -1
	}
	return false
}

// abandon ends a connection whose loop has failed.
func (l *uringLoop) abandon(c *uringConn) {
	if !c.over {
		l.server.retire(&c.Conn, ReasonReset)
	}
	sys.Close(int(c.fd))
}

// maxAnswerBuffer bounds the capacity of a buffer that is kept for later
// answers, and maxFreeAnswers that of all of them.
const (
	uringAnswer = 4 << 10 // the capacity of a new one

	maxAnswerBuffer = 64 << 10
	maxFreeAnswers  = 1 << 20
)

// answerBuffers are buffers for answers that nobody uses, the last used on top:
// it is the one that the processor's caches know.
type answerBuffers struct {
	free  [][]byte
	bytes int // their capacity
}

// get returns an empty buffer; size is what a new one holds.
func (b *answerBuffers) get(size int) []byte {
	n := len(b.free)
	if n == 0 {
		return make([]byte, 0, size)
	}
	p := b.free[n-1]
	b.free = b.free[:n-1]
	b.bytes -= cap(p)
	return p
}

func (b *answerBuffers) put(p []byte) {
	if cap(p) > 0 && cap(p) <= maxAnswerBuffer && b.bytes+cap(p) <= maxFreeAnswers {
		b.free = append(b.free, p[:0])
		b.bytes += cap(p)
	}
}
