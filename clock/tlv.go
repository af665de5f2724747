package clock

import (
	"encoding/binary"
	"time"
)

// TLVs of RFC 8972, section 4: flags, type, two octets of length, value.
const (
	tlvHeaderLen    = 4
	tlvReserved     = 0
	tlvExtraPadding = 1
	tlvFollowUp     = 7

	tlvUnrecognized = 1 << 7
	tlvMalformed    = 1 << 6

	// followUpLen is the length of Follow-Up Telemetry's value (RFC 8972, section 4.7).
	followUpLen = 16
)

// A FollowUp is what a reflector tells of the packet before: when it really left, which
// it could not know when it wrote T3 (RFC 8972, section 4.7).
//
//	0   Sequence Number
//	4   Follow-up Timestamp
//	12  Timestamping method, 3 octets of zeros
type FollowUp struct {
	Sequence uint32 // the reflector's, of the packet that Sent is about
	Sent     Stamp  // T3; its time is zero where it is unknown
}

// Timestamping methods (RFC 8972, table 5).
const (
	methodHardware = 1
	methodSoftware = 2
)

// FollowUpPacketLen is the length of a test packet with a Follow-Up Telemetry TLV.
const FollowUpPacketLen = TestPacketLen + tlvHeaderLen + followUpLen

// AppendFollowUp appends an empty Follow-Up Telemetry TLV to a Session-Sender's packet,
// for the reflector to fill in. It bears the U flag, as all of a sender's do.
func AppendFollowUp(packet []byte) []byte {
	packet = append(packet, tlvUnrecognized, tlvFollowUp, 0, followUpLen)
	return appendPadded(packet, nil, followUpLen)
}

// WantsFollowUp reports whether a Session-Sender's packet asks for Follow-Up Telemetry.
func WantsFollowUp(packet []byte) bool {
	_, ok := findFollowUp(packet)
	return ok
}

// ParseFollowUp returns the Follow-Up Telemetry of a reflector's packet, whose
// timestamps have format f; false if there is none, or none that the reflector filled in.
func ParseFollowUp(packet []byte, f Format, pivot time.Time) (FollowUp, bool) {
	tlv, ok := findFollowUp(packet)
	if !ok || tlv[0]&(tlvUnrecognized|tlvMalformed) != 0 {
		return FollowUp{}, false
	}
	value := tlv[tlvHeaderLen:]
	sent, ok := f.Decode(binary.BigEndian.Uint64(value[4:]), pivot)
	if !ok {
		return FollowUp{}, false
	}
	source := User
	switch value[12] {
	case methodHardware:
		source = Hardware
	case methodSoftware:
		source = Kernel
	}
	return FollowUp{Sequence: binary.BigEndian.Uint32(value), Sent: Stamp{Time: sent, Source: source}}, true
}

// findFollowUp returns the first whole Follow-Up Telemetry TLV of a packet.
func findFollowUp(packet []byte) (tlv []byte, ok bool) {
	if len(packet) < FollowUpPacketLen {
		return nil, false
	}
	for b := packet[TestPacketLen:]; ; {
		tlv, rest, ok := nextTLV(b)
		if !ok {
			return nil, false
		}
		if tlv[1] == tlvFollowUp {
			return tlv, len(tlv) == tlvHeaderLen+followUpLen
		}
		b = rest
	}
}

// nextTLV splits the first TLV off b. It reports false at the end, for a TLV that the
// end cuts, and for type 0, which is reserved: padding of zeros begins with it.
func nextTLV(b []byte) (tlv, rest []byte, ok bool) {
	if len(b) < tlvHeaderLen || b[1] == tlvReserved {
		return nil, nil, false
	}
	end := tlvHeaderLen + int(binary.BigEndian.Uint16(b[2:]))
	if end > len(b) {
		return nil, nil, false
	}
	return b[:end], b[end:], true
}

// answerTLVs makes the answer to a sender's TLVs of their copies, in their place. The I
// flag and the reserved ones are cleared too: no HMAC is verified.
func answerTLVs(b []byte, previous *FollowUp, f Format) {
	for {
		tlv, rest, ok := nextTLV(b)
		if !ok {
			break
		}
		switch tlv[1] {
		case tlvExtraPadding:
			tlv[0] = 0
		case tlvFollowUp:
			answerFollowUp(tlv, previous, f)
		default:
			tlv[0] = tlvUnrecognized
		}
		b = rest
	}
	if len(b) >= tlvHeaderLen && b[1] != tlvReserved { // cut
		b[0] = tlvMalformed
		if b[1] != tlvExtraPadding && b[1] != tlvFollowUp {
			b[0] |= tlvUnrecognized
		}
	}
}

func answerFollowUp(tlv []byte, previous *FollowUp, f Format) {
	value := tlv[tlvHeaderLen:]
	if len(value) != followUpLen {
		tlv[0] = tlvMalformed
		return
	}
	tlv[0] = 0
	clear(value)
	if previous.Sent.Time.IsZero() {
		return
	}
	binary.BigEndian.PutUint32(value, previous.Sequence)
	binary.BigEndian.PutUint64(value[4:], f.Encode(previous.Sent.Time))
	switch previous.Sent.Source {
	case Hardware:
		value[12] = methodHardware
	case Kernel:
		value[12] = methodSoftware
	}
}
