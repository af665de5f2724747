package udp

import (
	"net/netip"
	"time"

	"wirelab/clock"
)

// MaxPeers bounds how many peers a UDP server knows. Each takes about 240 bytes,
// and 1.3 KB more once it has sent a timestamp or a sequence number.
const MaxPeers = 65536

// A peerTable holds what is known of the sources of datagrams, at most max of
// them: a new one takes the place, and the memory, of the one that has been silent
// for longest. Its user locks it.
type peerTable struct {
	max            int
	byAddr         map[netip.AddrPort]*peer
	newest, oldest *peer // ends of a list in the order of their last datagrams
	evicted        uint64
}

// A peer is a source of datagrams. Its record changes hands when it is evicted:
// whoever kept a pointer must compare addr.
type peer struct {
	addr         netip.AddrPort
	newer, older *peer
	packets      uint64
	bytes        uint64
	first, last  time.Time
	measured     bool
	longest      uint32        // the most datagrams that came as one
	numbered     bool          // its datagrams bear sequence numbers
	kept         any           // by the Responder
	echo         echoWatch     // the worker's own, not under its lock
	measurements *measurements // allocated when first needed; kept, not valid, for the next owner
}

// measurements are what timestamps and sequence numbers in datagrams say.
type measurements struct {
	sequence    clock.Sequence
	jitter      clock.Jitter
	differences clock.Differences
}

func newPeerTable(max int) *peerTable {
	return &peerTable{max: max, byAddr: map[netip.AddrPort]*peer{}}
}

// arrived returns the source of datagrams that came at that time, and whether it is
// new. For a known source, and for a new one in a full table, it allocates nothing.
func (t *peerTable) arrived(addr netip.AddrPort, at time.Time) (p *peer, isNew bool) {
	if p = t.newest; p != nil && p.addr == addr {
		p.last = at
		return p, false
	}
	p, known := t.byAddr[addr]
	if known {
		t.unlink(p)
	} else {
		p = t.add(addr)
		p.first = at
	}
	t.pushNewest(p)
	p.last = at
	return p, !known
}

// count accounts for one of the datagrams that arrived.
func (p *peer) count(size int) {
	p.packets++
	p.bytes += uint64(size)
}

// add returns a record for addr that is not in the list yet.
func (t *peerTable) add(addr netip.AddrPort) *peer {
	var p *peer
	if len(t.byAddr) < t.max {
		p = &peer{}
	} else {
		p = t.oldest
		t.unlink(p)
		delete(t.byAddr, p.addr)
		t.evicted++
		*p = peer{measurements: p.measurements}
	}
	p.addr = addr
	t.byAddr[addr] = p
	return p
}

// forget removes what is known of addr, if anything is.
func (t *peerTable) forget(addr netip.AddrPort) {
	if p, known := t.byAddr[addr]; known {
		t.unlink(p)
		delete(t.byAddr, addr)
	}
}

func (t *peerTable) pushNewest(p *peer) {
	p.newer, p.older = nil, t.newest
	if t.newest != nil {
		t.newest.newer = p
	}
	t.newest = p
	if t.oldest == nil {
		t.oldest = p
	}
}

func (t *peerTable) unlink(p *peer) {
	if p.newer != nil {
		p.newer.older = p.older
	} else {
		t.newest = p.older
	}
	if p.older != nil {
		p.older.newer = p.newer
	} else {
		t.oldest = p.newer
	}
}

// latestFirst returns all peers, those heard of last first.
func (t *peerTable) latestFirst() []*peer {
	peers := make([]*peer, 0, len(t.byAddr))
	for p := t.newest; p != nil; p = p.older {
		peers = append(peers, p)
	}
	return peers
}

// measure accounts for what a datagram's own stamp and number say.
func (p *peer) measure(received time.Time, f *findings) {
	if f.hasSequence {
		p.number(f.sequence, received)
	}
	if f.hasSent {
		m := p.measuring()
		difference := received.Sub(f.sent)
		m.jitter.Add(difference)
		m.differences.Add(difference)
	}
}

// number accounts for the sequence number that a datagram bears.
func (p *peer) number(n uint32, received time.Time) {
	p.numbered = true
	p.measuring().sequence.Add(n, received)
}

// measuring returns the peer's measurements, begun if they were not.
func (p *peer) measuring() *measurements {
	switch {
	case p.measurements == nil:
		p.measurements = &measurements{}
	case !p.measured:
		*p.measurements = measurements{}
	}
	p.measured = true
	return p.measurements
}

// A peerSnapshot is a copy of a peer, to be evaluated without its table's lock.
type peerSnapshot struct {
	peer         peer
	measurements measurements
}

// take copies what status needs, and nothing that the worker changes without the lock.
func (s *peerSnapshot) take(p *peer) {
	s.peer = peer{addr: p.addr, packets: p.packets, bytes: p.bytes, first: p.first, last: p.last, measured: p.measured}
	if p.measured {
		s.measurements = *p.measurements
	}
}

// status evaluates the snapshot: this sorts the latest differences.
func (s *peerSnapshot) status() Peer {
	p := Peer{
		Peer: s.peer.addr.String(), Packets: s.peer.packets, Bytes: s.peer.bytes,
		FirstSeen: s.peer.first.UTC(), LastSeen: s.peer.last.UTC(),
	}
	if !s.peer.measured {
		return p
	}
	p.Lost, p.Reordered, p.Duplicate = s.measurements.sequence.Counts()
	p.JitterUS = clock.Microseconds(s.measurements.jitter.Value())
	if d := s.measurements.differences.Summary(); d.Window > 0 {
		p.Diff = &Diff{
			Min: clock.Microseconds(d.Min), Median: clock.Microseconds(d.Median), P99: clock.Microseconds(d.P99),
			Last: clock.Microseconds(d.Last), Window: d.Window,
		}
	}
	return p
}
