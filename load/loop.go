package load

import (
	"runtime"
	"sync/atomic"
	"time"

	"wirelab/internal/sys"
)

// A loop carries some of the clients of a run on one OS thread, with an event
// queue, buffers and counters of its own: nothing is shared between cores while
// messages are exchanged.
type loop struct {
	run       *run
	payload   *Payload
	datagrams bool
	epoll     *sys.Epoll
	clients   []client
	next      int // the first client that has not begun to connect
	pending   int // clients that connect
	active    int // clients that await an answer
	events    []sys.Event
	in, out   []byte // what was received; the message to be sent

	clock   time.Duration // the latest reading of run.now
	wall    time.Time     // when what is in in arrived; only read for stamp payloads
	lookout time.Duration // when to look next for what takes too long

	rec       *recorder
	intervals intervals
	ended     time.Duration // when the last client was done
	cpu       time.Duration // processor time used since the first message
	cut       bool          // the run was stopped while clients were active

	published published
}

// Sizes and bounds of one loop.
const (
	receiveBuffer  = 128 << 10 // more than any datagram
	eventBatch     = 128
	connectsAtOnce = 64 // in all loops together: fewer than the backlog of most servers
)

// newLoop makes a loop for clients whose numbers begin with first.
func newLoop(r *run, first, clients int) (*loop, error) {
	epoll, err := sys.NewEpoll()
	if err != nil {
		return nil, err
	}
	l := &loop{
		run:       r,
		payload:   r.cfg.Payload,
		datagrams: r.cfg.Network == "udp",
		epoll:     epoll,
		clients:   make([]client, clients),
		events:    make([]sys.Event, eventBatch),
		in:        make([]byte, receiveBuffer),
		out:       make([]byte, 0, r.cfg.Payload.Len()),
		rec:       newRecorder(r.cfg.Payload.kind == stampPayload),
	}
	for i := range l.clients {
		l.clients[i] = client{number: uint64(first + i), fd: -1}
	}
	return l, nil
}

// close closes what the loop opened; it must not run any more.
func (l *loop) close() {
	for i := range l.clients {
		l.hangUp(&l.clients[i])
	}
	l.epoll.Close()
}

// wake makes the loop look whether it was stopped. It fails only if the counter of
// the eventfd is full, which means that the loop is awake.
func (l *loop) wake() { _ = l.epoll.Wake() }

// drive connects the clients, waits for the other loops to have done so, and
// exchanges messages until all clients are done or the run is stopped.
func (l *loop) drive() error {
	// Never unlocked: the thread ends with this goroutine and serves no other.
	runtime.LockOSThread()
	err := l.connectAll()
	l.run.connected()
	if err != nil {
		return err
	}
	before, err := sys.ThreadCPUTime()
	if err != nil {
		return err
	}
	if err := l.exchangeAll(); err != nil {
		return err
	}
	after, err := sys.ThreadCPUTime()
	l.cpu = after - before
	return err
}

// connectAll returns when every client is connected or has failed.
func (l *loop) connectAll() error {
	limit := max(1, connectsAtOnce/len(l.run.loops))
	for l.next < len(l.clients) || l.pending > 0 {
		if l.run.stopped.Load() {
			return nil
		}
		for l.next < len(l.clients) && l.pending < limit {
			l.connect(&l.clients[l.next], uint64(l.next))
			l.next++
		}
		if l.pending == 0 {
			continue
		}
		if err := l.turn(); err != nil {
			return err
		}
	}
	l.publish()
	return nil
}

// exchangeAll returns when no client awaits an answer any more, or when the run
// was stopped.
func (l *loop) exchangeAll() error {
	l.intervals.begin(l.run.began)
	l.now()
	if l.run.stopped.Load() {
		l.ended, l.cut = l.clock, true
		return nil
	}
	for i := range l.clients {
		if c := &l.clients[i]; c.state == connected {
			l.active++
			l.proceed(c)
		}
	}
	for l.active > 0 && !l.run.stopped.Load() {
		if err := l.turn(); err != nil {
			return err
		}
	}
	l.ended = l.now()
	l.cut = l.active > 0
	l.drain()
	l.publish()
	return nil
}

// drain looks for bytes that nobody asked for, and counts what is still under way.
func (l *loop) drain() {
	for i := range l.clients {
		switch c := &l.clients[i]; c.state {
		case finished:
			l.receive(c, false)
		case awaiting:
			if c.written > 0 {
				l.rec.pending++
			}
		}
	}
}

// turn waits for events and handles them. Handlers read the clock, so that turn
// need not: when nothing happened it does.
func (l *loop) turn() error {
	n, err := l.epoll.Wait(l.events, max(l.lookout-l.clock, 0))
	if err != nil {
		return err
	}
	if n == 0 {
		l.now()
	}
	for i := range l.events[:n] {
		e := &l.events[i]
		if token := e.Token(); token != sys.WakeToken {
			l.ready(&l.clients[token], e.Ready())
		}
	}
	if l.clock >= l.lookout {
		l.expire()
	}
	l.publish()
	return nil
}

// now reads the clock.
func (l *loop) now() time.Duration {
	l.clock = l.run.now()
	return l.clock
}

// expire ends what takes longer than the timeout. It looks at all clients, and
// is called often enough that a timeout is kept to an eighth: cheaper, for
// messages that take microseconds, than to keep them in order of their deadlines.
func (l *loop) expire() {
	timeout := l.run.cfg.Timeout
	for i := range l.clients {
		c := &l.clients[i]
		if (c.state == connecting || c.state == awaiting) && l.clock-c.since >= timeout {
			l.overdue(c)
		}
	}
	l.lookout = l.clock + min(max(timeout/8, time.Millisecond), 100*time.Millisecond)
}

// published are the counters that others may read while the loop runs, written
// once a turn, on a cache line of their own.
type published struct {
	_                                             [64]byte
	connected, sent, received, mismatched, errors atomic.Uint64
	_                                             [64]byte
}

func (l *loop) publish() {
	p, rec := &l.published, l.rec
	p.connected.Store(rec.connected)
	p.sent.Store(rec.sent)
	p.received.Store(rec.received)
	p.mismatched.Store(rec.mismatched)
	p.errors.Store(rec.failures)
}

func (p *published) addTo(sum *Progress) {
	sum.Connected += int(p.connected.Load())
	sum.Sent += p.sent.Load()
	sum.Received += p.received.Load()
	sum.Mismatched += p.mismatched.Load()
	sum.Errors += p.errors.Load()
}
