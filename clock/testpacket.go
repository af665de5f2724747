package clock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Lengths of unauthenticated test packets in octets. Either may be longer: what
// follows is TLVs (RFC 8972) or padding.
const (
	// TestPacketLen is the length of STAMP's base packets, both ways (RFC 8762, section 4).
	TestPacketLen = 44
	// ShortSenderLen is the least length of a TWAMP-Light sender's packet (RFC
	// 5357, section 4.1.2). Senders pad it to get as much as they send: see AppendReflection.
	ShortSenderLen = 14
	// ShortReflectorLen is the length of a TWAMP-Light reflector's packet without
	// padding (RFC 5357, section 4.2.1), 27 octets more than the sender's.
	ShortReflectorLen = 41
)

// ErrShortPacket reports a test packet that ends before its last field.
var ErrShortPacket = errors.New("test packet too short")

// SenderPacket is an unauthenticated Session-Sender test packet (RFC 8762,
// section 4.2.1, with the SSID of RFC 8972, section 3).
//
//	0   Sequence Number
//	4   Timestamp
//	12  Error Estimate, SSID
//	16  28 octets of zeros
//	44  TLVs
type SenderPacket struct {
	Sequence  uint32
	Timestamp uint64 // T1 as Estimate.Format says; 0: unknown
	Estimate  ErrorEstimate
	SSID      uint16 // STAMP Session Identifier; 0: none
}

// Append appends the packet with zeros up to size octets, at least ShortSenderLen,
// to dst. A packet of less than 16 octets has no SSID.
func (p SenderPacket) Append(dst []byte, size int) []byte {
	var b [TestPacketLen]byte
	binary.BigEndian.PutUint32(b[0:], p.Sequence)
	binary.BigEndian.PutUint64(b[4:], p.Timestamp)
	binary.BigEndian.PutUint16(b[12:], uint16(p.Estimate))
	binary.BigEndian.PutUint16(b[14:], p.SSID)
	return appendPadded(dst, b[:], max(size, ShortSenderLen))
}

// ParseSender reads the packet that b holds. A packet that ends before the SSID
// has none. The error is ErrShortPacket.
func ParseSender(b []byte) (SenderPacket, error) {
	if len(b) < ShortSenderLen {
		return SenderPacket{}, fmt.Errorf("%w: %d octets of a sender's, which has at least %d", ErrShortPacket, len(b), ShortSenderLen)
	}
	p := SenderPacket{
		Sequence:  binary.BigEndian.Uint32(b[0:]),
		Timestamp: binary.BigEndian.Uint64(b[4:]),
		Estimate:  ErrorEstimate(binary.BigEndian.Uint16(b[12:])),
	}
	if len(b) >= 16 {
		p.SSID = binary.BigEndian.Uint16(b[14:])
	}
	return p, nil
}

// Sent returns T1, which is read in the era nearest to pivot; false if unknown.
func (p SenderPacket) Sent(pivot time.Time) (time.Time, bool) {
	return p.Estimate.Format().Decode(p.Timestamp, pivot)
}

// ReflectorPacket is an unauthenticated Session-Reflector test packet (RFC 8762,
// section 4.3.1, with the SSID of RFC 8972, section 3). TWAMP-Light's is the same,
// without the SSID and the last three octets.
//
//	0   Sequence Number
//	4   Timestamp
//	12  Error Estimate, SSID
//	16  Receive Timestamp
//	24  Session-Sender Sequence Number
//	28  Session-Sender Timestamp
//	36  Session-Sender Error Estimate, 2 octets of zeros
//	40  Session-Sender TTL, 3 octets of zeros
//	44  TLVs
type ReflectorPacket struct {
	Sequence         uint32 // the sender's, if the reflector keeps no state
	Timestamp        uint64 // T3 as Estimate.Format says
	Estimate         ErrorEstimate
	SSID             uint16
	ReceiveTimestamp uint64 // T2 as Estimate.Format says
	SenderSequence   uint32
	SenderTimestamp  uint64 // T1 as SenderEstimate.Format says
	SenderEstimate   ErrorEstimate
	SenderTTL        uint8 // TTL or hop limit with which the sender's packet arrived; 0: unknown
}

// SentOffset is where a reflector's packet has T3, for those who write it last.
const SentOffset = 4

// Append appends the packet to dst, cut or padded with zeros to size octets.
func (p ReflectorPacket) Append(dst []byte, size int) []byte {
	var b [TestPacketLen]byte
	binary.BigEndian.PutUint32(b[0:], p.Sequence)
	binary.BigEndian.PutUint64(b[SentOffset:], p.Timestamp)
	binary.BigEndian.PutUint16(b[12:], uint16(p.Estimate))
	binary.BigEndian.PutUint16(b[14:], p.SSID)
	binary.BigEndian.PutUint64(b[16:], p.ReceiveTimestamp)
	binary.BigEndian.PutUint32(b[24:], p.SenderSequence)
	binary.BigEndian.PutUint64(b[28:], p.SenderTimestamp)
	binary.BigEndian.PutUint16(b[36:], uint16(p.SenderEstimate))
	b[40] = p.SenderTTL
	return appendPadded(dst, b[:], max(size, 0))
}

// ParseReflector reads the packet that b holds, of ShortReflectorLen octets or
// more. The error is ErrShortPacket.
func ParseReflector(b []byte) (ReflectorPacket, error) {
	if len(b) < ShortReflectorLen {
		return ReflectorPacket{}, fmt.Errorf("%w: %d octets of a reflector's, which has at least %d", ErrShortPacket, len(b), ShortReflectorLen)
	}
	return ReflectorPacket{
		Sequence:         binary.BigEndian.Uint32(b[0:]),
		Timestamp:        binary.BigEndian.Uint64(b[SentOffset:]),
		Estimate:         ErrorEstimate(binary.BigEndian.Uint16(b[12:])),
		SSID:             binary.BigEndian.Uint16(b[14:]),
		ReceiveTimestamp: binary.BigEndian.Uint64(b[16:]),
		SenderSequence:   binary.BigEndian.Uint32(b[24:]),
		SenderTimestamp:  binary.BigEndian.Uint64(b[28:]),
		SenderEstimate:   ErrorEstimate(binary.BigEndian.Uint16(b[36:])),
		SenderTTL:        b[40],
	}, nil
}

// Times returns T1, T2 and T3, read in the eras nearest to pivot; false if one is unknown.
func (p ReflectorPacket) Times(pivot time.Time) (t1, t2, t3 time.Time, ok bool) {
	t1, ok1 := p.SenderEstimate.Format().Decode(p.SenderTimestamp, pivot)
	t2, ok2 := p.Estimate.Format().Decode(p.ReceiveTimestamp, pivot)
	t3, ok3 := p.Estimate.Format().Decode(p.Timestamp, pivot)
	return t1, t2, t3, ok1 && ok2 && ok3
}

// appendPadded appends size octets to dst: those of b, then zeros.
func appendPadded(dst, b []byte, size int) []byte {
	dst = append(dst, b[:min(size, len(b))]...)
	for size -= len(b); size > 0; size -= len(zeros) {
		dst = append(dst, zeros[:min(size, len(zeros))]...)
	}
	return dst
}

const zeros = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
