package packet

import (
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
)

// frames are small frames with what Scan, Verify and AppendSummary say of them.
var frames = []struct {
	name, hex string
	link      LinkType
	summary   string
	verdicts  string
}{
	{
		"udp", "45000021000020004011f6a7c0000201c00002239c400009000d9b9368656c6c6f", LinkRaw,
		"192.0.2.1:40000 > 192.0.2.35:9 fragment at 0 of 0, more follow UDP 5 bytes", "ip:bad udp:unverified",
	},
	{
		"whole udp", "45000021000000004011f6a7c0000201c00002239c400009000d9b9368656c6c6f", LinkRaw,
		"192.0.2.1:40000 > 192.0.2.35:9 UDP 5 bytes", "ip:good udp:good",
	},
	{
		"length behind the end", "45000021000000004011f6a7c0000201c00002239c400009000f9b9368656c6c6f", LinkRaw,
		"192.0.2.1:40000 > 192.0.2.35:9 UDP 5 bytes [malformed: udp has a length that points behind the end]", "ip:good udp:bad",
	},
	{
		"arp", "ffffffffffff02000000000108060001080006040001020000000001c0000201000000000000c0000223", LinkEthernet,
		"ARP who has 192.0.2.35? tell 192.0.2.1", "",
	},
	{"nothing", "", LinkEthernet, "0 bytes of link type 1 [malformed: eth ends inside its header]", ""},
	{"unknown link", "0102", 9999, "2 bytes of link type 9999", ""},
}

func TestScan(t *testing.T) {
	for _, tt := range frames {
		frame, err := hex.DecodeString(tt.hex)
		if err != nil {
			t.Fatal(err)
		}
		var h Headers
		Scan(tt.link, frame, len(frame), &h)
		verdicts := ""
		for _, c := range Verify(frame, &h, OffloadUnknown, nil) {
			verdicts += fmt.Sprintf(" %v:%v", c.Layer, c.Verdict)
		}
		if got := string(AppendSummary(nil, frame, &h)); got != tt.summary {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.summary)
		}
		if verdicts != "" && verdicts[1:] != tt.verdicts || verdicts == "" && tt.verdicts != "" {
			t.Errorf("%s: verdicts %q, want %q", tt.name, verdicts, tt.verdicts)
		}
	}
}

// A header that the length around it cuts is the sender's fault, also where the capture
// ends there; one that only the capture cuts is nobody's.
func TestMalformed(t *testing.T) {
	frame, template := build(t, "eth / ip len=24 / udp / zero 20")
	for captured, want := range map[int]bool{34: false, 36: false, 38: true, 40: true, len(frame): true} {
		var h Headers
		Scan(template.Link(), frame[:captured], len(frame), &h)
		if one, got := h.Malformed(); got != want || got && one.Layer != UDP {
			t.Errorf("%d bytes captured: %t, %v %v", captured, got, one.Layer, one.Fault)
		}
	}
}

// Errors carry the datagram that caused them; nothing else of ICMP does.
func TestQuotes(t *testing.T) {
	inner, _ := build(t, "ip / udp / zero 20")
	inner6, _ := build(t, "ip6 / udp / zero 20")
	for kind := range 256 {
		for _, tt := range []struct {
			line   string
			inner  []byte
			layer  Layer
			quotes []int
		}{
			{"ip / icmp type=%d / hex %x", inner, IPv4, []int{3, 4, 5, 11, 12}},
			{"ip6 / icmp6 type=%d / hex %x", inner6, IPv6, []int{1, 2, 3, 4}},
		} {
			frame, template := build(t, fmt.Sprintf(tt.line, kind, tt.inner))
			var h Headers
			Scan(template.Link(), frame, len(frame), &h)
			quoted := slices.ContainsFunc(h.All(), func(one Header) bool { return one.Quoted && one.Layer == tt.layer })
			if want := slices.Contains(tt.quotes, kind); quoted != want {
				t.Errorf("%v type %d: quoted %t, want %t", h.List[1].Layer, kind, quoted, want)
			}
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, tt := range frames {
		frame, _ := hex.DecodeString(tt.hex)
		f.Add(uint16(tt.link), frame, uint16(0))
	}
	f.Fuzz(func(t *testing.T, link uint16, frame []byte, missing uint16) {
		var h Headers
		frame = frame[:len(frame):len(frame)]
		Scan(LinkType(link), frame, len(frame)+int(missing), &h)
		at := 0
		for _, one := range h.All() {
			if int(one.Offset) != at && at < len(frame) {
				t.Fatalf("%v at %d, not at %d: %+v", one.Layer, one.Offset, at, h.All())
			}
			at = int(one.Offset + one.Length)
		}
		if at < len(frame) && h.N < MaxHeaders {
			t.Fatalf("%d of %d bytes are told: %+v", at, len(frame), h.All())
		}
		Verify(frame, &h, OffloadUnknown, nil)
		AppendSummary(nil, frame, &h)
	})
}

func TestNothingAllocates(t *testing.T) {
	frame, _ := hex.DecodeString(frames[1].hex)
	var h Headers
	checks, line := make([]Check, 0, MaxHeaders), make([]byte, 0, 1024)
	got := testing.AllocsPerRun(100, func() {
		Scan(LinkRaw, frame, len(frame), &h)
		checks = Verify(frame, &h, OffloadUnknown, checks[:0])
		line = AppendSummary(line[:0], frame, &h)
	})
	if got != 0 {
		t.Errorf("%v allocations a frame", got)
	}
}

func BenchmarkScanVerify(b *testing.B) {
	frame, _ := hex.DecodeString(frames[1].hex)
	var h Headers
	checks := make([]Check, 0, MaxHeaders)
	for b.Loop() {
		Scan(LinkRaw, frame, len(frame), &h)
		checks = Verify(frame, &h, OffloadUnknown, checks[:0])
	}
}

func BenchmarkSummary(b *testing.B) {
	frame, _ := hex.DecodeString(frames[1].hex)
	var h Headers
	line := make([]byte, 0, 1024)
	for b.Loop() {
		Scan(LinkRaw, frame, len(frame), &h)
		line = AppendSummary(line[:0], frame, &h)
	}
}

// BenchmarkMixed scans and judges frames of several kinds in turn; an operation is a frame.
func BenchmarkMixed(b *testing.B) {
	var mixed [][]byte
	for _, line := range []string{
		"eth / ip src=10.64.37.1 dst=10.64.37.35 / udp sport=1024 dport=9 / zero 18",
		"eth / ip dst=10.64.37.35 / tcp sport=1024 dport=80 flags=ack,psh / zero 400",
		"eth / ip6 dst=2001:db8::1 / tcp sport=1024 dport=443 / zero 100",
		"eth / ip dst=10.64.37.35 / icmp type=echo / zero 56",
		"eth / vlan id=5 / ip dst=10.64.37.35 / tcp sport=1024 dport=22 / zero 1000",
	} {
		s, err := ParseLine(line)
		if err != nil {
			b.Fatal(err)
		}
		frame, _, err := Build(s)
		if err != nil {
			b.Fatal(err)
		}
		mixed = append(mixed, frame)
	}
	var h Headers
	checks, line := make([]Check, 0, MaxHeaders), make([]byte, 0, 1024)
	for _, work := range []struct {
		name string
		do   func(frame []byte)
	}{
		{"scan", func([]byte) {}},
		{"verify", func(frame []byte) { checks = Verify(frame, &h, OffloadUnknown, checks[:0]) }},
		{"summary", func(frame []byte) { line = AppendSummary(line[:0], frame, &h) }},
	} {
		b.Run(work.name, func(b *testing.B) {
			for i := range b.N {
				frame := mixed[i%len(mixed)]
				Scan(LinkEthernet, frame, len(frame), &h)
				work.do(frame)
			}
		})
	}
}
