package packet

import (
	"bytes"
	"testing"
)

// varied are packets with fields that vary.
var varied = []string{
	"eth / ip src=inc:10.64.37.1-10.64.37.254 dst=10.64.37.35 / udp sport=rand:1024-65535 dport=9",
	"ip src=inc:10.64.37.0/24 / tcp seq=rand sport=dec:2000-1000+7 flags=list:syn,ack opts=mss:1460",
	"ip6 src=rand dst=inc:2001:db8::1-2001:db8::ffff+3 / udp / counter 3 / struct a:4=inc:0 b:12=rand / text odd",
	"vxlan vni=inc:1 / eth src=rand / ip src=rand dst=rand / udp sport=rand / counter 8",
	"ip id=inc:0 frag=list:0,1 tos=rand / ip ttl=dec:64-1 / gre csum=auto key=rand / ip src=rand / icmp id=rand csum=auto+3",
	"udp csum=bad sport=rand / time",
	"udp len=list:8,9 / text x",
	"ip src=inc:192.0.2.1 --patch ip+6=2000 --patch ip+12=01 / udp",
	"stamp seq=inc:0 time=rand",
	"ip / udp sport=rand csum=zero / text hello",
}

func TestFillIsBuild(t *testing.T) {
	for _, line := range varied {
		_, template := build(t, line)
		const frames, now = 100, 1234567890
		stride := template.Len() + 3
		filler, memory := template.Filler(), make([]byte, frames*stride)
		for _, n := range []uint64{0, 1, 2, 3, 254, 255, 70000, 1 << 40, 1<<64 - frames} {
			for i := range memory {
				memory[i] = 0xa5
			}
			filler.Fill(memory, stride, n, frames, now)
			for i := range uint64(frames) {
				filled := memory[int(i)*stride:][:stride]
				want := append(template.Append(nil, n+i, now), 0xa5, 0xa5, 0xa5)
				if !bytes.Equal(filled, want) {
					t.Fatalf("%s: frame %d\n is %x\nnot %x", line, n+i, filled, want)
				}
			}
		}
	}
}

func TestFillAllocatesNothing(t *testing.T) {
	_, template := build(t, varied[0])
	filler, memory := template.Filler(), make([]byte, 100*64)
	n := uint64(0)
	if got := testing.AllocsPerRun(100, func() { filler.Fill(memory, 64, n, 100, 0); n += 100 }); got != 0 {
		t.Errorf("%v allocations a hundred frames", got)
	}
}

// BenchmarkFill fills memory as a batch of sendmmsg has it; an operation is a frame.
func BenchmarkFill(b *testing.B) {
	s, err := ParseLine("eth / ip src=inc:10.64.37.1-10.64.37.254 dst=10.64.37.35 / udp sport=rand:1024-65535 dport=9 / zero 18")
	if err != nil {
		b.Fatal(err)
	}
	_, template, err := Build(s)
	if err != nil {
		b.Fatal(err)
	}
	const frames, stride = 512, 64
	filler, memory := template.Filler(), make([]byte, frames*stride)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += frames {
		filler.Fill(memory, stride, uint64(n), min(frames, b.N-n), 0)
	}
}

func BenchmarkBuild(b *testing.B) {
	s, err := ParseLine("ip src=192.0.2.1 dst=192.0.2.35 / udp dport=9 / text hello")
	if err != nil {
		b.Fatal(err)
	}
	s.Complete(true)
	var frame []byte
	for b.Loop() {
		t, err := s.Compile()
		if err != nil {
			b.Fatal(err)
		}
		frame = t.Append(frame[:0], 0, 0)
	}
}

func BenchmarkAppend(b *testing.B) {
	s, _ := ParseLine("ip src=192.0.2.1 dst=192.0.2.35 / udp dport=9 / text hello")
	frame, t, err := Build(s)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		frame = t.Append(frame[:0], 0, 0)
	}
}
