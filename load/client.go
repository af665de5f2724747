package load

import (
	"syscall"
	"time"

	"wirelab/internal/sys"
	"wirelab/internal/sys/epoll"
	"wirelab/internal/sys/stream"
	"wirelab/load/payload"
)

// A client is one socket of a run and what it is doing. Its loop alone touches it.
type client struct {
	fd         int
	state      clientState
	index      uint32 // among the clients of its loop
	generation uint32 // of its socket: events of earlier ones are stale
	number     uint64 // among all clients of the run

	due     uint64        // messages whose time has come
	window  window        // the outstanding ones
	written int           // bytes of the latest message that the kernel has taken
	check   payload.Check // of a stream: of the answer to the oldest outstanding message
	answers answerLog     // of datagrams
	refused uint64        // datagrams that the kernel did not take

	connections uint64        // made so far
	fresh       uint64        // messages begun before the present connection was made
	since       time.Duration // when the connect, or the end of a flood, began
	attempt     dialAttempt
	tls         *secured      // nil without TLS
	failures    int           // of its connections since the last answer
	retryAt     time.Duration // when to connect anew after a failure; 0: not waiting for that

	stream uint64        // of a flood: bytes that the kernel has taken
	moved  time.Duration // of a flood: when it last took some
	again  bool          // of a flood: in loop.again
}

type clientState uint8

const (
	unconnected clientState = iota
	connecting
	securing // a TLS handshake
	open
	closing  // a flood that waits for the server to have read all
	finished // all messages sent and answered
	closed
)

// begun returns the number of messages begun, which is that of the latest.
func (c *client) begun() uint64 { return c.window.next - 1 }

// ready handles an event of c.
func (l *loop) ready(c *client, ready epoll.Ready) {
	switch c.state {
	case connecting:
		l.dialed(c)
	case open:
		if ready&epoll.ReadyOut != 0 {
			l.writable(c)
		}
	case closing:
		if ready&epoll.ReadyOut != 0 {
			l.flushEnd(c)
		}
	case unconnected, securing, closed:
		return // an event from before the end, or one that the handshake sees
	}
	if ready&(epoll.ReadyIn|epoll.ReadyEnd) != 0 && c.fd >= 0 && c.state != connecting && c.state != securing {
		l.receive(c, ready&epoll.ReadyEnd != 0)
	}
}

// writable goes on where c had to stop because its socket was full.
func (l *loop) writable(c *client) {
	if !l.running && c.tls == nil {
		return
	}
	if l.flood && l.running {
		l.pump(c)
		return
	}
	if c.written == l.payload.Len() {
		if c.tls != nil { // of a handshake, or of what is written as far as TLS knows
			l.flush(c)
		}
		return
	}
	latest := c.window.latest()
	l.now()
	if c.written == 0 {
		latest.sent = l.clock // only now is it sent
	}
	l.write(c, l.payload.Message(l.out, c.number, c.begun(), l.stamp(latest)))
	if c.written == l.payload.Len() {
		l.proceed(c)
	}
}

// stamp returns the time that a message carries, if messages do.
func (l *loop) stamp(s *slot) time.Time {
	if !l.payload.Stamped() {
		return time.Time{}
	}
	return time.Unix(0, s.wall)
}

// proceed makes c do what there is to do: send what is due, as far as there is
// room, connect anew, or finish.
func (l *loop) proceed(c *client) {
	switch {
	case c.state != open:
		return
	case l.flood:
		l.pump(c)
		return
	case c.window.empty() && l.worn(c) && l.wanted(c):
		l.reconnect(c)
		return
	case !l.schedule.open() && c.window.empty() && l.wanted(c):
		c.due++
	}
	for c.begun() < c.due && l.room(c) {
		l.send(c)
	}
	if c.state == open && c.window.empty() && !l.wanted(c) {
		c.state = finished
		l.active--
	}
}

// wanted reports whether c, of which nothing is outstanding, is to send more.
func (l *loop) wanted(c *client) bool {
	if !l.schedule.open() {
		return l.schedule.more(c.begun(), l.clock)
	}
	return (!l.paced || c.begun() < c.due) && l.clock <= l.cutoff
}

// worn reports whether the connection of c has carried all that it may.
func (l *loop) worn(c *client) bool {
	every := l.run.cfg.Reconnect
	return every > 0 && c.begun()-c.fresh >= every
}

// room reports whether c can send a message now.
func (l *loop) room(c *client) bool {
	return l.writes(c) && c.window.span() < l.outstanding
}

// crowded reports whether c could send a message now if more might be outstanding.
func (l *loop) crowded(c *client) bool {
	return l.writes(c) && c.window.span() >= l.outstanding
}

// writes reports whether the connection of c takes another message now.
func (l *loop) writes(c *client) bool {
	return c.state == open && c.written == l.payload.Len() && !l.worn(c) && l.clock <= l.cutoff
}

// send begins the next message of c.
func (l *loop) send(c *client) {
	var s slot
	if l.payload.Stamped() {
		s.wall = time.Now().UnixNano()
	}
	number, stamp := c.window.next, l.stamp(&s)
	message := l.payload.Message(l.out, c.number, number, stamp)
	s.sent = l.now()
	c.window.push(s)
	c.written = 0
	switch {
	case l.datagrams:
		c.answers.clear(number)
	case c.window.open == 1:
		c.check = l.payload.Expect(c.number, number, stamp)
	}
	l.write(c, message)
}

// write sends what is left of a message, as far as the socket takes it now. On
// edge, the queue tells when it takes more.
func (l *loop) write(c *client, message []byte) {
	n, errno := l.trySend(c, message[c.written:])
	if errno == syscall.ECONNREFUSED && l.datagrams {
		// The error is of an earlier datagram, and is cleared with this.
		l.refused(c)
		n, errno = stream.TrySend(c.fd, message)
	}
	switch {
	case errno == 0:
		if c.written == 0 {
			l.rec.sent++
			l.last = l.clock
			if t := l.targetOf(c); t != nil {
				t.sent++
			}
		}
		c.written += n
		l.rec.bytesSent += uint64(n)
	case l.datagrams && (errno == syscall.EAGAIN || errno == syscall.ENOBUFS || errno == syscall.ECONNREFUSED):
		l.unsendable(c, errno)
	case errno == syscall.EAGAIN:
	default:
		l.fail(c, sys.ErrorName(errno))
	}
}

// unsendable notes that the kernel does not take a datagram now. In an open loop its
// time is over; in a closed one it is sent when there is room, if that is in time.
func (l *loop) unsendable(c *client, errno syscall.Errno) {
	if errno != syscall.EAGAIN {
		l.rec.fail(sys.ErrorName(errno))
	}
	if l.schedule.open() {
		l.dismiss(c, c.begun())
	}
}

// dismiss gives up message number n of c, which is outstanding: it is lost, unless
// its answer is late, or was never sent.
func (l *loop) dismiss(c *client, n uint64) {
	if n == c.begun() && c.written == 0 {
		l.rec.refused++
		c.refused++
		c.written = l.payload.Len()
	}
	c.window.settle(n)
}

// answered records the complete answer to message n of c, which is outstanding.
func (l *loop) answered(c *client, n uint64, check *payload.Check) {
	s := c.window.settle(n)
	c.failures = 0
	l.last = l.clock
	latency := l.clock - s.sent
	l.rec.answer(latency)
	if l.schedule.open() {
		due, _ := l.schedule.due(c.number, n)
		latency = l.clock - due
		l.rec.responses.Add(latency)
	}
	l.intervals.Answer(l.clock, latency)
	l.recordPart(c, latency)
	if !check.OK() {
		l.recordMismatch(c)
		l.rec.mismatch(c.number, n, check)
		return
	}
	if l.rec.exchanges != nil {
		if e, ok := check.Exchange(l.wall); ok {
			l.rec.exchanges.add(&e)
		}
	}
}

// recordPart records an answer to c where more is told of a run than its sum.
func (l *loop) recordPart(c *client, latency time.Duration) {
	if l.run.parts != nil {
		l.part.latencies.Add(latency)
	}
	if t := l.targetOf(c); t != nil {
		t.received++
		t.latencies.Add(latency)
	}
}

func (l *loop) recordMismatch(c *client) {
	if t := l.targetOf(c); t != nil {
		t.mismatched++
	}
}

// arrived reports whether what c waits for too long was there, and only this loop
// late to look.
func (l *loop) arrived(c *client) bool {
	l.receive(c, false)
	return c.state != open || c.window.empty() || l.clock-c.window.oldest().sent < l.run.cfg.Timeout
}

// overdue ends the wait of c for an answer.
func (l *loop) overdue(c *client) {
	if !l.datagrams {
		l.fail(c, "no answer in time")
		return
	}
	for !c.window.empty() && l.clock-c.window.oldest().sent >= l.run.cfg.Timeout {
		l.dismiss(c, c.window.first)
	}
	l.proceed(c)
}

// fail ends the connection of c, for a reason that is counted, and c with it unless it
// may connect anew.
func (l *loop) fail(c *client, kind string) {
	l.rec.fail(kind)
	if t := l.targetOf(c); t != nil {
		t.failures++
	}
	if l.mayRetry(c) {
		l.retryLater(c)
		return
	}
	if l.running && c.state != finished {
		l.active--
	}
	if l.flood && c.fd >= 0 {
		l.unread(c)
	}
	l.hangUp(c)
}

func (l *loop) hangUp(c *client) {
	if c.fd >= 0 {
		stream.Close(c.fd)
	}
	c.fd, c.state, c.tls = -1, closed, nil
}
