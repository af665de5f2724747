package load

import (
	"encoding/binary"
	"syscall"

	"wirelab/clock"
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
// asked again before the run is none, and is not counted.
func (l *loop) takeDatagram(c *client, d []byte) (found bool) {
	n, known := l.payload.recognise(c, d)
	if !known && l.run.cfg.AskReceiver && tally.Begins(d) {
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
		check = Check{payload: l.payload, unlike: -1} // when it was sent is not known any more
	}
	c.answers.mark(n)
	if outstanding {
		l.answered(c, n, &check)
		l.proceed(c)
		return true
	}
	l.rec.late++
	l.rec.received++
	if !check.OK() {
		l.rec.mismatch(c.number, n, &check)
	}
	return false
}

// recognise returns the number of the message of c that d claims to answer, as far
// as the payload tells one from another. It is one that c has begun.
func (p *Payload) recognise(c *client, d []byte) (n uint64, ok bool) {
	switch p.kind {
	case sequencePayload:
		n, ok = parseSequence(d, c.number)
	case randomPayload:
		n, ok = p.recogniseRandom(d, c.number, c.begun())
	case stampPayload:
		n, ok = recogniseStamp(d, c.begun())
	}
	return n, ok && 0 < n && n <= c.begun()
}

// tellsApart reports whether every message can be known by its answer.
func (p *Payload) tellsApart() bool {
	switch p.kind {
	case sequencePayload:
		return p.Len() >= sequenceHead
	case randomPayload:
		return p.Len() >= randomKnown
	}
	return p.kind == stampPayload
}

// parseSequence reads the head of a seq message of a client.
func parseSequence(d []byte, client uint64) (n uint64, ok bool) {
	if len(d) < sequenceHead || d[clientDigits] != '/' {
		return 0, false
	}
	from, ok1 := parseDecimal(d[:clientDigits])
	n, ok2 := parseDecimal(d[clientDigits+1 : sequenceHead-1])
	return n, ok1 && ok2 && from == client
}

func parseDecimal(digits []byte) (v uint64, ok bool) {
	for _, b := range digits {
		if b < '0' || b > '9' {
			return 0, false
		}
		v = v*10 + uint64(b-'0')
	}
	return v, true
}

// randomKnown is the number of bytes by which a random message is known.
const randomKnown = 8

// recogniseRandom calculates the number of a message of a client, of which latest is
// the last, from its first bytes. Of the two that there may be, the other one is hardly
// ever so small.
func (p *Payload) recogniseRandom(d []byte, client, latest uint64) (n uint64, ok bool) {
	if len(d) < randomKnown {
		return 0, false
	}
	for _, n := range randomNumbers(p.seed, client, binary.LittleEndian.Uint64(d)) {
		if 0 < n && n <= latest {
			return n, true
		}
	}
	return 0, false
}

// recogniseStamp reads the sequence number of a packet, of which it has the lowest
// 32 bits, or of a reflection.
func recogniseStamp(d []byte, latest uint64) (n uint64, ok bool) {
	r, err := clock.ParseReflector(d)
	if err != nil {
		return 0, false
	}
	number := r.SenderSequence
	if r.SenderTimestamp == 0 {
		number = r.Sequence // an echo
	}
	age := uint64(uint32(latest) - number)
	return latest - age, age < latest
}
