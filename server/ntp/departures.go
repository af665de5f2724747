package ntp

import (
	"hash/maphash"
	"net/netip"

	"wirelab/clock"
	"wirelab/clock/ntp"
)

// departures remember when answers left, by the receive timestamp that they bear: a
// client in the interleaved mode names the answer with it (RFC 9769, section 2). It is a
// table of fixed size in which a new answer takes the place of an old one, so that
// strangers can make others fall back to the basic mode, and nothing worse.
type departures struct {
	seed    maphash.Seed
	entries []departure
}

type departure struct {
	received ntp.Timestamp
	left     ntp.Timestamp // 0: not known yet
	peer     uint32        // hash of the client's address, of whatever port
}

// departureSlots is the size of the table, a power of two: a client has its answer's place
// for so many requests of others, 128 KB of them.
const departureSlots = 1 << 13

func newDepartures() *departures {
	return &departures{seed: maphash.MakeSeed(), entries: make([]departure, departureSlots)}
}

func (d *departures) slot(received ntp.Timestamp) *departure {
	const golden = 0x9e3779b97f4a7c15 // spreads the nanoseconds over the high bits
	return &d.entries[uint64(received)*golden>>51]
}

func (d *departures) hash(a netip.Addr) uint32 { return uint32(maphash.Comparable(d.seed, a)) }

// expect takes note of an answer to peer, and returns the receive timestamp that it is to
// bear: the given one, or a fraction of a nanosecond later where another answer has it.
func (d *departures) expect(received ntp.Timestamp, peer netip.Addr) ntp.Timestamp {
	if received == 0 {
		received = 1
	}
	e := d.slot(received)
	for e.received == received {
		received++
		e = d.slot(received)
	}
	*e = departure{received: received, peer: d.hash(peer)}
	return received
}

// find returns when the answer to peer left that bears a receive timestamp.
func (d *departures) find(received ntp.Timestamp, peer netip.Addr) (ntp.Timestamp, bool) {
	if received == 0 {
		return 0, false
	}
	e := d.slot(received)
	if e.received != received || e.left == 0 || e.peer != d.hash(peer) {
		return 0, false
	}
	return e.left, true
}

// Sent implements udp.SentRecorder.
func (d *departures) Sent(id uint64, at clock.Stamp) {
	if e := d.slot(ntp.Timestamp(id)); e.received == ntp.Timestamp(id) {
		e.left = ntp.TimestampOf(at.Time)
	}
}
