package udp

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func testPeer(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 1)
}

// arrive has one datagram of that size arrive.
func arrive(table *peerTable, addr netip.AddrPort, size int, at time.Time) (p *peer, isNew bool) {
	p, isNew = table.arrived(addr, at)
	p.count(size)
	return p, isNew
}

func TestPeerTableIsBounded(t *testing.T) {
	table := newPeerTable(MaxPeers)
	at := time.Unix(1795341784, 0)
	for n := range MaxPeers {
		arrive(table, testPeer(n), 10, at)
	}
	arrive(table, testPeer(0), 5, at.Add(time.Second)) // no longer the longest silent
	const more = 1000
	for n := range more {
		p, isNew := arrive(table, testPeer(MaxPeers+n), 10, at.Add(2*time.Second))
		if !isNew || p.packets != 1 || p.bytes != 10 || p.first != at.Add(2*time.Second) || p.measured {
			t.Fatalf("new peer %+v", p)
		}
	}
	if len(table.byAddr) != MaxPeers || table.evicted != more {
		t.Errorf("%d peers known, %d evicted", len(table.byAddr), table.evicted)
	}
	if p, isNew := arrive(table, testPeer(0), 1, at); isNew || p.packets != 3 || p.bytes != 16 {
		t.Errorf("the peer that spoke is gone: %+v", p)
	}
	if _, isNew := arrive(table, testPeer(1), 1, at); !isNew {
		t.Error("the longest silent peer is still there")
	}
}

// TestPeerTableAgainstModel compares with a slice in the order of the last datagrams.
func TestPeerTableAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		table := newPeerTable(limit)
		var model []netip.AddrPort // latest first
		for i, n := range rapid.SliceOf(rapid.IntRange(0, 7)).Draw(t, "arrivals") {
			addr := testPeer(n)
			at := time.Unix(int64(i), 0)
			known := false
			for j, other := range model {
				if other == addr {
					model = append(model[:j], model[j+1:]...)
					known = true
					break
				}
			}
			model = append([]netip.AddrPort{addr}, model...)
			model = model[:min(len(model), limit)]
			p, isNew := arrive(table, addr, 1, at)
			if isNew == known || p.addr != addr || p.last != at {
				t.Fatalf("arrival %d: %+v, new %v", i, p, isNew)
			}
			if n == 7 && known { // this peer begins anew each time
				table.forget(addr)
				table.forget(addr)
				model = model[1:]
			}
			got := table.latestFirst()
			if len(got) != len(model) || len(table.byAddr) != len(model) || len(model) > 0 && table.oldest.addr != model[len(model)-1] {
				t.Fatalf("%d peers, want %d", len(got), len(model))
			}
			for j := range got {
				if got[j].addr != model[j] {
					t.Fatalf("peer %d is %v, want %v", j, got[j].addr, model[j])
				}
			}
		}
	})
}

func TestPeerMeasures(t *testing.T) {
	table := newPeerTable(1)
	at := time.Unix(1795341784, 0)
	p, _ := arrive(table, testPeer(1), 44, at)
	p.measure(at, &findings{})
	var s peerSnapshot
	if s.take(p); s.status().Diff != nil || p.measurements != nil {
		t.Error("measured without a stamp")
	}
	for n, difference := range []time.Duration{1500, 2500, -500} {
		p.measure(at, &findings{hasSent: true, sent: at.Add(-difference), hasSequence: true, sequence: uint32(2 * n)})
	}
	s.take(p)
	got := s.status()
	if d := got.Diff; d == nil || d.Min != -0.5 || d.Median != 1.5 || d.P99 != 2.5 || d.Last != -0.5 || d.Window != 3 {
		t.Errorf("differences %+v", d)
	}
	if got.Lost != 2 || got.JitterUS <= 0 {
		t.Errorf("%+v", got)
	}
	// The next owner of the record begins anew, in the same memory.
	p2, _ := arrive(table, testPeer(2), 44, at)
	p2.measure(at, &findings{hasSequence: true, sequence: 7})
	s.take(p2)
	if got := s.status(); p2 != p || got.Lost != 0 || got.Diff != nil || got.JitterUS != 0 {
		t.Errorf("%+v", got)
	}
}

func TestPeerTableDoesNotAllocate(t *testing.T) {
	table := newPeerTable(100)
	at := time.Unix(1795341784, 0)
	found := findings{hasSent: true, sent: at, hasSequence: true}
	n := 0
	visit := func(addr netip.AddrPort) {
		p, _ := arrive(table, addr, 1, at)
		p.measure(at, &found)
	}
	for ; n < 300; n++ {
		visit(testPeer(n))
	}
	if allocs := testing.AllocsPerRun(1000, func() { visit(testPeer(n - 1)) }); allocs != 0 {
		t.Errorf("a known peer costs %v allocations", allocs)
	}
	// Swiss maps allocate now and then as they turn over their tables.
	if allocs := testing.AllocsPerRun(1000, func() { visit(testPeer(n)); n++ }); allocs > 0.1 {
		t.Errorf("a new peer of a full table costs %v allocations", allocs)
	}
}

func BenchmarkPeerTable(b *testing.B) {
	table := newPeerTable(MaxPeers)
	at := time.Unix(1795341784, 0)
	for n := range MaxPeers {
		arrive(table, testPeer(n), 1, at)
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		arrive(table, testPeer(n*7919%MaxPeers), 1, at)
	}
}

// A peer that has been silent for a minute is known and not active.
func TestSilentPeersAreNotActive(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) Peer { return Peer{LastSeen: now.Add(-d)} }
	for _, tt := range []struct {
		peers []Peer
		want  int
	}{
		{nil, 0}, {[]Peer{ago(0), ago(time.Second)}, 2}, {[]Peer{ago(59 * time.Second), ago(61 * time.Second), ago(time.Hour)}, 1}, {[]Peer{ago(2 * time.Minute)}, 0},
	} {
		if got := recent(tt.peers, now); got != tt.want {
			t.Errorf("%d of %d are active, want %d", got, len(tt.peers), tt.want)
		}
	}
}
