package payload

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
func (c *Check) Exchange(received time.Time) (clock.Exchange, bool) {
	if c.payload.kind != stampPayload || c.Echoed() {
		return clock.Exchange{}, false
	}
	r, err := clock.ParseReflector(c.packet[:])
	if err != nil {
		return clock.Exchange{}, false
	}
	_, t2, t3, ok := r.Times(received)
	return clock.UserExchange(c.sent, t2, t3, received), ok
}
