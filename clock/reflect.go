package clock

import (
	"time"
)

// Reflection is what a Session-Reflector knows of a test packet that it answers.
type Reflection struct {
	Received time.Time     // T2
	Sent     time.Time     // T3; may be written later, see SentOffset
	Bound    time.Duration // by how much both may be off, see NewErrorEstimate
	// Synchronized says that the clock is synchronised to UTC by an external source.
	Synchronized bool
	TTL          uint8 // TTL or hop limit with which the packet arrived; 0: unknown
	// Sequence, if not nil, makes the reflector stateful (RFC 8762, section 4): its own
	// count of the session's packets. Otherwise the sender's number is copied.
	Sequence *uint32
	// Previous is written into a Follow-Up Telemetry TLV; zero: unknown.
	Previous FollowUp
}

// AppendReflection appends the answer to a Session-Sender's packet to dst. It has
// exactly the packet's length, whatever the packet holds, so that a reflector
// cannot be used for amplification:
//
//   - 44 octets and more: the base packet, then the sender's TLVs. Extra Padding is copied,
//     Follow-Up Telemetry gets r.Previous, all others get the U flag: this package does not know
//     them. A TLV that the packet's end cuts, or of the wrong length, gets the M flag (RFC 8972,
//     section 4). What is no TLV, such as a TWAMP sender's padding of zeros, is copied.
//   - fewer: the same answer, cut. RFC 8762, section 4.6, would answer with 44 octets. A
//     TWAMP-Light sender that pads its 14 octets to 41, as RFC 5357 (section 4.2.1) advises for
//     symmetry, gets every field; one that sends 14 gets T3, its sequence number and the error estimate.
//
// T2 and T3 have the format of the sender's T1. The error is ErrShortPacket for
// fewer than 14 octets.
func AppendReflection(dst, packet []byte, r Reflection) ([]byte, error) {
	sender, err := ParseSender(packet)
	if err != nil {
		return dst, err
	}
	format := sender.Estimate.Format()
	answer := ReflectorPacket{
		Sequence:         sender.Sequence,
		Timestamp:        format.Encode(r.Sent),
		Estimate:         NewErrorEstimate(r.Bound, r.Synchronized, format),
		SSID:             sender.SSID,
		ReceiveTimestamp: format.Encode(r.Received),
		SenderSequence:   sender.Sequence,
		SenderTimestamp:  sender.Timestamp,
		SenderEstimate:   sender.Estimate,
		SenderTTL:        r.TTL,
	}
	if r.Sequence != nil {
		answer.Sequence = *r.Sequence
	}
	dst = answer.Append(dst, min(len(packet), TestPacketLen))
	if len(packet) > TestPacketLen {
		start := len(dst)
		dst = append(dst, packet[TestPacketLen:]...)
		answerTLVs(dst[start:], &r.Previous, format)
	}
	return dst, nil
}
