package trial

import (
	"errors"
	"net/netip"
	"testing"

	"wirelab/firewall"
	"wirelab/internal/require"
	"wirelab/internal/sys"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func mustNew(t testing.TB) *Host {
	t.Helper()
	h, err := New([]Interface{
		{Name: "eth0", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.64.37.35/24"), netip.MustParsePrefix("fd64::35/64")}},
		{Name: "eth1", Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}},
	}, []Route{{netip.MustParsePrefix("0.0.0.0/0"), "eth1"}, {netip.MustParsePrefix("::/0"), "eth1"}})
	if errors.Is(err, sys.ErrNotPermitted) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// outcomesProgram returns a program that at each hook rejects udp/1, resets tcp/1 and drops
// udp/2.
func outcomesProgram() *firewall.Program {
	mark := func(chain string, hook firewall.Hook) firewall.Chain {
		reject := firewall.Verdict{Kind: firewall.Reject, Answer: firewall.Answer{Type: firewall.ICMPXAnswer, Code: firewall.ICMPXAdminProhibited}}
		reset := firewall.Verdict{Kind: firewall.Reject, Answer: firewall.Answer{Type: firewall.ResetAnswer}}
		port := func(proto byte, port byte, v firewall.Verdict) firewall.Rule {
			return firewall.Rule{Matches: []firewall.Match{
				{Field: firewall.TransportProtocol, From: []byte{proto}}, {Field: firewall.DestinationPort, From: []byte{0, port}},
			}, Verdict: v}
		}
		return firewall.Chain{Name: chain, Hook: hook, Policy: firewall.Accept, Rules: []firewall.Rule{
			port(17, 1, reject), port(6, 1, reset), port(17, 2, firewall.Verdict{Kind: firewall.Drop}),
		}}
	}
	return &firewall.Program{Family: firewall.AnyFamily, Table: "wirelab", Chains: []firewall.Chain{
		mark("i", firewall.Input), mark("f", firewall.Forward), mark("o", firewall.Output),
	}}
}

func TestOutcomes(t *testing.T) {
	require.NoLeaks(t)
	h := mustNew(t)
	if err := h.Load(outcomesProgram()); err != nil {
		t.Fatal(err)
	}
	four := []netip.Addr{addr("10.64.37.9"), addr("10.64.37.35"), addr("198.51.100.1")}
	six := []netip.Addr{addr("fd64::9"), addr("fd64::35"), addr("2001:db8::1")}
	var packets []Packet
	for _, a := range [][]netip.Addr{four, six} {
		for _, way := range []Packet{{Source: a[0], Destination: a[1], In: "eth0"}, {Source: a[0], Destination: a[2], In: "eth0"}, {Source: a[1], Destination: a[2]}} {
			for _, what := range []Packet{{Protocol: 17, DestinationPort: 1}, {Protocol: 6, DestinationPort: 1}, {Protocol: 17, DestinationPort: 2}, {Protocol: 17, DestinationPort: 3}} {
				what.Source, what.Destination, what.In, what.SourcePort, what.Flags = way.Source, way.Destination, way.In, 40000, 2
				packets = append(packets, what)
			}
		}
	}
	outcomes, err := h.Try(packets)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range outcomes {
		p := packets[i]
		want := Outcome{}
		switch {
		case p.DestinationPort == 3:
			want = Outcome{Accepted: true, Hook: firewall.Postrouting, Source: netip.AddrPortFrom(p.Source, 40000), Destination: netip.AddrPortFrom(p.Destination, 3)}
			if p.Destination == four[1] || p.Destination == six[1] {
				want.Hook = firewall.Input
			}
		case p.DestinationPort == 1 && p.Protocol == 6:
			want.Reply = "tcp reset"
		case p.DestinationPort == 1 && p.Source.Is4():
			want.Reply = "icmp 13"
		case p.DestinationPort == 1:
			want.Reply = "icmpv6 1"
		}
		if o != want {
			t.Errorf("%+v: %+v, want %+v", p, o, want)
		}
	}
}

func BenchmarkTry(b *testing.B) {
	h := mustNew(b)
	packets := make([]Packet, 10000)
	for i := range packets {
		packets[i] = Packet{Protocol: 17, Source: addr("10.64.37.9"), Destination: addr("10.64.37.35"), In: "eth0", DestinationPort: uint16(i)}
	}
	for b.Loop() {
		if _, err := h.Try(packets); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(packets)), "ns/packet")
}
