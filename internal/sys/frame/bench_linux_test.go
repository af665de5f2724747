package frame

import (
	"net"
	"testing"
)

// BenchmarkSenders sends frames of 60 bytes to nobody, each of its own.
func BenchmarkSenders(b *testing.B) {
	for _, name := range []string{"live", "xdp", "sendmmsg"} {
		b.Run(name, func(b *testing.B) {
			inPair(b, "on", func(a, _ *net.Interface) {
				s, err := senders(a.Index)[name]()
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				frames := series(MaxLive, 60)
				sent := 0
				for b.Loop() {
					n, err := s.Send(frames)
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
