package load

import (
	"syscall"
	"time"

	"wirelab/internal/sys"
	"wirelab/internal/sys/stream"
	"wirelab/load/payload"
)

// A flood goes one way: a client sends as fast as its socket takes it. At the end it
// says so, and waits until the server has read all and closes: so what is counted
// has arrived, and what lay in buffers is not taken for speed.

const (
	floodChunk  = 256 << 10 // bytes that are offered to a socket at once
	floodVaried = 64 << 10  // where every message has to be made
	floodTurns  = 4         // chunks that a client sends before others have their turn
)

// newFloodBuffer returns as many messages as a chunk holds, at least one, of a
// payload whose messages are all the same.
func newFloodBuffer(p *payload.Payload) []byte {
	return p.Repeated(floodChunk)
}

// pump sends what c's socket takes.
func (l *loop) pump(c *client) {
	for range floodTurns {
		rest := l.floodRest(c)
		if rest == 0 || l.schedule.end > 0 && l.clock >= l.schedule.end {
			l.endFlood(c)
			return
		}
		chunk := l.chunk(c)
		chunk = chunk[:min(uint64(len(chunk)), rest)]
		n, errno := l.trySend(c, chunk)
		l.now()
		switch errno {
		case 0:
			l.pumped(c, uint64(n))
		case syscall.EAGAIN:
			return
		default:
			l.fail(c, sys.ErrorName(errno))
			return
		}
		if n < len(chunk) {
			return
		}
	}
	if !c.again {
		c.again = true
		l.again = append(l.again, c.index)
	}
}

// floodRest returns how many bytes c has still to send.
func (l *loop) floodRest(c *client) uint64 {
	if l.schedule.messages == 0 {
		return 1 << 62
	}
	return l.schedule.messages*uint64(l.payload.Len()) - c.stream
}

// chunk returns the next bytes of c's stream.
func (l *loop) chunk(c *client) []byte {
	size := uint64(l.payload.Len())
	if l.payload.Fixed() {
		return l.run.flood[c.stream%size:]
	}
	l.out = l.out[:0]
	for n := c.stream/size + 1; len(l.out) == 0 || len(l.out)+int(size) <= floodVaried; n++ {
		l.out = l.payload.Append(l.out, c.number, n, time.Time{})
	}
	return l.out[c.stream%size:]
}

func (l *loop) pumped(c *client, n uint64) {
	size := uint64(l.payload.Len())
	messages := (c.stream+n)/size - c.stream/size
	c.stream += n
	c.moved, l.last = l.clock, l.clock
	l.rec.sent += messages
	if t := l.targetOf(c); t != nil {
		t.sent += messages
	}
	l.rec.bytesSent += n
	l.intervals.Add(l.clock, messages)
}

// floodAgain goes on with clients whose sockets may take more.
func (l *loop) floodAgain() {
	if len(l.again) == 0 {
		return
	}
	batch := l.again
	l.again, l.spare = l.spare[:0], batch
	for _, index := range batch {
		c := &l.clients[index]
		c.again = false
		if c.state == open {
			l.pump(c)
		}
	}
}

// endFlood tells the server that c sends no more.
func (l *loop) endFlood(c *client) {
	c.state, c.since = closing, l.clock
	if err := l.shutdownWrite(c); err != nil {
		l.fail(c, sys.ErrorName(err))
	}
}

// floodRead handles the end of what the server sends: it has read all and closed.
func (l *loop) floodRead(c *client) {
	l.last = l.clock
	l.active--
	l.hangUp(c)
	c.state = finished
}

// expireFlood ends a client whose server takes nothing, or does not close.
func (l *loop) expireFlood(c *client) {
	timeout := l.run.cfg.Timeout
	switch {
	case c.state == open && l.schedule.end > 0 && l.clock >= l.schedule.end:
		l.endFlood(c)
	case c.state == open && l.running && c.moved > 0 && l.clock-c.moved >= timeout:
		l.failFlood(c, "nothing taken in time")
	case c.state == closing && l.clock-c.since >= timeout:
		l.failFlood(c, "not read to the end in time")
	}
}

// failFlood fails a client that has waited in vain: a flood's time is that in which the
// server could have read.
func (l *loop) failFlood(c *client, kind string) {
	l.last = l.clock
	l.fail(c, kind)
}

// unread counts which bytes of c, which ends before the server has read all, have not
// even arrived at its host.
func (l *loop) unread(c *client) {
	n, err := stream.Unacknowledged(c.fd)
	if err != nil {
		return
	}
	if c.state == closing {
		n-- // the end of the stream counts as a byte
	}
	l.rec.unread += min(uint64(max(n, 0)), c.stream)
}
