package frame

import (
	"encoding/binary"
	"net"
	"testing"
)

// BenchmarkSenders sends frames of 60 bytes to nobody, each of its own.
func BenchmarkSenders(b *testing.B) {
	fill := func(memory []byte, stride int, n uint64, count int) {
		for i := range count {
			frame := memory[i*stride:]
			copy(frame, []byte{2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xb5})
			binary.BigEndian.PutUint64(frame[20:], n+uint64(i))
		}
	}
	series := Series{Size: 60, Fill: fill, Varies: true}
	for name, open := range map[string]func(int) (sender, error){
		"live": func(i int) (sender, error) { return OpenLive(i, series) },
		"xdp":  func(i int) (sender, error) { return OpenXDP(i, 0, series) },
	} {
		b.Run(name, func(b *testing.B) {
			inPair(b, "on", func(a, _ *net.Interface) {
				s, err := open(a.Index)
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				sent := 0
				for b.Loop() {
					n, err := s.Send(uint64(sent), maxLive)
					if err != nil {
						b.Fatal(err)
					}
					sent += n
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(sent), "ns/frame")
			})
		})
	}
}
