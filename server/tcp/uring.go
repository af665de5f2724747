package tcp

import (
	"time"

	"wirelab/internal/sys/process"
	"wirelab/internal/sys/stream"
	"wirelab/internal/sys/uring"
	"wirelab/server"
)

// startUring makes an engine of uringLoops.
func startUring(s *Server, listener int) (engine, error) {
	return startLoops(s, listener, newUringLoop)
}

// Sizes of a loop's ring. All of its buffers together are what the kernel may
// deliver at a stroke to a connection that is to wait; given back after every round,
// they are never gone for long. Answers are collected up to a bound.
const (
	uringSubmissions = 1024
	uringCompletions = 4096
	uringBuffers     = 8
	uringBufferSize  = 16 << 10
	uringMaxAnswers  = uringBuffers * uringBufferSize
)

// Kinds of operations: the upper half of their data. The lower is a descriptor,
// which stays open as long as any of its operations is under way.
const (
	uringAccept uint64 = (1 + iota) << 32
	uringReceive
	uringSendNow
	uringSend
	uringCancel

	uringKinds = uint64(0xffffffff << 32)
)

// uringLoop does not ask what can be done, as an epollLoop does, but tells the
// kernel what to do: accepting and receiving go on by themselves on its io_uring, and
// what was answered to all that one call brought is sent with the next. Its thread alone
// uses it, except for its commands.
type uringLoop struct {
	loop[*uringConn]
	ring      *uring.Ring
	buffers   *uring.BufferRing // that is received into
	stopping  bool
	accepting bool // an accept is under way

	answered []*uringConn // have something to send, together with all others
	starved  []*uringConn // found no buffer
	fresh    []int32      // descriptors that have received since the last look for what was missed
	isFresh  []bool       // by descriptor: it is in fresh
	lookAt   time.Time    // when to look for what was missed; zero: nobody is fresh

	completions []uring.Completion
	in          []byte // for the last bytes of a drained connection
	free        freeBuffers
}

func newUringLoop(s *Server, listener int) (*uringLoop, error) {
	ring, err := uring.New(uring.Config{Submissions: uringSubmissions, Completions: uringCompletions})
	if err != nil {
		return nil, err
	}
	buffers, err := uring.NewBufferRing(ring, 0, uringBuffers, uringBufferSize)
	if err != nil {
		ring.Close()
		return nil, err
	}
	l := &uringLoop{
		loop: loop[*uringConn]{server: s, listener: listener}, ring: ring, buffers: buffers,
		completions: make([]uring.Completion, uringCompletions), in: make([]byte, s.cfg.Buffer),
	}
	l.commands.wake = ring.Wake
	return l, nil
}

func (l *uringLoop) close() {
	l.commands.close()
	for _, c := range l.conns {
		if c != nil {
			l.abandon(c)
		}
	}
	l.ring.Close()
	l.buffers.Free()
	l.closeListener()
}

func (l *uringLoop) run() error {
	l.thread = process.ThreadID()
	if err := l.ring.Enable(); err != nil {
		return err
	}
	l.accept()
	for l.listener >= 0 || l.open > 0 {
		completed, err := l.exchange()
		if err == nil {
			err = l.handle(completed)
		}
		if err != nil {
			return err
		}
		l.feed()
		l.goOn()
		l.expire()
		if l.commands.full.Load() {
			l.runCommands()
		}
	}
	return nil
}

// exchange sends all answers and brings what has completed; when nothing has and
// nothing else is to be done, it waits.
func (l *uringLoop) exchange() ([]uring.Completion, error) {
	l.sendAnswers()
	if err := l.ring.SubmitAndWait(0, 0); err != nil {
		return nil, err
	}
	if l.ring.Ready() == 0 && len(l.busy) == 0 && !l.commands.full.Load() {
		l.settleAll()
		if err := l.ring.SubmitAndWait(1, l.patience()); err != nil {
			return nil, err
		}
	}
	completed, err := l.reap()
	if err != nil {
		return nil, err
	}
	l.settle(completed)
	return completed, nil
}

// reap returns all completions. What the queue had no room for may tell of an
// answer that did not go, whose buffer is not to be used again before that is known.
func (l *uringLoop) reap() ([]uring.Completion, error) {
	n := l.ring.Reap(l.completions)
	for l.ring.SubmissionsLeft() > 0 || l.ring.Overflowed() || n == len(l.completions) {
		if n == len(l.completions) {
			l.completions = append(l.completions, make([]uring.Completion, n)...)
		}
		if err := l.ring.SubmitAndWait(0, 0); err != nil {
			return nil, err
		}
		n += l.ring.Reap(l.completions[n:])
	}
	return l.completions[:n], nil
}

func (l *uringLoop) handle(completed []uring.Completion) error {
	for i := range completed {
		done := &completed[i]
		switch fd := uint32(done.Data); done.Data & uringKinds {
		case uringReceive:
			l.received(l.conns[fd], done)
		case uringSend:
			l.sent(l.conns[fd], done)
		case uringAccept:
			if err := l.accepted(done); err != nil {
				return err
			}
		}
	}
	return nil
}

// feed gives back the buffers of this round, and lets connections receive again that found
// none. Those that got no buffer at all go first: otherwise one that sends without end
// could take all of them, every time.
func (l *uringLoop) feed() {
	l.buffers.Publish()
	starved := l.starved
	l.starved = l.starved[:0]
	for _, c := range starved {
		if !c.fed {
			l.serve(c)
		}
	}
	for _, c := range starved {
		if c.fed {
			c.fed = false
			l.serve(c)
		}
	}
}

// goOn serves those that can do more without waiting.
func (l *uringLoop) goOn() {
	busy := l.busy
	l.busy = l.served
	for i, c := range busy {
		c.queued = false
		l.serve(c)
		busy[i] = nil
	}
	l.served = busy[:0]
}

// later has goOn serve c.
func (l *uringLoop) later(c *uringConn) {
	if !c.queued {
		c.queued = true
		l.busy = append(l.busy, c)
	}
}

// missedInterval is how long what the kernel does not report may go unseen.
const missedInterval = time.Second

// noteFresh has c looked at with the next look for what was missed.
func (l *uringLoop) noteFresh(c *uringConn) {
	if l.isFresh[c.fd] {
		return
	}
	l.isFresh[c.fd] = true
	if l.fresh = append(l.fresh, c.fd); l.lookAt.IsZero() {
		l.lookAt = time.Now().Add(missedInterval)
	}
}

// lookForMissed finds what a receive that goes on does not report: it waits for something
// new to happen once the queue seems empty (io_recv_finish in io_uring/net.c, Linux 6.18),
// and what has happened by then is not new. A reset is one such thing; bytes behind urgent
// data, where the queue seems to end (tcp_inq), are another.
func (l *uringLoop) lookForMissed(now time.Time) {
	if l.lookAt.IsZero() || now.Before(l.lookAt) {
		return
	}
	l.lookAt = time.Time{}
	for _, fd := range l.fresh {
		l.isFresh[fd] = false
		c := l.conns[fd]
		if c == nil || c.over || !c.receiving {
			continue
		}
		switch readable, reset := stream.Peek(int(fd)); {
		case reset:
			l.end(c, c.broken())
		case readable:
			l.pause(c) // and then receive anew
		}
	}
	l.fresh = l.fresh[:0]
}

// patience returns how long there is nothing to do; negative is for ever.
func (l *uringLoop) patience() time.Duration {
	wait := l.timeout()
	if l.lookAt.IsZero() {
		return wait
	}
	until := max(time.Until(l.lookAt), 0)
	if wait < 0 {
		return until
	}
	return min(wait, until)
}

// expire ends lingering, connections that were reset unseen, and a pause in accepting.
func (l *uringLoop) expire() {
	if l.empty() && l.lookAt.IsZero() {
		return
	}
	now := time.Now()
	l.lookForMissed(now)
	if l.agenda.expire(now, l.end) {
		l.accept()
	}
}

func (l *uringLoop) runCommands() {
	commands, stopped := l.commands.take()
	if stopped && !l.stopping {
		l.stopping = true
		l.stopAccepting()
	}
	for _, cmd := range commands {
		c := cmd.conn
		if c.over {
			continue
		}
		switch cmd.kind {
		case commandFlush:
			c.pushed = true
		case commandEndInput:
			c.inputCut = true
			l.pause(c)
		case commandAbort:
			l.end(c, server.ReasonReset)
			continue
		}
		l.serve(c)
	}
}

func (l *uringLoop) accept() {
	if !l.accepting && !l.stopping {
		l.accepting = true
		l.ring.Accept(l.listener, uringAccept)
	}
}

// stopAccepting ends the accept that is under way, which holds the listener open.
func (l *uringLoop) stopAccepting() {
	l.acceptAt = time.Time{}
	if l.accepting {
		stream.ShutdownBoth(l.listener)
		return
	}
	l.closeListener()
}

func (l *uringLoop) accepted(done *uring.Completion) error {
	l.accepting = done.More()
	errno := done.Errno()
	switch {
	case errno == 0:
		l.host(int(done.Result))
	case l.stopping:
	default:
		if err := l.acceptFailed(l.server, errno); err != nil {
			return err
		}
	}
	switch {
	case l.accepting:
	case l.stopping:
		l.closeListener()
	case l.acceptAt.IsZero():
		l.accept()
	}
	return nil
}

// host admits a connection and takes its first turn.
func (l *uringLoop) host(fd int) {
	peer, errno := stream.PeerAddr(fd)
	if errno != 0 { // it has gone already
		l.server.count("aborted_before_accept")
		stream.Close(fd)
		return
	}
	c := &uringConn{loop: l, fd: int32(fd), pushed: true, next: More} // what opening has pushed, and then the first turn
	c.init(l.server, peer, c)
	c.thread.Store(int32(l.thread))
	if !l.server.admit(&c.Conn) {
		stream.Close(fd)
		return
	}
	for len(l.conns) <= fd {
		l.conns, l.isFresh = append(l.conns, nil), append(l.isFresh, false)
	}
	l.conns[fd] = c
	l.open++
	l.serve(c)
}
