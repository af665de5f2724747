package load

import (
	"syscall"
	"time"

	"wirelab/internal/sys"
)

// A client is one socket of a run and what it is doing. Its loop alone touches it.
type client struct {
	fd      int
	state   clientState
	number  uint64        // among all clients of the run
	sent    uint64        // messages begun, also the number of the latest
	since   time.Duration // when the connect or the latest message began
	written int           // bytes of the latest message that the kernel has taken
	check   Check         // of the answer to the latest message
	history uint64        // bit k: message number sent-k was answered
}

type clientState uint8

const (
	unconnected clientState = iota
	connecting
	connected // and silent: the measurement has not begun
	awaiting  // an answer, perhaps with part of the message still to be sent
	finished  // all messages sent and answered
	closed
)

// connect begins to connect c, which the event queue will know by token.
func (l *loop) connect(c *client, token uint64) {
	c.since = l.now()
	fd, underWay, err := l.open()
	if err != nil {
		l.fail(c, errorKind(err))
		return
	}
	c.fd = fd
	if err := l.epoll.Add(fd, sys.ReadyIn|sys.ReadyOut|sys.ReadyEOF|sys.OnEdge, token); err != nil {
		l.fail(c, errorKind(err))
		return
	}
	if underWay {
		c.state = connecting
		l.pending++
		return
	}
	l.established(c)
}

func (l *loop) open() (fd int, underWay bool, err error) {
	if l.datagrams {
		fd, err = sys.ConnectDatagram(l.run.cfg.Target)
		return fd, false, err
	}
	return sys.ConnectStream(l.run.cfg.Target)
}

func (l *loop) established(c *client) {
	c.state = connected
	l.rec.connect(l.now() - c.since)
}

// ready handles an event of c.
func (l *loop) ready(c *client, ready sys.Ready) {
	switch c.state {
	case connecting:
		l.pending--
		if errno := sys.SocketError(c.fd); errno != 0 {
			l.fail(c, errorKind(errno))
			return
		}
		l.established(c)
	case awaiting:
		if ready&sys.ReadyOut != 0 && c.written < l.payload.Len() {
			l.now()
			l.write(c, l.payload.message(l.out, c.number, c.sent, c.check.sent))
		}
	case unconnected, closed:
		return // an event from before the end
	}
	if ready&(sys.ReadyIn|sys.ReadyEnd) != 0 {
		l.receive(c, ready&sys.ReadyEnd != 0)
	}
}

// proceed makes c, of which nothing is outstanding, do what the schedule says.
func (l *loop) proceed(c *client) {
	if l.run.schedule.more(c.sent, l.clock) {
		l.send(c)
		return
	}
	c.state = finished
	l.active--
}

// send begins the next message of c.
func (l *loop) send(c *client) {
	var sent time.Time
	if l.payload.Stamped() {
		sent = time.Now()
	}
	c.state = awaiting
	c.sent++
	c.history <<= 1
	c.written = 0
	c.check = l.payload.Expect(c.number, c.sent, sent)
	message := l.payload.message(l.out, c.number, c.sent, sent)
	c.since = l.now()
	l.write(c, message)
}

// write sends what is left of a message, as far as the socket takes it now. On
// edge, the queue tells when it takes more.
func (l *loop) write(c *client, message []byte) {
	n, errno := sys.TrySend(c.fd, message[c.written:])
	if errno == syscall.ECONNREFUSED && l.datagrams {
		// The error is of an earlier datagram, and is cleared with this.
		l.rec.fail(errorKind(errno))
		n, errno = sys.TrySend(c.fd, message)
	}
	switch {
	case errno == 0:
		if c.written == 0 {
			l.rec.sent++
		}
		c.written += n
		l.rec.bytesSent += uint64(n)
	case errno == syscall.EAGAIN:
	case l.datagrams && (errno == syscall.ENOBUFS || errno == syscall.ECONNREFUSED):
		l.rec.fail(errorKind(errno)) // and wait until it is overdue
	default:
		l.fail(c, errorKind(errno))
	}
}

// answered records the complete answer to the latest message of c.
func (l *loop) answered(c *client) {
	c.history |= 1
	l.rec.answer(l.clock - c.since)
	l.intervals.answer(l.clock, l.clock-c.since)
	if !c.check.OK() {
		l.rec.mismatch(c)
		return
	}
	if l.rec.exchanges != nil {
		if e, ok := c.check.Exchange(l.wall); ok {
			l.rec.exchanges.add(&e)
		}
	}
}

// overdue ends the wait of c for something.
func (l *loop) overdue(c *client) {
	switch {
	case c.state == connecting:
		l.pending--
		l.fail(c, "connect timed out")
	case l.datagrams:
		l.proceed(c) // the message is lost, unless its answer is late
	default:
		l.fail(c, "no answer in time")
	}
}

// fail ends c, for a reason that is counted.
func (l *loop) fail(c *client, kind string) {
	l.rec.fail(kind)
	if c.state == awaiting {
		l.active--
	}
	l.hangUp(c)
}

func (l *loop) hangUp(c *client) {
	if c.fd >= 0 {
		sys.Close(c.fd)
	}
	c.fd, c.state = -1, closed
}
