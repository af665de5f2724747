package load

import (
	"fmt"
	"time"
)

// Reflection is what one reflected STAMP packet says about the two clocks and
// the way between them.
type Reflection struct {
	Sequence uint32 // of the packet that was reflected
	// Offset is how far the reflector's clock is ahead of ours, wrong by at most
	// Bound: half of RoundTrip, all of which may have been spent on one way.
	Offset, Bound time.Duration
	RoundTrip     time.Duration // less the time in the reflector
	Held          time.Duration // the time in the reflector
}

// String returns one line without its end.
func (r *Reflection) String() string {
	return fmt.Sprintf("reflection of packet %d: offset %+.1f ± %.1f us, round trip %.1f us, held %.1f us (our stamps: user space)",
		r.Sequence, micros(r.Offset), micros(r.Bound), micros(r.RoundTrip), micros(r.Held))
}

type jsonReflection struct {
	Sequence    uint32  `json:"sequence"`
	OffsetUS    float64 `json:"offset_us"`
	BoundUS     float64 `json:"bound_us"`
	RoundTripUS float64 `json:"round_trip_us"`
	HeldUS      float64 `json:"held_us"`
	StampSource string  `json:"stamp_source"` // of our two stamps
}

func (r *Reflection) json() *jsonReflection {
	if r == nil {
		return nil
	}
	return &jsonReflection{
		Sequence: r.Sequence, OffsetUS: micros(r.Offset), BoundUS: micros(r.Bound),
		RoundTripUS: micros(r.RoundTrip), HeldUS: micros(r.Held), StampSource: "user",
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func parseReflection(b []byte, received time.Time) *Reflection { return nil }
