package load

import (
	"context"
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"wirelab/internal/sys/epoll"
	"wirelab/internal/sys/process"
	"wirelab/load/latency"
	"wirelab/load/payload"
)

// A loop carries some of the clients of a run on one OS thread, with an event
// queue, buffers and counters of its own: nothing is shared between cores while
// messages are exchanged.
type loop struct {
	run         *run
	payload     *payload.Payload
	datagrams   bool
	flood       bool
	outstanding int // messages that a client may have at once
	schedule    schedule
	cutoff      time.Duration // after which nothing is sent

	epoll   *epoll.Instance
	clients []client
	dialer  dialer
	pacer   pacer
	running bool // messages are exchanged
	paced   bool // no more messages will become due
	active  int  // clients that have something left to do

	handshakes  handshakes
	handshaking int // clients in a TLS handshake

	retrying  int           // clients that wait to connect anew after a failure
	nextRetry time.Duration // when the first of them does; never: there is none
	again     []uint32      // clients of a flood that go on without an event
	spare     []uint32      // becomes again
	events    []epoll.Event
	in, out   []byte // what was received; the message to be sent

	clock   time.Duration // the latest reading of run.now
	wall    time.Time     // when what is in in arrived; only read for stamp payloads
	lookout time.Duration // when to look next for what takes too long

	index     int // among the loops of the run
	rec       *recorder
	targets   []targetRecorder // of several targets; else none
	part      partRecorder
	intervals latency.Intervals
	last      time.Duration     // when the latest message was sent or answered
	before    process.ThreadUse // of the thread, when the measurement began
	use       process.ThreadUse // of the thread since then, until used
	used      time.Duration     // soon after last: what is later is waiting
	cut       bool              // the run was stopped while clients were active

	published published
}

// Sizes and bounds of one loop.
const (
	receiveBuffer = 128 << 10 // more than any datagram
	eventBatch    = 128
	accountEvery  = 100 * time.Millisecond
	never         = time.Duration(math.MaxInt64)
)

// newLoop makes the loop for every strideth client of the run, from number first on.
func newLoop(r *run, first, stride int) (*loop, error) {
	queue, err := epoll.New()
	if err != nil {
		return nil, err
	}
	cfg := &r.cfg
	number := (cfg.Clients - first + stride - 1) / stride
	l := &loop{
		run:         r,
		payload:     cfg.Payload,
		datagrams:   cfg.Network == "udp",
		flood:       cfg.Flood,
		outstanding: cfg.Outstanding,
		epoll:       queue,
		clients:     make([]client, number),
		dialer:      newDialer(number, max(1, connectsAtOnce/stride)),
		events:      make([]epoll.Event, eventBatch),
		in:          make([]byte, receiveBuffer),
		out:         make([]byte, 0, cfg.Payload.Len()),
		index:       first,
		rec:         newRecorder(cfg.Payload.Reflected()),
		targets:     newTargetRecorders(len(cfg.Targets)),
		part:        partRecorder{end: never},
	}
	slots := make([]slot, number) // one each to begin with; windows that need more grow
	for i := range l.clients {
		l.clients[i] = client{
			number: uint64(first + i*stride), index: uint32(i), fd: -1,
			window: window{slots: slots[i : i+1 : i+1], first: 1, next: 1},
		}
		if l.datagrams {
			l.clients[i].answers = newAnswerLog(2 * cfg.Outstanding)
		}
		l.dialer.enqueue(uint32(i))
	}
	return l, nil
}

// close closes what the loop opened; it must not run any more.
func (l *loop) close() {
	l.handshakes.running.Wait() // the run is stopped, or over
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
func (l *loop) drive(ctx context.Context) error {
	// Never unlocked: the thread ends with this goroutine and serves no other.
	runtime.LockOSThread()
	err := l.prepare()
	l.run.connected(ctx)
	if err != nil {
		return err
	}
	if l.before, err = process.ReadThreadUse(); err != nil {
		return err
	}
	if err := l.exchangeAll(); err != nil {
		return err
	}
	return l.account()
}

// account reads what the thread has used, unless no message was exchanged since it
// was read: a loop that then waits for an answer is not to seem idle, nor busy.
func (l *loop) account() error {
	if l.last <= l.used {
		return nil
	}
	use, err := process.ReadThreadUse()
	l.use, l.used = use.Sub(l.before), l.now()
	return err
}

// prepare returns when every client is connected or has failed.
func (l *loop) prepare() error {
	// Else the kernel wakes the thread up to 50 us after what is due.
	if err := process.SetTimerSlack(0); err != nil {
		return err
	}
	l.pacer.upcoming, l.nextRetry = never, never
	l.now()
	for (!l.dialer.idle() || l.handshaking > 0) && !l.run.stopped.Load() {
		if err := l.turn(); err != nil {
			return err
		}
	}
	l.publish()
	return nil
}

// exchangeAll returns when no client has anything left to do, or when the run was
// stopped.
func (l *loop) exchangeAll() error {
	l.schedule = newSchedule(&l.run.cfg, l.run.began)
	l.cutoff = l.schedule.cutoff()
	l.intervals.Begin(l.run.began)
	l.beginParts()
	l.now()
	l.last = l.clock
	for i := range l.clients {
		if l.clients[i].state == open {
			l.active++
		}
	}
	l.running = true
	l.pacer = pacer{round: 1}
	l.preparePace()
	for l.active > 0 && !l.run.stopped.Load() {
		if err := l.turn(); err != nil {
			return err
		}
	}
	l.now()
	l.cut = l.run.stopped.Load() && (l.active > 0 || !l.dialer.idle())
	l.rec.notBegun = l.unpaced()
	l.drain()
	l.endPart(true)
	l.publish()
	return nil
}

// drain looks for bytes that nobody asked for, and counts what is still under way:
// more than nothing only if the run was stopped.
func (l *loop) drain() {
	l.running = false
	for i := range l.clients {
		c := &l.clients[i]
		switch {
		case c.state == finished:
			l.receive(c, false)
		case l.flood && (c.state == open || c.state == closing):
			l.unread(c)
		case c.state == open && !l.flood:
			pending := uint64(c.window.open)
			if c.written == 0 && !c.window.empty() {
				pending-- // the latest, of which nothing was sent
			}
			l.rec.pending += pending
			if t := l.targetOf(c); t != nil {
				t.pending += pending
			}
		}
	}
}

// turn waits for events and handles them. Handlers read the clock, so that turn
// need not: only when nothing happened, when no handler did (a socket that takes more
// while there is nothing to send), or when messages have their time. So no wait is longer
// than until l.lookout, which is a tenth of a second away at most.
func (l *loop) turn() error {
	if !l.paced {
		l.now()
		l.pace()
	}
	n, err := l.epoll.Wait(l.events, l.patience())
	if err != nil {
		return err
	}
	if n == 0 || !l.paced {
		l.now()
	}
	before := l.clock
	for i := range l.events[:n] {
		l.handle(&l.events[i])
		if l.clock >= l.pacer.upcoming {
			l.pace()
		}
	}
	if n > 0 && l.clock == before {
		l.now()
	}
	l.takeHandshakes()
	l.floodAgain()
	l.retry()
	if l.clock >= l.part.end && l.running {
		l.endPart(false)
	}
	if l.clock >= l.lookout {
		l.expire()
		if l.running && l.clock-l.used >= accountEvery {
			if err := l.account(); err != nil {
				return err
			}
		}
	}
	if !l.dialer.idle() {
		l.keepDialing()
	}
	l.publish()
	return nil
}

// handle passes an event to its client, unless it is of an earlier socket of it.
func (l *loop) handle(e *epoll.Event) {
	token := e.Token()
	if token == epoll.WakeToken {
		return
	}
	if c := &l.clients[uint32(token)]; uint32(token>>32) == c.generation&0x7fffffff {
		l.ready(c, e.Ready())
	}
}

// patience returns how long the loop may wait for events.
func (l *loop) patience() time.Duration {
	if len(l.again) > 0 {
		return 0
	}
	until := min(l.lookout, l.pacer.upcoming, l.nextRetry)
	if l.running {
		until = min(until, l.part.end)
	}
	if !l.dialer.idle() {
		until = min(until, l.dialer.until(l.clock))
	}
	return max(until-l.clock, 0)
}

// keepDialing begins connects and watches those that are under way.
func (l *loop) keepDialing() {
	l.now()
	if l.clock >= l.dialer.lookout {
		l.watchDials()
	}
	l.dial()
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
		switch {
		case l.flood:
			l.expireFlood(c)
		case c.state != open: // closed, connecting, or waiting to connect anew
		case !c.window.empty():
			if l.clock-c.window.oldest().sent >= timeout && !l.arrived(c) {
				l.overdue(c)
			}
		case l.running && l.paced:
			l.proceed(c) // which finishes it, after the cutoff
		}
	}
	l.lookout = l.clock + min(max(timeout/8, time.Millisecond), 100*time.Millisecond)
	if l.running && l.flood && l.schedule.end > l.clock {
		l.lookout = min(l.lookout, l.schedule.end)
	}
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
