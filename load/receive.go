package load

import (
	"fmt"
	"syscall"
	"time"

	"wirelab/internal/receiver"
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
	n, errno = l.tryReceive(c, l.in)
	if errno == 0 && l.rec.exchanges != nil {
		l.wall = time.Now()
	}
	l.now()
	return n, errno
}

func (l *loop) receiveStream(c *client, ended bool) {
	for c.fd >= 0 {
		n, errno := l.read(c)
		switch {
		case errno == syscall.EAGAIN:
			return
		case errno != 0:
			l.streamEnded(c, sys.ErrorName(errno))
		case n == 0:
			l.streamEnded(c, "closed by the server")
		default:
			l.takePiece(c, l.in[:n])
			if n < len(l.in) && !ended && c.tls == nil {
				return // all there was: what comes next is a new edge (epoll(7), question 9)
			}
		}
	}
}

// streamEnded ends c. To a client that has got all its answers this is no failure.
func (l *loop) streamEnded(c *client, kind string) {
	switch {
	case c.state == finished:
		l.hangUp(c)
	case c.state == closing && kind == "closed by the server":
		l.floodRead(c)
	default:
		l.fail(c, kind)
	}
}

// takePiece takes the next bytes of a stream.
func (l *loop) takePiece(c *client, piece []byte) {
	l.rec.bytesReceived += uint64(len(piece))
	if l.flood {
		return
	}
	for len(piece) > 0 {
		if c.window.empty() {
			l.rec.unexpected += uint64(len(piece))
			return
		}
		used, complete := c.check.Feed(piece)
		piece = piece[used:]
		if !complete {
			return
		}
		if c.window.open == 1 {
			l.takeLast(c, len(piece))
			return
		}
		l.answered(c, c.window.first, &c.check)
		c.check = l.payload.Expect(c.number, c.window.first, l.stamp(c.window.oldest()))
	}
	l.proceed(c)
}

// takeLast takes the answer to the only outstanding message of c, behind which so
// many more bytes arrived.
func (l *loop) takeLast(c *client, more int) {
	early := c.written < l.payload.Len()
	switch {
	case early:
		c.check.Reject("answered before all of the message was sent")
	case more > 0:
		c.check.Reject(fmt.Sprintf("%d bytes too many", more))
	}
	l.answered(c, c.window.first, &c.check)
	if early {
		l.fail(c, "answered too early")
		return
	}
	l.proceed(c)
}

// receiveDatagrams reads until nothing is left or, in a closed loop, the awaited
// answer was found: a datagram behind that, which can only be a repetition, is read
// with the next. So is what comes behind a refusal, since the next message may be
// refused as soon as it is sent, and other clients have their turn too. It ends early
// when the run was stopped.
func (l *loop) receiveDatagrams(c *client) {
	for c.fd >= 0 && !(l.running && l.run.stopped.Load()) {
		before := c.window.open
		n, errno := l.read(c)
		switch errno {
		case 0:
			found := l.takeDatagram(c, l.in[:n])
			if found && (!l.schedule.open() || before == 1) {
				return
			}
		case syscall.EAGAIN:
			return
		case syscall.ECONNREFUSED:
			l.refused(c)
			l.proceed(c)
			if !l.schedule.open() {
				return
			}
		default:
			l.fail(c, sys.ErrorName(errno))
		}
	}
}

// refused notes that nobody takes the datagrams of c: the oldest one is lost.
func (l *loop) refused(c *client) {
	l.rec.fail(sys.ErrorName(syscall.ECONNREFUSED))
	if t := l.targetOf(c); t != nil {
		t.failures++
	}
	if first := c.window.first; !c.window.empty() && (first != c.begun() || c.written > 0) {
		l.dismiss(c, first)
	}
}

// takeDatagram takes what a server has sent, and reports whether it is the answer
// to a message that was outstanding. The receiver's answer to a question that was
// asked again before the run is none, nor is its question whether this is a service.
func (l *loop) takeDatagram(c *client, d []byte) (found bool) {
	n, known := l.payload.Recognise(c.number, c.begun(), d)
	if !known && receiver.Begins(d) && (l.run.cfg.AskReceiver || receiver.IsChallenge(d)) {
		return false
	}
	l.rec.bytesReceived += uint64(len(d))
	switch {
	case !known && c.window.empty():
		l.rec.unexpected += uint64(len(d))
		return false
	case !known:
		n = c.window.first // an answer that is wrong, or that its payload does not tell from others
	case c.begun()-n >= c.answers.length():
		l.rec.stale++
		return false
	case c.answers.has(n):
		l.rec.duplicate++
		return false
	}
	outstanding := c.window.has(n)
	var sent slot
	if outstanding {
		sent = *c.window.slot(n)
	}
	check := l.payload.Expect(c.number, n, l.stamp(&sent))
	check.FeedDatagram(d)
	if !outstanding && l.payload.Stamped() {
		check = l.payload.ExpectUnsent() // when it was sent is not known any more
	}
	c.answers.mark(n)
	if outstanding {
		l.answered(c, n, &check)
		l.proceed(c)
		return true
	}
	l.rec.received++
	if t := l.targetOf(c); t != nil {
		t.received++
	}
	if check.OK() {
		l.rec.late++
	} else {
		l.rec.mismatch(c.number, n, &check)
		l.recordMismatch(c)
	}
	return false
}
