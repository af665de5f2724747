package tcp

import (
	"slices"
	"syscall"

	"wirelab/internal/sys/uring"
	"wirelab/server"
)

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
		if c.next != Wait || c.pushed || c.hungUp || c.inputCut || !c.receiving {
			l.later(c)
		}
	}
}

// settleAll is settle when nothing has completed, so that what was sent is counted
// before the loop waits. It leaves it to settle when that is not sure yet.
func (l *uringLoop) settleAll() {
	if l.ring.SubmissionsLeft() == 0 && !l.ring.Overflowed() {
		l.settle(nil)
	}
}

// settle ends the sending of the answers, and counts it: those that the kernel did
// not take whole have completed with how much it took.
func (l *uringLoop) settle(completed []uring.Completion) {
	if len(l.answered) == 0 {
		return
	}
	for i := range completed {
		if done := &completed[i]; done.Data&uringKinds == uringSendNow {
			l.refused(l.conns[uint32(done.Data)], done)
		}
	}
	for i, c := range l.answered {
		switch {
		case c.sending:
		case c.over:
			l.release(c)
		default:
			c.sentTogether(len(c.answer))
			l.release(c)
		}
		l.answered[i] = nil
	}
	l.answered = l.answered[:0]
}

// refused has the rest of an answer sent as the peer takes it.
func (l *uringLoop) refused(c *uringConn, done *uring.Completion) {
	n := max(int(done.Result), 0)
	rest := c.answer[n:]
	if n > 0 {
		c.sentPart(n)
	}
	if errno := done.Errno(); errno != 0 && errno != syscall.EAGAIN {
		l.end(c, server.ReasonReset)
		return
	}
	if cap(c.answer) > 2*len(rest) {
		l.free.put(c.answer) // too large to wait for a little
		c.answer = slices.Clone(rest)
		rest = c.answer
	}
	c.backlog().sent = len(c.answer) - len(rest)
	l.send(c)
}

// send has the kernel wait for the peer to take some of the answer.
func (l *uringLoop) send(c *uringConn) {
	c.sending = true
	l.ring.Send(int(c.fd), c.answer[c.behind.sent:], c.data(uringSend))
}

// sent goes on with what a send has left over.
func (l *uringLoop) sent(c *uringConn, done *uring.Completion) {
	c.sending = false
	switch {
	case c.over:
		l.closeWhenIdle(c)
		return
	case done.Result <= 0:
		l.end(c, server.ReasonReset)
		return
	}
	n := int(done.Result)
	if c.behind.sent += n; c.behind.sent < len(c.answer) {
		c.sentPart(n)
		l.send(c)
		return
	}
	c.sentTogether(n)
	l.release(c)
	l.serve(c)
}

// The capacities of a new buffer, of one that is kept for later, and of all that
// are kept.
const (
	newBuffer      = 4 << 10
	maxFreeBuffer  = 256 << 10
	maxFreeBuffers = 1 << 20
)

// freeBuffers are buffers that nobody uses, the last used on top: it is the one
// that the processor's caches know.
type freeBuffers struct {
	buffers [][]byte
	size    int // the sum of their capacities
}

// get returns an empty buffer.
func (f *freeBuffers) get() []byte {
	n := len(f.buffers)
	if n == 0 {
		return make([]byte, 0, newBuffer)
	}
	b := f.buffers[n-1]
	f.buffers = f.buffers[:n-1]
	f.size -= cap(b)
	return b
}

func (f *freeBuffers) put(b []byte) {
	if cap(b) > 0 && cap(b) <= maxFreeBuffer && f.size+cap(b) <= maxFreeBuffers {
		f.buffers = append(f.buffers, b[:0])
		f.size += cap(b)
	}
}
