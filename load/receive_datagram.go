package load

import (
	"syscall"

	"wirelab/internal/tally"
)

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
			l.fail(c, errorKind(errno))
		}
	}
}

// refused notes that nobody takes the datagrams of c: the oldest one is lost.
func (l *loop) refused(c *client) {
	l.rec.fail(errorKind(syscall.ECONNREFUSED))
	if first := c.window.first; !c.window.empty() && (first != c.begun() || c.written > 0) {
		l.dismiss(c, first)
	}
}

// takeDatagram takes what a server has sent, and reports whether it is the answer
// to a message that was outstanding. The receiver's answer to a question that was
// asked again before the run is none, nor is its question whether this is a service.
func (l *loop) takeDatagram(c *client, d []byte) (found bool) {
	n, known := l.payload.Recognise(c.number, c.begun(), d)
	if !known && tally.Begins(d) && (l.run.cfg.AskReceiver || tally.IsChallenge(d)) {
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
	if check.OK() {
		l.rec.late++
	} else {
		l.rec.mismatch(c.number, n, &check)
	}
	return false
}
