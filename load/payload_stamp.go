package load

import (
	"encoding/binary"
	"time"

	"wirelab/clock"
)

// stampHead is the part of a Session-Sender packet that differs from packet to
// packet: its sequence number and the time of sending.
const stampHead = 4 + 8

func putStamp(m []byte, n uint64, sent time.Time) int {
	binary.BigEndian.PutUint32(m, uint32(n))
	binary.BigEndian.PutUint64(m[4:], clock.NTP.Encode(sent))
	return stampHead
}

// stampPacket returns a packet of size octets whose head is still to be written.
// It makes no claim that this host's clock is synchronised.
func stampPacket(size int) []byte {
	estimate := clock.NewErrorEstimate(time.Second, false, clock.NTP)
	return clock.SenderPacket{Estimate: estimate}.Append(nil, size)
}

// judgeReflection says what is wrong with a complete answer to a stamp message
// that is not the message itself.
func (c *Check) judgeReflection() string {
	r, err := clock.ParseReflector(c.packet[:])
	switch {
	case err != nil:
		return err.Error()
	case r.SenderSequence != uint32(c.n) || r.SenderTimestamp != clock.NTP.Encode(c.sent):
		return "a reflection of another packet"
	case !r.Estimate.Valid():
		return "a reflection with an error estimate of 0"
	}
	return ""
}

// Exchange returns the four stamps of a stamp message whose reflection, complete
// and OK, arrived at received. It reports false for an echo, which has no stamps of
// its own, and for a reflector that did not know the time.
func (c *Check) Exchange(received time.Time) (Exchange, bool) {
	if c.payload.kind != stampPayload || c.Echoed() {
		return Exchange{}, false
	}
	r, err := clock.ParseReflector(c.packet[:])
	if err != nil {
		return Exchange{}, false
	}
	_, t2, t3, ok := r.Times(received)
	return Exchange{T1: c.sent, T2: t2, T3: t3, T4: received}, ok
}

// An Exchange is four stamps of the wall clocks at both ends: the client sent at
// T1, the reflector received at T2 and sent at T3, the client received at T4.
type Exchange struct{ T1, T2, T3, T4 time.Time }

// Forward returns T2 - T1: the one-way delay to the reflector plus the offset.
func (e *Exchange) Forward() time.Duration { return wallSub(e.T2, e.T1) }

// Backward returns T4 - T3: the one-way delay from the reflector less the offset.
func (e *Exchange) Backward() time.Duration { return wallSub(e.T4, e.T3) }

// Offset returns how far the reflector's clock is ahead of the client's if both
// ways took the same time. Whatever they took, it is off by at most Delay/2.
func (e *Exchange) Offset() time.Duration { return e.Forward()/2 - e.Backward()/2 }

// Delay returns how long the packet was under way in both directions together.
func (e *Exchange) Delay() time.Duration { return wallSub(e.T4, e.T1) - wallSub(e.T3, e.T2) }

// wallSub subtracts by the wall clock even where monotonic readings are at hand.
func wallSub(a, b time.Time) time.Duration { return a.Round(0).Sub(b.Round(0)) }
