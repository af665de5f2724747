package load

import (
	"fmt"
	"syscall"
	"time"

	"wirelab/internal/sys/stream"
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
	n, errno = stream.TryReceive(c.fd, l.in)
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
