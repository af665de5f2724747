package packet

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// reassemble puts the contents of fragments of one datagram together.
func reassemble(t *rapid.T, link LinkType, frames [][]byte) []byte {
	var whole []byte
	for i, frame := range frames {
		var h Headers
		Scan(link, frame, len(frame), &h)
		if bad, ok := h.Malformed(); ok {
			t.Fatalf("fragment %d: %v %v", i, bad.Layer, bad.Fault)
		}
		for _, c := range Verify(frame, &h, OffloadUnknown, nil) {
			if c.Layer == IPv4 && c.Verdict != Good {
				t.Fatalf("fragment %d: checksum %v", i, c.Verdict)
			}
		}
		at, offset, more := 0, 0, false
		if ip, ok := h.Find(IPv4); ok {
			at, offset, more = int(ip.Offset+ip.Length), int(word(frame, int(ip.Offset)+6)&0x1fff)*8, frame[ip.Offset+6]&0x20 != 0
		}
		if f, ok := h.Find(Fragment); ok {
			at, offset, more = int(f.Offset+f.Length), int(word(frame, int(f.Offset)+2)&^7), frame[f.Offset+3]&1 != 0
		}
		if offset != len(whole) || more != (i < len(frames)-1) {
			t.Fatalf("fragment %d: offset %d behind %d bytes, more %t", i, offset, len(whole), more)
		}
		whole = append(whole, frame[at:]...)
	}
	return whole
}

func TestFragments(t *testing.T) {
	stacks := []string{"ip opts=lsrr:192.0.2.1,rr:0.0.0.0 / udp / random ", "ip6 / hop / udp / random ", "eth / ip / icmp / random ", "eth / ip6 / udp / random "}
	rapid.Check(t, func(t *rapid.T) {
		s, err := ParseLine(rapid.SampledFrom(stacks).Draw(t, "stack") + rapid.StringMatching(`[1-3][0-9]{0,3}`).Draw(t, "size"))
		if err != nil {
			t.Fatal(err)
		}
		frame, template, err := Build(s)
		if err != nil {
			t.Fatal(err)
		}
		mtu := rapid.IntRange(120, 1500).Draw(t, "mtu")
		frames, err := Fragments(template.Link(), frame, mtu)
		if err != nil {
			t.Fatal(err)
		}
		if len(frames) == 1 {
			return
		}
		for i, one := range frames {
			var h Headers
			Scan(template.Link(), one, len(one), &h)
			ip, ok := h.Find(IPv4)
			if !ok {
				ip, _ = h.Find(IPv6)
			}
			if size := int(ip.End - ip.Offset); size > mtu || i < len(frames)-1 && size < mtu-7 && i > 0 {
				t.Fatalf("fragment %d of %d has %d bytes with an MTU of %d", i, len(frames), size, mtu)
			}
		}
		once := reassemble(t, template.Link(), frames)
		var twice [][]byte // a smaller link further on
		for _, one := range frames {
			smaller, err := Fragments(template.Link(), one, rapid.IntRange(100, mtu).Draw(t, "smaller"))
			if err != nil {
				t.Fatal(err)
			}
			twice = append(twice, smaller...)
		}
		if again := reassemble(t, template.Link(), twice); !bytes.Equal(again, once) {
			t.Fatalf("%x\n%x", once, again)
		}
		if !bytes.HasSuffix(frame, once) {
			t.Fatalf("%x is no end of %x", once, frame)
		}
	})
}

func TestDontFragment(t *testing.T) {
	frame, template := build(t, "ip flags=df / udp / zero 100")
	if _, err := Fragments(template.Link(), frame, 100); !errors.Is(err, ErrDontFragment) {
		t.Errorf("%v", err)
	}
}

func TestBadStaysBadInFragments(t *testing.T) {
	frame, template := build(t, "ip csum=bad / udp / zero 100")
	frames, err := Fragments(template.Link(), frame, 100)
	if err != nil || len(frames) != 2 {
		t.Fatalf("%d fragments, %v", len(frames), err)
	}
	for _, one := range frames {
		var h Headers
		Scan(template.Link(), one, len(one), &h)
		if c := Verify(one, &h, OffloadUnknown, nil); c[0].Verdict != Bad || c[0].Found-c[0].Right != 1 {
			t.Errorf("%+v", c[0])
		}
	}
}

// A fragment knows who set what, wherever its bytes come from.
func TestFragmentsAreExplained(t *testing.T) {
	tests := []struct {
		line  string
		mtu   int
		n     int
		setBy map[string]Origin // of layer.field
	}{
		{"ip ttl=9 dst=192.0.2.9 / udp dport=9 / counter 4 / zero 300", 100, 0, map[string]Origin{
			"ip.ttl": ByUser, "ip.len": ByComputed, "ip.flags": ByComputed, "ip.csum": ByComputed, "udp.dport": ByUser, "udp.len": ByComputed, "data.counter": ByComputed,
		}},
		{"ip ttl=9 opts=rr:0.0.0.0 dst=192.0.2.9 / udp / text " + strings.Repeat("x", 300), 100, 2, map[string]Origin{
			"ip.ttl": ByUser, "ip.src": ByDefault, "ip.frag": ByComputed, "data.data": ByUser,
		}},
		{"ip6 hlim=9 / hop / udp sport=5 / zero 300 --patch ip6+0=60000001", 200, 0, map[string]Origin{
			"ip6.hlim": ByUser, "ip6.ver": ByPatch, "ip6.len": ByComputed, "ip6.next": ByComputed, "hop.next": ByComputed, "fragment.id": ByComputed, "udp.sport": ByUser,
		}},
		{"ip ttl=9 / udp / text short", 1500, 0, map[string]Origin{"ip.ttl": ByUser, "udp.sport": ByDefault, "data.data": ByUser}},
	}
	for _, tt := range tests {
		frame, template := build(t, tt.line)
		one, made, count, err := template.Fragment(frame, tt.mtu, tt.n)
		if err != nil || one == nil {
			t.Fatalf("%s: %v, %d fragments", tt.line, err, count)
		}
		var h Headers
		Scan(template.Link(), one, len(one), &h)
		found := make(map[string]Origin)
		for _, l := range Explain(one, &h, OffloadUnknown, made).Layers {
			for _, f := range l.Fields {
				found[l.Layer.String()+"."+f.Name] = f.SetBy
				if f.SetBy == Unknown {
					t.Errorf("%s: nobody set %v.%s", tt.line, l.Layer, f.Name)
				}
			}
		}
		for name, want := range tt.setBy {
			if got, ok := found[name]; !ok || got != want {
				t.Errorf("%s: %s is set by %v, want %v (there: %t)", tt.line, name, got, want, ok)
			}
		}
		if none, _, again, err := template.Fragment(frame, tt.mtu, count); none != nil || again != count || err != nil {
			t.Errorf("%s: a fragment behind the last of %d", tt.line, count)
		}
	}
}
