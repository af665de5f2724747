package tcp

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"wirelab/internal/sys/socket"
	"wirelab/internal/sys/stream"
	"wirelab/server"
)

// What the engines with event loops share: threads, listeners, the commands of others,
// and the connections that linger.

// turnsPerRound bounds how long one connection may keep the others of its loop
// waiting.
const turnsPerRound = 16

// shareListener returns n non-blocking listeners on the server's address, the
// given one first, between which the kernel spreads connections. What is set on a
// listener, its connections inherit. On failure all are closed.
func shareListener(s *Server, listener, n int) (listeners []int, err error) {
	listeners = []int{listener}
	defer func() {
		if err != nil {
			closeAll(listeners)
		}
	}()
	if n > 1 {
		if err := stream.Share(listener); err != nil {
			return listeners, err
		}
	}
	for len(listeners) < n {
		fd, err := stream.ListenShared(s.addr)
		if err != nil {
			return listeners, err
		}
		listeners = append(listeners, fd)
		if err := s.cfg.Socket.Set(fd); err != nil {
			return listeners, err
		}
	}
	for _, fd := range listeners {
		if err := stream.SetNonblock(fd); err != nil {
			return listeners, err
		}
		if err := s.setUp(fd); err != nil {
			return listeners, err
		}
	}
	return listeners, nil
}

// setUp sets up a connection, or a listener for all that it accepts.
func (s *Server) setUp(fd int) error {
	err := stream.Setup(fd, keepAliveIdle, keepAliveInterval, keepAliveCount)
	if err == nil && s.cfg.Socket.Nagle {
		err = socket.SetNagle(fd)
	}
	return err
}

func closeAll(fds []int) {
	for _, fd := range fds {
		stream.Close(fd)
	}
}

// An eventLoop hosts its share of a server's connections on one thread.
type eventLoop interface {
	// run accepts and serves until stop was called and the last connection has ended.
	run() error
	// stop may be called from any goroutine.
	stop()
	// close frees what the loop has, and ends the connections that it has when it has
	// failed. If it has run, that is on the same thread.
	close()
}

// loop is what the loops of every kind have: a listener that shares the server's address,
// connections, and what is to be done for them.
type loop[C any] struct {
	server   *Server
	thread   int // the OS thread that runs it
	listener int // -1 when closed
	commands commandQueue[C]
	agenda[C]

	conns  []C // by descriptor
	open   int
	busy   []C // have more to do than one round allows, or can go on without waiting
	served []C // empty: the other of two lists that take turns to be busy
}

func (l *loop[C]) stop() { l.commands.stop() }

func (l *loop[C]) closeListener() {
	if l.listener >= 0 {
		stream.Close(l.listener)
		l.listener = -1
	}
}

// loopEngine hosts all connections on event loops, between which the kernel
// spreads them.
type loopEngine struct {
	server *Server
	loops  []eventLoop
}

// startLoops makes as many loops as the server is to have, each with a listener
// of its own, which belongs to it unless newLoop fails.
func startLoops[L eventLoop](s *Server, listener int, newLoop func(s *Server, listener int) (L, error)) (engine, error) {
	listeners, err := shareListener(s, listener, s.cfg.Loops)
	if err != nil {
		return nil, err
	}
	e := &loopEngine{server: s}
	for i, fd := range listeners {
		l, err := newLoop(s, fd)
		if err != nil {
			closeAll(listeners[i:])
			for _, l := range e.loops {
				l.close()
			}
			return nil, err
		}
		e.loops = append(e.loops, l)
	}
	return e, nil
}

// run runs each loop on a thread of its own, which ends with it. When one fails, the
// server stops the others.
func (e *loopEngine) run() error {
	var g errgroup.Group
	for _, l := range e.loops {
		g.Go(func() error {
			runtime.LockOSThread()
			defer l.close()
			err := l.run()
			if err != nil {
				return e.server.fail(err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (e *loopEngine) stop() {
	for _, l := range e.loops {
		l.stop()
	}
}

// An agenda is what a loop is to do at some time, unless something happens before.
type agenda[C any] struct {
	linger   lingerQueue[C]
	acceptAt time.Time // when to try again to accept; zero: not put off
}

// timeout returns how long there is nothing to do; negative is for ever.
func (a *agenda[C]) timeout() time.Duration {
	at, ok := a.linger.next()
	if !a.acceptAt.IsZero() && (!ok || a.acceptAt.Before(at)) {
		at, ok = a.acceptAt, true
	}
	if !ok {
		return -1
	}
	return max(time.Until(at), 0)
}

// empty reports whether nothing is to be done at any time.
func (a *agenda[C]) empty() bool { return len(a.linger.waiting) == 0 && a.acceptAt.IsZero() }

// acceptFailed puts accepting off for a while, or not, or returns that the listener
// is of no more use.
func (a *agenda[C]) acceptFailed(s *Server, errno syscall.Errno) error {
	wait, ok := s.acceptFailed(errno)
	if !ok {
		return fmt.Errorf("accept on %s: %w", s.addr, errno)
	}
	if wait > 0 {
		a.acceptAt = time.Now().Add(wait)
	}
	return nil
}

// expire ends the connections that have lingered for long enough, and reports whether
// the time to accept again has come, once.
func (a *agenda[C]) expire(now time.Time, end func(conn C, seen server.Reason)) (accept bool) {
	for c, ok := a.linger.expired(now); ok; c, ok = a.linger.expired(now) {
		end(c, server.ReasonFinished)
	}
	return a.acceptDue(now)
}

// acceptDue reports whether the time to accept again has come, once.
func (a *agenda[C]) acceptDue(now time.Time) bool {
	if a.acceptAt.IsZero() || now.Before(a.acceptAt) {
		return false
	}
	a.acceptAt = time.Time{}
	return true
}

// A command is what others ask of a connection's loop.
type command[C any] struct {
	conn C
	kind commandKind
}

type commandKind uint8

const (
	commandFlush commandKind = iota
	commandEndInput
	commandAbort
)

// A commandQueue brings commands to a loop.
type commandQueue[C any] struct {
	wake func() error // makes the loop look

	full    atomic.Bool // there is something to take
	mu      sync.Mutex
	waiting []command[C]
	stopped bool
}

// post leaves a command. It may be called from any goroutine, after close too: then the
// command is dropped.
func (q *commandQueue[C]) post(conn C, kind commandKind) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.wake == nil {
		return
	}
	q.waiting = append(q.waiting, command[C]{conn, kind})
	q.notify()
}

// stop tells the loop to accept no more, and to end with its last connection.
func (q *commandQueue[C]) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.wake != nil && !q.stopped {
		q.stopped = true
		q.notify()
	}
}

// notify wakes the loop unless that was done and it has not looked yet.
func (q *commandQueue[C]) notify() {
	if q.full.CompareAndSwap(false, true) {
		_ = q.wake() // an open eventfd takes every write
	}
}

// take returns the commands since the last take, and whether the loop is to stop.
func (q *commandQueue[C]) take() (commands []command[C], stopped bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.full.Store(false)
	commands, q.waiting = q.waiting, nil
	return commands, q.stopped
}

// close drops all commands, those to come too, and wakes nobody any more.
func (q *commandQueue[C]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting, q.wake = nil, nil
}

// A lingerQueue holds the connections that wait for their peer's end, the
// longest waiting first.
type lingerQueue[C any] struct {
	waiting []lingering[C]
}

type lingering[C any] struct {
	conn  C
	until time.Time
}

func (q *lingerQueue[C]) add(conn C) {
	q.waiting = append(q.waiting, lingering[C]{conn, time.Now().Add(lingerTime)})
}

// expired takes one connection out of the queue that has waited long enough.
func (q *lingerQueue[C]) expired(now time.Time) (conn C, ok bool) {
	if len(q.waiting) == 0 || now.Before(q.waiting[0].until) {
		return conn, false
	}
	conn = q.waiting[0].conn
	q.waiting = q.waiting[1:]
	return conn, true
}

// next returns when the next connection expires.
func (q *lingerQueue[C]) next() (until time.Time, ok bool) {
	if len(q.waiting) == 0 {
		return until, false
	}
	return q.waiting[0].until, true
}
