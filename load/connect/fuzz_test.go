package connect

import (
	"testing"
	"time"

	"wirelab/clock"
)

func FuzzParseReflection(f *testing.F) {
	f.Add(clock.ReflectorPacket{Timestamp: 1, ReceiveTimestamp: 1, SenderTimestamp: 1, Estimate: 1, SenderEstimate: 1}.
		Append(nil, clock.TestPacketLen))
	f.Add([]byte("short"))
	received := time.Date(2026, 11, 22, 10, 3, 4, 0, time.UTC)
	f.Fuzz(func(t *testing.T, b []byte) {
		r := parseReflector(b, received)
		if r != nil && len(b) < clock.ShortReflectorLen {
			t.Errorf("%v from %d bytes", r, len(b))
		}
		if r != nil {
			_ = newReflection(r, clock.Stamp{}, clock.Stamp{Time: received}).String()
		}
	})
}
