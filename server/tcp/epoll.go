package tcp

import (
	"syscall"
	"time"

	"wirelab/internal/sys/epoll"
	"wirelab/internal/sys/process"
	"wirelab/internal/sys/stream"
	"wirelab/server"
)

// startEpoll makes an engine of epollLoops.
func startEpoll(s *Server, listener int) (engine, error) {
	return startLoops(s, listener, newEpollLoop)
}

// listenToken marks events of a loop's listener; other tokens are descriptors.
const listenToken = epoll.WakeToken - 1

// epollEvents is how many events a loop takes at once.
const epollEvents = 256

// epollLoop is a loop with an event queue and two buffers for all its connections: a
// silent connection is one structure. Its thread alone uses it, except for its commands.
type epollLoop struct {
	loop[*epollConn]
	queue   *epoll.Instance
	events  []epoll.Event
	in, out []byte
}

func newEpollLoop(s *Server, listener int) (*epollLoop, error) {
	queue, err := epoll.New()
	if err != nil {
		return nil, err
	}
	if err := queue.Add(listener, epoll.ReadyIn, listenToken); err != nil {
		queue.Close()
		return nil, err
	}
	l := &epollLoop{
		loop: loop[*epollConn]{server: s, listener: listener}, queue: queue, events: make([]epoll.Event, epollEvents),
		in: make([]byte, s.cfg.Buffer), out: make([]byte, 0, s.cfg.Buffer),
	}
	l.commands.wake = queue.Wake
	return l, nil
}

func (l *epollLoop) close() {
	l.commands.close()
	for _, c := range l.conns {
		if c != nil {
			l.end(c, server.ReasonReset)
		}
	}
	l.closeListener()
	l.queue.Close()
}

func (l *epollLoop) run() error {
	l.thread = process.ThreadID()
	for {
		n, err := l.wait()
		if err != nil {
			return err
		}
		if err := l.handle(l.events[:n]); err != nil {
			return err
		}
		l.goOn()
		l.expire()
		if l.commands.full.Load() {
			l.runCommands()
		}
		if l.listener < 0 && l.open == 0 {
			return nil
		}
	}
}

// wait returns how many events there are, and waits for the first if nothing else
// is to be done. To look for events before waiting for them would spare the way
// through Go's scheduler when there are some, but costs more when there are none.
func (l *epollLoop) wait() (int, error) {
	if len(l.busy) > 0 || l.commands.full.Load() {
		return l.queue.Poll(l.events)
	}
	return l.queue.Wait(l.events, l.timeout())
}

func (l *epollLoop) handle(events []epoll.Event) error {
	for i := range events {
		switch token := events[i].Token(); token {
		case epoll.WakeToken:
		case listenToken:
			if err := l.accept(); err != nil {
				return err
			}
		default:
			// An event may belong to a connection that ended in this round and whose descriptor
			// another one has now: for that one it is a false alarm.
			if c := l.conns[token]; c != nil {
				c.note(events[i].Ready())
				l.serve(c)
			}
		}
	}
	return nil
}

// goOn serves those that had more to do than the last round allowed.
func (l *epollLoop) goOn() {
	busy := l.busy
	l.busy = l.served
	for i, c := range busy {
		c.queued = false
		l.serve(c)
		busy[i] = nil
	}
	l.served = busy[:0]
}

// expire ends lingering, and a pause in accepting.
func (l *epollLoop) expire() {
	if l.empty() {
		return
	}
	now := time.Now()
	if l.agenda.expire(now, l.end) && l.listener >= 0 {
		if err := l.queue.Add(l.listener, epoll.ReadyIn, listenToken); err != nil {
			l.acceptAt = now.Add(starvedPause) // that takes memory too
		}
	}
}

func (l *epollLoop) runCommands() {
	commands, stopped := l.commands.take()
	if stopped {
		l.closeListener()
		l.acceptAt = time.Time{}
	}
	for _, cmd := range commands {
		c := cmd.conn
		if c.fd < 0 {
			continue
		}
		switch cmd.kind {
		case commandFlush:
			c.pushed = true
		case commandEndInput:
			c.ended, c.readable = true, true
		case commandAbort:
			l.end(c, server.ReasonReset)
			continue
		}
		l.serve(c)
	}
}

// acceptsPerRound bounds how long new connections keep the others waiting.
const acceptsPerRound = 64

func (l *epollLoop) accept() error {
	for range acceptsPerRound {
		fd, peer, errno := stream.TryAccept(l.listener)
		switch errno {
		case 0:
			c := &epollConn{loop: l, fd: int32(fd), readable: true}
			c.init(l.server, peer, c)
			l.host(c)
		case syscall.EAGAIN:
			return nil
		default:
			return l.acceptFailed(errno)
		}
	}
	return nil
}

func (l *epollLoop) acceptFailed(errno syscall.Errno) error {
	if err := l.agenda.acceptFailed(l.server, errno); err != nil || l.acceptAt.IsZero() {
		return err
	}
	return l.queue.Remove(l.listener)
}

// host admits a connection and takes its first turn.
func (l *epollLoop) host(c *epollConn) {
	c.thread.Store(int32(l.thread))
	if !l.server.admit(&c.Conn) {
		stream.Close(int(c.fd))
		return
	}
	for len(l.conns) <= int(c.fd) {
		l.conns = append(l.conns, nil)
	}
	l.conns[c.fd] = c
	l.open++
	// On edge: what has been told once is remembered in the connection, and no
	// further system call is needed when it begins or ceases to wait for something.
	if err := l.queue.Add(int(c.fd), epoll.ReadyIn|epoll.ReadyUrgent|epoll.ReadyOut|epoll.ReadyEOF|epoll.OnEdge, uint64(c.fd)); err != nil {
		l.end(c, server.ReasonReset)
		return
	}
	c.pushed, c.next = true, More // what opening has pushed, and then the first turn
	l.serve(c)
}

// end closes a connection and forgets it.
func (l *epollLoop) end(c *epollConn, seen server.Reason) {
	if c.fd < 0 {
		return
	}
	l.server.retire(&c.Conn, seen)
	stream.Close(int(c.fd))
	l.conns[c.fd] = nil
	l.open--
	c.fd, c.pending = -1, nil
}
