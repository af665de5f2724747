package oneway

import (
	"slices"
	"time"

	"wirelab/internal/sys/datagram"
	"wirelab/load/payload"
)

// A batch is the memory of datagrams that are sent together, one behind the other
// so that segments are one piece. Only what differs from datagram to datagram
// is written anew.
type batch struct {
	payload    *payload.Payload
	client     uint64
	number     uint64 // of the latest datagram; the first has 1
	size       int    // bytes of a datagram
	perCall    int    // messages of one system call
	perMessage int    // datagrams of one message
	capacity   int    // datagrams in all
	bytes      []byte
	loaded     []datagram.Datagram
}

func newBatch(p *payload.Payload, client uint64, perCall, perMessage int) *batch {
	t := &batch{
		payload: p, client: client, size: p.Len(), perCall: perCall, perMessage: perMessage,
		capacity: perCall * perMessage, loaded: make([]datagram.Datagram, 0, perCall),
	}
	t.bytes = make([]byte, 0, t.capacity*t.size)
	for range t.capacity {
		t.bytes = p.Append(t.bytes, client, 0, time.Time{})
	}
	return t
}

// load writes the next n datagrams, at most capacity, and returns them.
func (t *batch) load(n int) []byte {
	b := t.bytes[:n*t.size]
	switch {
	case t.payload.Fixed():
		t.number += uint64(n)
	case t.payload.Sequenced():
		t.payload.Renumber(b, t.number)
		t.number += uint64(n)
	default:
		now := time.Now()
		for rest := b; len(rest) > 0; rest = rest[t.size:] {
			t.number++
			t.payload.Append(rest[:0:t.size], t.client, t.number, now)
		}
	}
	return b
}

// messages cuts loaded datagrams into messages, as many as one system call takes.
// They are valid until the next call.
func (t *batch) messages(b []byte) []datagram.Datagram {
	t.loaded = t.loaded[:0]
	for piece := range slices.Chunk(b, t.perMessage*t.size) {
		m := datagram.Datagram{Payload: piece}
		if len(piece) > t.size {
			m.Segment = t.size
		}
		t.loaded = append(t.loaded, m)
		if len(t.loaded) == t.perCall {
			break
		}
	}
	return t.loaded
}

// split makes each datagram a message of its own, also of those that are loaded.
func (t *batch) split() {
	t.perMessage, t.capacity = 1, t.perCall
}
