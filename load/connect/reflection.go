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
	Stamps        clock.Source  // of our two stamps
}

// String returns one line without its end.
func (r *Reflection) String() string {
	return fmt.Sprintf("packet %d: offset %+.1f ± %.1f us, round trip %.1f us, held %.1f us (%s stamps)",
		r.Sequence, clock.Microseconds(r.Offset), clock.Microseconds(r.Bound), clock.Microseconds(r.RoundTrip), clock.Microseconds(r.Held), r.Stamps)
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
		RoundTripUS: clock.Microseconds(r.RoundTrip), HeldUS: clock.Microseconds(r.Held), StampSource: r.Stamps.String(),
	}
}

// parseReflector reads an answer that arrived at received. It returns nil for what
// is no reflection, such as an echo, which has no stamps of its own.
func parseReflector(b []byte, received time.Time) *clock.ReflectorPacket {
	packet, err := clock.ParseReflector(b)
	if err != nil {
		return nil
	}
	if _, _, _, ok := packet.Times(received); !ok {
		return nil
	}
	return &packet
}

// newReflection says what a packet tells that left and came at these times; of one whose
// leaving nobody has noted, the packet has it.
func newReflection(packet *clock.ReflectorPacket, left, came clock.Stamp) *Reflection {
	t1, t2, t3, _ := packet.Times(came.Time)
	e := clock.UserExchange(t1, t2, t3, came.Time)
	if !left.Time.IsZero() {
		e.T1, e.T4 = left, came
	}
	return &Reflection{
		Sequence: packet.SenderSequence, Offset: e.Offset(), Bound: e.Bound(),
		RoundTrip: e.Delay(), Held: e.Held(), Stamps: e.Source(),
	}
}
