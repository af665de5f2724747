package payload

import (
	"bytes"
	"fmt"
	"time"

	"wirelab/clock"
)

// A Check verifies one answer, which may arrive in pieces. It is a small value
// without pointers to what it was given; make one with Payload.Expect.
//
// What is right depends on the payload: for text, hex, file, random, pattern and
// seq the very bytes that were sent; for time either these or one line of printable
// characters with a signed number in it, as a timediff server answers; for stamp
// either these or a Session-Reflector packet of the same length that carries the
// sequence number and the time that were sent (RFC 8762, section 4.3.1).
type Check struct {
	payload   *Payload
	client, n uint64
	sent      time.Time
	offset    int // bytes of the answer seen so far
	unlike    int // offset of the first byte that was not as sent, or -1
	got       byte
	reason    string // what is wrong beyond a byte that was not as sent
	line      lineScanner
	packet    [clock.TestPacketLen]byte // of a stamp answer: its beginning
}

// Expect returns the Check for the answer to message n of a client, sent when
// Append was told.
func (p *Payload) Expect(client, n uint64, sent time.Time) Check {
	return Check{payload: p, client: client, n: n, sent: sent, unlike: -1}
}

// ExpectUnsent returns a Check that finds nothing right: for an answer to a message of
// which it is not known any more when it was sent.
func (p *Payload) ExpectUnsent() Check { return Check{payload: p, unlike: -1} }

// Feed takes the next piece of an answer that arrives in a stream. It returns how
// many of its bytes belong to the answer, and whether the answer is complete with
// them. Bytes beyond used answer something else, or nothing.
func (c *Check) Feed(piece []byte) (used int, complete bool) {
	if c.payload.kind == timePayload {
		return c.feedLine(piece)
	}
	used = min(len(piece), c.payload.Len()-c.offset)
	piece = piece[:used]
	if c.payload.kind == stampPayload && c.offset < clock.TestPacketLen {
		copy(c.packet[c.offset:], piece)
	}
	c.compare(piece)
	c.offset += used
	complete = c.offset == c.payload.Len()
	if complete && c.payload.kind == stampPayload && c.unlike >= 0 {
		c.reason = c.judgeReflection()
	}
	return used, complete
}

// FeedDatagram takes an answer that arrives as one datagram.
func (c *Check) FeedDatagram(d []byte) {
	used, complete := c.Feed(d)
	switch {
	case c.reason != "":
	case !complete && c.payload.kind != timePayload:
		c.reason = fmt.Sprintf("%d of %d bytes", used, c.payload.Len())
	case !complete:
		c.reason = "a line without end"
	case used < len(d):
		c.reason = fmt.Sprintf("%d bytes too many", len(d)-used)
	}
}

// OK reports whether nothing wrong has been seen so far.
func (c *Check) OK() bool {
	if c.reason != "" {
		return false
	}
	switch c.payload.kind {
	case timePayload, stampPayload:
		return true // an answer that differs is judged when it is complete
	}
	return c.unlike < 0
}

// Reason says what is wrong with an answer that is not OK.
func (c *Check) Reason() string {
	if c.reason != "" {
		return c.reason
	}
	if c.unlike < 0 {
		return ""
	}
	want := c.payload.Append(nil, c.client, c.n, c.sent)[c.unlike]
	return fmt.Sprintf("byte %d is 0x%02x, not 0x%02x", c.unlike, c.got, want)
}

// Reject makes the answer wrong for a reason that only its receiver can see.
func (c *Check) Reject(reason string) {
	if c.OK() {
		c.reason = reason
	}
}

// Echoed reports whether all bytes seen so far are those that were sent.
func (c *Check) Echoed() bool { return c.unlike < 0 }

// compare compares a piece at the offset with what was sent.
func (c *Check) compare(piece []byte) {
	if c.unlike >= 0 {
		return
	}
	p := c.payload
	if p.kind == randomPayload {
		c.compareRandom(piece)
		return
	}
	from := c.offset
	if from < maxHead && p.kind != fixedPayload {
		var head [maxHead]byte
		end := p.putHead(head[:min(maxHead, p.Len())], c.client, c.n, c.sent)
		if from < end {
			k := min(len(piece), end-from)
			c.compareWith(piece[:k], head[from:end], from)
			piece, from = piece[k:], from+k
		}
	}
	if c.unlike < 0 {
		c.compareWith(piece, p.body[min(from, p.Len()):], from)
	}
}

// compareWith notes the first byte of piece, which stands at offset from in the
// answer, that differs from want or has no counterpart there.
func (c *Check) compareWith(piece, want []byte, from int) {
	if len(piece) <= len(want) && bytes.Equal(piece, want[:len(piece)]) {
		return
	}
	for i, b := range piece {
		if i >= len(want) || b != want[i] {
			c.unlike, c.got = from+i, b
			return
		}
	}
}

func (c *Check) compareRandom(piece []byte) {
	base := randomBase(c.payload.seed, c.client, c.n)
	for i, b := range piece {
		if b != randomByte(base, c.offset+i) {
			c.unlike, c.got = c.offset+i, b
			return
		}
	}
}
