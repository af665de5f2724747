package server

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"wirelab/internal/sys"
)

// What the engines share that host many connections on one loop for each core:
// the threads, the listeners, what others ask of a loop, and the connections
// that linger.

// turnsPerRound bounds how long one connection may keep the others of its loop
// waiting.
const turnsPerRound = 16

// shareListener returns n non-blocking listeners on the server's address, the
// given one first, between which the kernel spreads connections. What is set on a
// listener, its connections inherit. On failure all are closed.
func shareListener(s *TCP, listener, n int) (listeners []int, err error) {
	listeners = []int{listener}
	defer func() {
		if err != nil {
			closeAll(listeners)
		}
	}()
	if n > 1 {
		if err := sys.ShareStream(listener); err != nil {
			return listeners, err
		}
	}
	for len(listeners) < n {
		fd, err := sys.ListenShared(s.addr)
		if err != nil {
			return listeners, err
		}
		listeners = append(listeners, fd)
	}
	for _, fd := range listeners {
		if err := sys.SetNonblock(fd); err != nil {
			return listeners, err
		}
		if err := sys.SetupStream(fd, keepAliveIdle, keepAliveInterval, keepAliveCount); err != nil {
			return listeners, err
		}
	}
	return listeners, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		sys.Close(fd)
	}
}

// runLoops runs each loop on a thread of its own, which ends with it, and
// returns the first error when all have ended. A loop that fails has the others stopped.
func runLoops(loops []func() error, stop func()) error {
	var g errgroup.Group
	for _, loop := range loops {
		g.Go(func() error {
			runtime.LockOSThread()
			err := loop()
			if err != nil {
				stop()
			}
			return err
		})
	}
	return g.Wait()
}

// An order is what others ask of a connection's loop.
type order[C any] struct {
	conn C
	what errand
}

type errand uint8

const (
	orderFlush errand = iota
	orderEndInput
	orderAbort
)

// A mailbox brings orders to a loop.
type mailbox[C any] struct {
	wake func() error // makes the loop look

	full    atomic.Bool // there is something to take
	mu      sync.Mutex
	orders  []order[C]
	stopped bool
}

// post leaves an order. It may be called from any goroutine, after close too:
// then the order is dropped.
func (m *mailbox[C]) post(conn C, what errand) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wake == nil {
		return
	}
	m.orders = append(m.orders, order[C]{conn, what})
	m.knock()
}

// stop tells the loop to accept no more, and to end with its last connection.
func (m *mailbox[C]) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wake != nil && !m.stopped {
		m.stopped = true
		m.knock()
	}
}

// knock wakes the loop unless that was done and it has not looked yet.
func (m *mailbox[C]) knock() {
	if m.full.CompareAndSwap(false, true) {
		_ = m.wake() // an eventfd that is open and of use takes every write
	}
}

// take returns the orders since the last take, and whether the loop is to stop.
func (m *mailbox[C]) take() (orders []order[C], stopped bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full.Store(false)
	orders, m.orders = m.orders, nil
	return orders, m.stopped
}

// close drops all orders, those to come too, and wakes nobody any more.
func (m *mailbox[C]) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.orders, m.wake = nil, nil
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
