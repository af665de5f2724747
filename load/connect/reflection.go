package connect

import (
	"fmt"
	"time"

	"wirelab/clock"
)

// Reflection is what one reflected STAMP packet says about the two clocks and
// the way between them.
type Reflection struct {
	Sequence uint32 // of the packet that was reflected
	// Offset is how far the reflector's clock is ahead of ours, wrong by at most
	// Bound, see [clock.Exchange.Bound].
	Offset, Bound time.Duration
	RoundTrip     time.Duration // less the time in the reflector
	Held          time.Duration // the time in the reflector
}

// String returns one line without its end.
func (r *Reflection) String() string {
	return fmt.Sprintf("packet %d: offset %+.1f ± %.1f us, round trip %.1f us, held %.1f us (user stamps)",
		r.Sequence, clock.Microseconds(r.Offset), clock.Microseconds(r.Bound), clock.Microseconds(r.RoundTrip), clock.Microseconds(r.Held))
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
		Sequence: r.Sequence, OffsetUS: clock.Microseconds(r.Offset), BoundUS: clock.Microseconds(r.Bound),
		RoundTripUS: clock.Microseconds(r.RoundTrip), HeldUS: clock.Microseconds(r.Held), StampSource: "user",
	}
}

// parseReflection reads an answer that arrived at received. It returns nil for what
// is no reflection, such as an echo, which has no stamps of its own.
func parseReflection(b []byte, received time.Time) *Reflection {
	packet, err := clock.ParseReflector(b)
	if err != nil {
		return nil
	}
	t1, t2, t3, ok := packet.Times(received)
	if !ok {
		return nil
	}
	e := clock.UserExchange(t1, t2, t3, received)
	return &Reflection{
		Sequence: packet.SenderSequence, Offset: e.Offset(), Bound: e.Bound(),
		RoundTrip: e.Delay(), Held: e.Held(),
	}
}
