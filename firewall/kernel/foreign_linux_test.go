package kernel

import (
	"fmt"
	"slices"
	"testing"

	"wirelab/firewall"
)

// Rules that others wrote are understood as what they are, or said to be unknown: never
// taken for something that they only resemble.
func TestForeignRulesAreNotMisread(t *testing.T) {
	n, k := namespace(t)
	tests := []struct {
		rule  string
		known bool
	}{
		{"meta nfproto ipv4 ip saddr 10.0.0.1 accept", true},
		{"tcp dport 22 accept", true},
		{"meta l4proto udp @th,16,16 53 accept", true}, // udp dport
		{"meta l4proto icmp @th,0,16 5 accept", true},  // type and code, no port
		{"meta l4proto icmp @th,0,8 5 accept", true},   // icmp type
		{"meta l4proto ipv6-icmp @th,16,16 5 accept", false},
		{"@th,0,16 5 accept", true}, // a port of any protocol
		{"@nh,96,32 0x0a000001 accept", false},
		{"meta nfproto ipv6 @nh,96,32 0x0a000001 accept", false}, // half of an address
		{"meta nfproto ipv4 @nh,96,32 0x0a000001 accept", true},
		{"meta nfproto ipv4 @nh,96,24 0x0a0000 accept", true}, // a prefix
		{"meta mark & 0xff == 1 accept", true},
		{"meta mark ^ 0xff == 1 accept", true}, // nft works out that it is 0xfe
		{"meta mark | 1 == 3 accept", false},
		{"tcp flags syn tcp option maxseg size set rt mtu", true},
		{"tcp flags syn tcp option maxseg size set 1400", false},
		{"tcp flags syn tcp option maxseg size > 1400 accept", false},
		{"ct state new accept", true},
		{"ct original packets > 5 accept", false},
		{"ct mark set 5", false},
		{"fib daddr type local accept", true},
		{"fib daddr . iif type local accept", false},
		{"fib saddr oif 0 drop", false},
		{"limit rate 5/second accept", true},
		{"limit rate 5 kbytes/second accept", false},
		{"meta cpu 3 accept", false},
		{"meta length 100-200 accept", false},
	}
	for i, test := range tests {
		nft(t, n, fmt.Sprintf("add table inet wirelab; add chain inet wirelab c%d", i))
		nft(t, n, fmt.Sprintf("add rule inet wirelab c%d %s", i, test.rule))
	}
	live, err := k.Read(&firewall.Program{Family: firewall.AnyFamily, Table: "wirelab"})
	if err != nil {
		t.Fatal(err)
	}
	for i, test := range tests {
		chain := live.Program.Chain(fmt.Sprintf("c%d", i))
		r := chain.Rules[0]
		known := len(r.Effects.Unknown) == 0 && !slices.ContainsFunc(r.Matches, func(m firewall.Match) bool { return m.Unknown != "" })
		if known != test.known {
			t.Errorf("%s: understood: %v, as %+v", test.rule, known, r)
		}
	}
}
