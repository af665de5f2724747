package packet

import (
	"fmt"
	"strings"
	"testing"
)

// verdictsOf builds a packet and judges it.
func verdictsOf(t *testing.T, line string, known Offload) string {
	t.Helper()
	frame, template := build(t, line)
	return judged(template.Link(), frame, len(frame), known)
}

func judged(link LinkType, frame []byte, original int, known Offload) string {
	var h Headers
	Scan(link, frame, original, &h)
	var all []string
	for _, c := range Verify(frame, &h, known, nil) {
		all = append(all, fmt.Sprintf("%v:%v", c.Layer, c.Verdict))
	}
	return strings.Join(all, " ")
}

func TestVerdicts(t *testing.T) {
	tests := []struct{ line, want string }{
		{"ip / udp / text x", "ip:good udp:good"},
		{"ip / udp csum=0", "ip:good udp:absent"},
		{"ip6 / udp csum=0", "udp:bad"},
		{"ip / udp csum=bad", "ip:good udp:bad"},
		{"ip csum=bad / tcp", "ip:bad tcp:good"},
		{"ip csum=0 / tcp", "ip:bad tcp:good"},
		{"ip len=0 / tcp / text x", "ip:good tcp:good"},
		{"ip len=auto+4 / tcp", "ip:good tcp:unverified"},
		{"ip hdrlen=4 / tcp", "ip:unverified"},
		{"udp len=auto+4 / text x", "ip:good udp:bad"},
		{"udp len=7 / text x", "ip:good udp:bad"},
		{"udp len=auto-1 / text xyz", "ip:good udp:good"}, // UDP's length rules
		{"eth / ip / udp / text x / trailer 00ff00ff", "ip:good udp:good"},
		{"ip flags=mf / udp / zero 8", "ip:good udp:unverified"},
		{"ip frag=1 / hex 0001", "ip:good"},
		{"ip6 / fragment / udp / text x", "udp:good"}, // atomic
		{"ip6 / fragment more=1 / udp / zero 8", "udp:unverified"},
		{"ip6 / routing type=0 segleft=1 addrs=2001:db8::7 / udp", "udp:good"},
		{"ip6 / routing type=4 segleft=1 addrs=2001:db8::7,2001:db8::8 / tcp", "tcp:good"},
		{"ip opts=lsrr:192.0.2.1/192.0.2.2 / udp", "ip:good udp:good"},
		{"ip opts=lsrr:192.0.2.1/192.0.2.2@12 / udp", "ip:good udp:good"},
		{"icmp type=unreachable / ip csum=1 / udp csum=1", "ip:good icmp:good"}, // what is quoted is not judged
		{"gre csum=auto / ip / udp", "ip:good gre:good ip:good udp:good"},
		{"gre csum=bad / ip / udp csum=bad", "ip:good gre:bad ip:good udp:bad"},
		{"tcp hdrlen=15", "ip:good tcp:bad"},
		{"icmp6 csum=bad", "icmp6:bad"},
		{"eth / pppoe session=5 / ip csum=bad / udp", "ip:bad udp:good"},
		{"loop / ip / udp csum=bad", "ip:good udp:bad"},
		{"loop family=0x0f000800 / ip / udp", ""}, // of no system: data
	}
	for _, tt := range tests {
		if got := verdictsOf(t, tt.line, OffloadUnknown); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.line, got, tt.want)
		}
	}
	if got := verdictsOf(t, "udp csum=bad", OffloadPending); got != "ip:good udp:partial" {
		t.Errorf("a checksum that is not ready: %s", got)
	}
	if got := verdictsOf(t, "udp csum=bad", OffloadValid); got != "ip:good udp:good" {
		t.Errorf("a checksum that a device has verified: %s", got)
	}
}

// TestZeroAndAllOnes shows that Linux takes either zero of ones' complement in TCP,
// and that UDP never sends 0 for a sum.
func TestZeroAndAllOnes(t *testing.T) {
	for layer, field := range map[Layer]string{TCP: "win", UDP: "sport"} {
		frame, template := build(t, fmt.Sprintf("%v %s=0 / zero 2", layer, field))
		h := template.headers[1]
		right := word(frame, int(h.Offset)+layouts[layer].checksum)
		frame, _ = build(t, fmt.Sprintf("%v %s=%d / zero 2", layer, field, right))
		at := int(h.Offset) + layouts[layer].checksum
		if want := map[Layer]uint16{TCP: 0, UDP: 0xffff}[layer]; word(frame, at) != want {
			t.Errorf("%v: %04x, want %04x", layer, word(frame, at), want)
		}
		frame[at], frame[at+1] = 0xff, 0xff
		if got := judged(LinkRaw, frame, len(frame), OffloadUnknown); !strings.HasSuffix(got, ":good") {
			t.Errorf("%v with ffff: %s", layer, got)
		}
	}
}

func TestPartial(t *testing.T) {
	frame, template := build(t, "ip src=192.0.2.1 dst=192.0.2.2 / tcp / text hello")
	tcp := template.headers[1]
	var c coverage
	c.find(frame, template.headers, 1)
	for name, words := range map[string]uint64{"whole": c.pseudoWords(frame), "without length": c.addressWords(frame)} {
		frame[tcp.Offset+16], frame[tcp.Offset+17] = byte(fold(words)>>8), byte(fold(words))
		if got := judged(LinkRaw, frame, len(frame), OffloadUnknown); got != "ip:good tcp:partial" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestTruncatedIsUnverified(t *testing.T) {
	frame, template := build(t, "eth / ip / tcp / zero 100")
	for captured := range len(frame) {
		got := judged(template.Link(), frame[:captured], len(frame), OffloadUnknown)
		want := ""
		if captured >= 34 {
			want = "ip:good"
		}
		if captured >= 52 {
			want = "ip:good tcp:unverified"
		}
		if captured > 24 && captured < 34 && got == "ip:unverified" {
			continue // the checksum is there, the header is not
		}
		if got != want {
			t.Errorf("%d bytes: %q, want %q", captured, got, want)
		}
	}
}

// TestRoutesInPseudoHeaders shows that the final stop of a route that is not used up
// stands in the pseudo header, and otherwise the destination: the checksum is that of the
// same segment sent there without a route.
func TestRoutesInPseudoHeaders(t *testing.T) {
	tests := []struct{ routed, plain string }{
		{"ip dst=192.0.2.9 opts=lsrr:192.0.2.1/192.0.2.2", "ip dst=192.0.2.2"},
		{"ip dst=192.0.2.9 opts=lsrr:192.0.2.1/192.0.2.2@8", "ip dst=192.0.2.2"},
		{"ip dst=192.0.2.9 opts=lsrr:192.0.2.1/192.0.2.2@12", "ip dst=192.0.2.9"}, // used up
		{"ip dst=192.0.2.9 opts=ssrr:192.0.2.1", "ip dst=192.0.2.1"},
		{"ip dst=192.0.2.9 opts=rr:192.0.2.1", "ip dst=192.0.2.9"},
		{"ip6 dst=2001:db8::9 / routing type=0 segleft=1 addrs=2001:db8::7,2001:db8::8", "ip6 dst=2001:db8::8"},
		{"ip6 dst=2001:db8::9 / routing type=0 segleft=0 addrs=2001:db8::7,2001:db8::8", "ip6 dst=2001:db8::9"},
		{"ip6 dst=2001:db8::9 / routing type=4 segleft=1 addrs=2001:db8::7,2001:db8::8", "ip6 dst=2001:db8::7"},
	}
	checksum := func(line string) uint16 {
		frame, template := build(t, line+" / tcp / text hello")
		return word(frame, int(template.headers[len(template.headers)-2].Offset)+16)
	}
	for _, tt := range tests {
		if got, want := checksum(tt.routed), checksum(tt.plain); got != want {
			t.Errorf("%s: %04x, as %s: %04x", tt.routed, got, tt.plain, want)
		}
	}
}
