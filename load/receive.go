package load

import (
	"fmt"
	"syscall"
	"time"

	"wirelab/clock"
	"wirelab/internal/sys"
)

// receive reads what has arrived for c. When ended is true the queue has said that
// there is an error or the end behind it.
func (l *loop) receive(c *client, ended bool) {
	if l.datagrams {
		l.receiveDatagrams(c)
	} else {
		l.receiveStream(c, ended)
	}
}

// read reads once into l.in, and the clock right after it.
func (l *loop) read(c *client) (n int, errno syscall.Errno) {
	n, errno = sys.TryReceive(c.fd, l.in)
	if errno == 0 && l.rec.exchanges != nil {
		l.wall = time.Now()
	}
	l.now()
	return n, errno
}

func (l *loop) receiveStream(c *client, ended bool) {
	for c.state != closed {
		n, errno := l.read(c)
		switch {
		case errno == syscall.EAGAIN:
			return
		case errno != 0:
			l.streamEnded(c, errorKind(errno))
		case n == 0:
			l.streamEnded(c, "closed by the server")
		default:
			l.takePiece(c, l.in[:n])
			if n < len(l.in) && !ended {
				return // all there was: what comes next is a new edge (epoll(7), question 9)
			}
		}
	}
}

// streamEnded ends c. To a client that has got all its answers this is no failure.
func (l *loop) streamEnded(c *client, kind string) {
	if c.state == finished {
		l.hangUp(c)
		return
	}
	l.fail(c, kind)
}

// takePiece takes the next bytes of a stream.
func (l *loop) takePiece(c *client, piece []byte) {
	l.rec.bytesReceived += uint64(len(piece))
	if c.state != awaiting {
		l.rec.unexpected += uint64(len(piece))
		return
	}
	used, complete := c.check.Feed(piece)
	if !complete {
		return
	}
	early := c.written < l.payload.Len()
	switch {
	case early:
		c.check.reject("answered before all of the message was sent")
	case used < len(piece):
		c.check.reject(fmt.Sprintf("%d bytes too many", len(piece)-used))
	}
	l.answered(c)
	if early {
		l.fail(c, "answered too early")
		return
	}
	l.proceed(c)
}

// receiveDatagrams reads until the awaited answer was found or nothing is left. A
// datagram behind the awaited one, which can only be a repetition, is read with the
// next.
func (l *loop) receiveDatagrams(c *client) {
	for sent := c.sent; sent == c.sent && c.state != closed; {
		n, errno := l.read(c)
		switch errno {
		case 0:
			l.takeDatagram(c, l.in[:n])
		case syscall.EAGAIN:
			return
		case syscall.ECONNREFUSED:
			l.refused(c)
		default:
			l.fail(c, errorKind(errno))
		}
	}
}

// refused notes that nobody takes the datagrams of c: this one is lost.
func (l *loop) refused(c *client) {
	l.rec.fail(errorKind(syscall.ECONNREFUSED))
	if c.state == awaiting {
		l.proceed(c)
	}
}

func (l *loop) takeDatagram(c *client, d []byte) {
	l.rec.bytesReceived += uint64(len(d))
	if c.state == awaiting {
		c.check.FeedDatagram(d)
		if c.check.OK() {
			l.answered(c)
			l.proceed(c)
			return
		}
	}
	age, known := c.recognise(l.payload, d)
	switch {
	case known && c.history>>age&1 != 0:
		l.rec.duplicate++
	case known:
		c.history |= 1 << age
		l.rec.late++
		l.rec.received++
	case c.state == awaiting:
		l.answered(c)
		l.proceed(c)
		return
	default:
		l.rec.unexpected += uint64(len(d))
	}
	c.check = l.payload.Expect(c.number, c.sent, c.check.sent)
}

// historyLen is the number of messages that client.history remembers.
const historyLen = 64

// recognise finds the message that d answers among the latest ones, as far as the
// payload tells one from another: age 0 is the latest.
func (c *client) recognise(p *Payload, d []byte) (age uint64, ok bool) {
	known := min(c.sent, historyLen)
	switch p.kind {
	case sequencePayload, randomPayload:
		for age := range known {
			check := p.Expect(c.number, c.sent-age, time.Time{})
			if check.FeedDatagram(d); check.OK() {
				return age, c.state != awaiting || age > 0
			}
		}
	case stampPayload:
		r, err := clock.ParseReflector(d)
		if err != nil {
			return 0, false
		}
		number := r.SenderSequence
		if r.SenderTimestamp == 0 {
			number = r.Sequence // an echo
		}
		age = uint64(uint32(c.sent) - number)
		return age, age < known && (c.state != awaiting || age > 0)
	}
	return 0, false
}
