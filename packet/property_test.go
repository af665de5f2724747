package packet

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"wirelab/internal/setting"
)

// stacks are layers that go together.
var stacks = []string{
	"ip/udp/text", "ip/tcp/hex", "ip6/tcp/text", "ip6/udp/zero", "eth/arp", "eth/vlan/vlan/ip/icmp/text", "ip6/icmp6/text",
	"ip6/hop/routing/fragment/dest/udp/text", "ip/gre/ip/tcp/text", "ip/udp/vxlan/eth/ip6/udp/text", "ip/ip6/tcp", "eth/pppoe/ip/udp",
	"ip/udp/stamp", "ip/udp/stamp-reply", "ip6/udp/ntp", "ip/udp/dns", "sll/ip/udp/text", "sll2/ip6/tcp", "loop/ip/udp/text",
	"ip/icmp/ip/udp/text", "eth/ip/udp/text/trailer", "ip/udp/counter/random", "eth/hex",
}

// anyPacket draws a packet in the language. odd packets have computed fields of
// their own, and fields that make readers stumble.
func anyPacket(odd bool) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var parts []string
		for name := range strings.SplitSeq(rapid.SampledFrom(stacks).Draw(t, "stack"), "/") {
			parts = append(parts, anyLayer(t, layoutNamed(name), odd))
		}
		return strings.Join(parts, " / ")
	})
}

func anyLayer(t *rapid.T, l *layout, odd bool) string {
	words := []string{l.name}
	switch l.layer {
	case Text:
		words = append(words, rapid.StringMatching(`[a-z]{1,40}`).Draw(t, "text"))
	case Hex, Trailer:
		words = append(words, fmt.Sprintf("%x", rapid.SliceOfN(rapid.Byte(), 1, 30).Draw(t, "hex")))
	case Zero, Random:
		words = append(words, fmt.Sprint(rapid.IntRange(0, 60).Draw(t, "size")))
	}
	for i := range l.fields {
		f := &l.fields[i]
		if f.when.mask != 0 || strings.HasPrefix(f.name, "reserved") || !rapid.Bool().Draw(t, f.name+"?") {
			continue
		}
		if word := anyValue(t, f, odd); word != "" {
			words = append(words, f.name+"="+word)
		}
	}
	if options, ok := someOptions[l.tail]; ok && (l.tail == addresses || rapid.Bool().Draw(t, "options?")) {
		words = append(words, l.tail.keys()[0]+"="+strings.Join(rapid.SliceOfN(rapid.SampledFrom(options), 1, 3).Draw(t, "options"), ","))
	}
	return strings.Join(words, " ")
}

var someOptions = map[tail][]string{
	tcpOptions: {"mss:1460", "nop", "sackok", "ts:1/2", "wscale:3", "99:0102"}, ipOptions: {"nop", "ra:0", "99:01"},
	ip6Options: {"padn:2", "30:010203"}, addresses: {"2001:db8::1", "2001:db8::2"}, dnsRecords: {"example.com/A", "a.example/AAAA", "./NS"},
}

// anyValue draws a value; "" where the field is best left alone.
func anyValue(t *rapid.T, f *field, odd bool) string {
	if f.by != given {
		if !odd || f.by == presence {
			return ""
		}
		mode := rapid.SampledFrom([]string{"auto", "auto+3", "auto-1", "zero", "bad", ""}).Draw(t, "mode")
		if mode != "" {
			return mode
		}
	}
	v := getBits(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, f.name), 0, f.bits)
	if !odd && (strings.Contains("ver version type flags frag segleft hwlen protolen hw proto more code mode opcode addrlen rcode", f.name) || strings.HasSuffix(f.name, "port")) {
		return ""
	}
	if !odd && f.kind == addressMAC {
		v.lo &^= 1 << 40 // of one station
	}
	return f.format(v)
}

// made builds a packet, or discards it where the language refuses the mixture.
func made(t *rapid.T, line string) ([]byte, *Template) {
	s, err := ParseLine(line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	frame, template, err := Build(s)
	if err != nil {
		t.Skip(err)
	}
	return frame, template
}

func TestReadingExplainsAsBuilding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frame, template := made(t, anyPacket(true).Draw(t, "packet"))
		var h Headers
		Scan(template.Link(), frame, len(frame), &h)
		built := Explain(frame, &h, OffloadUnknown, template)
		s := SpecOf(frame, &h)
		again, _, err := Build(s)
		if err != nil || !bytes.Equal(again, frame) {
			t.Fatalf("%x\nread as %s (%v)\nmakes %x", frame, s.CLI(), err, again)
		}
		read := Explain(again, &h, OffloadUnknown, nil)
		plain := cmp.Options{cmpopts.IgnoreFields(FieldText{}, "SetBy", "Name", "Help", "Allowed", "Value", "Meaning", "Hex", "Bits", "Bit", "Offset"), cmpopts.IgnoreFields(Explained{}, "Added", "Fields"), cmpopts.IgnoreUnexported(Term{})}
		if diff := cmp.Diff(built, read, plain); diff != "" {
			t.Fatal(diff)
		}
		for i := range built.Layers {
			if payload(built.Layers[i].Layer) {
				continue // a described structure has fields that nobody can see
			}
			if diff := cmp.Diff(built.Layers[i].Fields, read.Layers[i].Fields, cmpopts.IgnoreFields(FieldText{}, "SetBy")); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func TestFormsOfALanguage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := anyPacket(true).Draw(t, "packet")
		frame, _ := made(t, line)
		s, _ := ParseLine(line)
		cli, err := ParseLine(s.CLI())
		if err != nil {
			t.Fatalf("%s: %v", s.CLI(), err)
		}
		v, errs := setting.Read("packet.yaml", []byte(s.YAML()))
		if errs != nil {
			t.Fatalf("%s: %v", s.YAML(), errs)
		}
		yaml, err := FromValue(v)
		if err != nil {
			t.Fatalf("%s: %v", s.YAML(), err)
		}
		for form, again := range map[string]*Spec{s.CLI(): cli, s.YAML(): yaml} {
			if got, _, err := Build(again); err != nil || !bytes.Equal(got, frame) {
				t.Fatalf("%s\nprints %s\nwhich makes %x (%v)\nnot %x", line, form, got, err, frame)
			}
		}
	})
}

func TestFillIsBuildOfAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, err := ParseLine(anyPacket(true).Draw(t, "packet"))
		if err != nil {
			t.Fatal(err)
		}
		s.Seed = rapid.Uint64().Draw(t, "seed")
		for i := range s.parts {
			p := &s.parts[i]
			for j := range p.layout.fields {
				if f := &p.layout.fields[j]; !payload(p.layer) && f.when.mask == 0 && f.by != presence && p.find(f) == nil && f.name != "type" && rapid.IntRange(0, 3).Draw(t, "vary") == 0 {
					v, err := f.parseVary("rand")
					if err != nil {
						t.Fatal(err)
					}
					p.set = append(p.set, assignment{field: f, mode: varying, vary: v, origin: ByUser})
				}
			}
		}
		_, template, err := Build(s)
		if err != nil {
			t.Skip(err)
		}
		frames, size := rapid.IntRange(1, 3*fillFrames).Draw(t, "frames"), template.Len()
		n := rapid.Uint64Max(1<<64-3*fillFrames).Draw(t, "n")
		filled := bytes.Repeat([]byte{0xa5}, frames*size)
		template.Filler().Fill(filled, size, n, frames, 5)
		for i := range frames {
			if got, want := filled[i*size:][:size], template.Append(nil, n+uint64(i), 5); !bytes.Equal(got, want) {
				t.Fatalf("%s\nframe %d: fill %x\n not %x", s.CLI(), i, got, want)
			}
		}
	})
}

// FuzzSpecOf shows that whatever is read can be described, and that an explanation
// tells every byte.
func FuzzSpecOf(f *testing.F) {
	for _, line := range lines {
		s, err := ParseLine(line)
		if err != nil {
			f.Fatal(err)
		}
		frame, template, err := Build(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint16(template.Link()), frame)
	}
	f.Fuzz(func(t *testing.T, link uint16, frame []byte) {
		var h Headers
		Scan(LinkType(link), frame, len(frame), &h)
		s := SpecOf(frame, &h)
		if again, _, err := Build(s); err != nil || !bytes.Equal(again, frame) {
			t.Fatalf("%x\nread as %s (%v)\nmakes %x", frame, s.CLI(), err, again)
		}
		if again, err := ParseLine(s.CLI()); err != nil {
			t.Fatalf("%s: %v", s.CLI(), err)
		} else if b, _, err := Build(again); err != nil || !bytes.Equal(b, frame) {
			t.Fatalf("%x\nread as %s (%v)\nmakes %x", frame, s.CLI(), err, b)
		}
		told := make([]bool, len(frame))
		for _, l := range Explain(frame, &h, OffloadUnknown, nil).Layers {
			for _, f := range l.Fields {
				for at := f.Offset; at < f.Offset+(f.Bit+f.Bits+7)/8; at++ {
					told[at] = true
				}
			}
		}
		for at, ok := range told {
			if !ok && h.N < MaxHeaders {
				t.Fatalf("byte %d of %x is not explained", at, frame)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, line := range lines {
		f.Add(line)
	}
	for _, line := range varied {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		s, err := ParseLine(line)
		if err != nil || len(s.Files()) > 0 {
			return
		}
		cli := s.CLI()
		frame, _, err := Build(s)
		if err != nil || len(frame) > 1<<16 {
			return
		}
		again, err := ParseLine(cli)
		if err != nil {
			t.Fatalf("%q prints %q: %v", line, cli, err)
		}
		if b, _, err := Build(again); err != nil || !bytes.Equal(b, frame) {
			t.Fatalf("%q prints %q\nwhich makes %x (%v)\nnot %x", line, cli, b, err, frame)
		}
	})
}

func FuzzFromValue(f *testing.F) {
	f.Add("layers:\n  - ip: {dst: 192.0.2.1}\n  - udp: {dport: 9}\n  - text: hello\npatch: [ip+6=2000]\nmtu: 576\nseed: 7\n")
	f.Add("layers: ip / udp / text x\n")
	f.Add("layers:\n  - tcp: {flags: [syn, ack], opts: [\"mss:1460\"]}\n  - struct: {seq:32: inc:0}\n")
	f.Fuzz(func(t *testing.T, text string) {
		v, errs := setting.Read("packet.yaml", []byte(text))
		if errs != nil {
			return
		}
		if s, err := FromValue(v); err == nil && len(s.Files()) == 0 {
			_, _, _ = Build(s)
		}
	})
}
