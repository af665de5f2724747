package ntp

import (
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"wirelab/clock"
)

// PacketLen is the length of an NTPv4 header in octets (RFC 5905, figure 8).
const PacketLen = 48

// Port is the port of NTP servers (RFC 5905, section 7.2).
const Port = 123

// ErrShort reports a datagram that ends before the header does.
var ErrShort = errors.New("NTP packet too short")

// Leap is the leap indicator: what happens in the last minute of the month.
type Leap uint8

// Values of the leap indicator (RFC 5905, figure 9).
const (
	NoLeap         Leap = iota
	LeapInsert          // the last minute has 61 seconds
	LeapDelete          // the last minute has 59 seconds
	Unsynchronized      // the clock has never been set, or not for too long
)

func (l Leap) String() string {
	return [...]string{"none", "insert", "delete", "unsynchronised"}[l&3]
}

// Mode is the association mode (RFC 5905, figure 10).
type Mode uint8

// The modes of client and server.
const (
	ClientMode Mode = 3
	ServerMode Mode = 4
)

// Timestamp is NTP's timestamp format, see [clock.NTP]; 0 means unknown.
type Timestamp uint64

// TimestampOf writes t, dropping the era.
func TimestampOf(t time.Time) Timestamp { return Timestamp(clock.NTP.Encode(t)) }

// Time returns the moment nearest to pivot that the timestamp can mean; false if unknown.
func (t Timestamp) Time(pivot time.Time) (time.Time, bool) {
	return clock.NTP.Decode(uint64(t), pivot)
}

// Short is NTP's short format: unsigned seconds with 16 bits of fraction, up to 18 hours.
type Short uint32

// ShortOf writes d, rounded up, so that what bounds an error still does. Negative
// durations become 0.
func ShortOf(d time.Duration) Short {
	units := math.Ceil(max(d, 0).Seconds() * (1 << 16))
	return Short(min(units, math.MaxUint32))
}

// Duration returns s to the nanosecond.
func (s Short) Duration() time.Duration { return time.Duration(uint64(s) * 1e9 >> 16) }

// Packet is an NTPv4 header (RFC 5905, section 7.3).
//
//	0   Leap Indicator 2 bits, Version 3 bits, Mode 3 bits
//	1   Stratum
//	2   Poll, log2 seconds
//	3   Precision, log2 seconds
//	4   Root Delay
//	8   Root Dispersion
//	12  Reference ID
//	16  Reference Timestamp
//	24  Origin Timestamp
//	32  Receive Timestamp
//	40  Transmit Timestamp
//	48  extension fields, message authentication code
type Packet struct {
	Leap           Leap
	Version        uint8
	Mode           Mode
	Stratum        uint8 // 0: unspecified, or a kiss-o'-death; 1: a reference clock; at most 15 if synchronised
	Poll           int8
	Precision      int8
	RootDelay      Short // to the reference clock and back
	RootDispersion Short // by how much the clock may be off, beside half the root delay
	ReferenceID    [4]byte
	Reference      Timestamp // when the clock was last set or corrected
	Origin         Timestamp
	Receive        Timestamp
	Transmit       Timestamp
}

// Append appends the header to dst.
func (p *Packet) Append(dst []byte) []byte {
	var b [PacketLen]byte
	b[0] = byte(p.Leap)<<6 | p.Version&7<<3 | byte(p.Mode)&7
	b[1], b[2], b[3] = p.Stratum, byte(p.Poll), byte(p.Precision)
	binary.BigEndian.PutUint32(b[4:], uint32(p.RootDelay))
	binary.BigEndian.PutUint32(b[8:], uint32(p.RootDispersion))
	copy(b[12:], p.ReferenceID[:])
	binary.BigEndian.PutUint64(b[16:], uint64(p.Reference))
	binary.BigEndian.PutUint64(b[24:], uint64(p.Origin))
	binary.BigEndian.PutUint64(b[32:], uint64(p.Receive))
	binary.BigEndian.PutUint64(b[TransmitOffset:], uint64(p.Transmit))
	return append(dst, b[:]...)
}

// TransmitOffset is where the transmit timestamp is, for those who write it last.
const TransmitOffset = 40

// Parse reads the header that b begins with and returns what follows it. The error is ErrShort.
func Parse(b []byte) (p Packet, rest []byte, err error) {
	if len(b) < PacketLen {
		return Packet{}, nil, fmt.Errorf("%w: %d octets, the header has %d", ErrShort, len(b), PacketLen)
	}
	return Packet{
		Leap: Leap(b[0] >> 6), Version: b[0] >> 3 & 7, Mode: Mode(b[0] & 7),
		Stratum: b[1], Poll: int8(b[2]), Precision: int8(b[3]),
		RootDelay:      Short(binary.BigEndian.Uint32(b[4:])),
		RootDispersion: Short(binary.BigEndian.Uint32(b[8:])),
		ReferenceID:    [4]byte(b[12:]),
		Reference:      Timestamp(binary.BigEndian.Uint64(b[16:])),
		Origin:         Timestamp(binary.BigEndian.Uint64(b[24:])),
		Receive:        Timestamp(binary.BigEndian.Uint64(b[32:])),
		Transmit:       Timestamp(binary.BigEndian.Uint64(b[TransmitOffset:])),
	}, b[PacketLen:], nil
}

// Synchronized reports whether the header claims a clock that is set: leap
// indicator and stratum both say so.
func (p *Packet) Synchronized() bool {
	return p.Leap != Unsynchronized && p.Stratum > 0 && p.Stratum < 16
}

// Kiss returns the code of a kiss-o'-death packet (RFC 5905, section 7.4), such as
// "RATE"; "" if it is none. A server whose clock is not set sends stratum 0
// too, with no code or one of its own that asks for nothing.
func (p *Packet) Kiss() string {
	if p.Stratum != 0 {
		return ""
	}
	code := string(p.ReferenceID[:])
	for _, c := range p.ReferenceID {
		if c < 'A' || c > 'Z' {
			return ""
		}
	}
	return code
}

// precision returns 2^Precision seconds, at least a nanosecond, at most 18 hours.
func (p *Packet) precision() time.Duration {
	seconds := math.Ldexp(1, int(max(min(p.Precision, 16), -32)))
	return max(time.Duration(math.Ceil(seconds*1e9)), 1)
}

// ReferenceID returns by which a host of stratum 2 or more names the server that it follows
// (RFC 5905, section 7.3): its IPv4 address, or the first octets of the MD5 digest of an IPv6 one.
func ReferenceID(server netip.Addr) [4]byte {
	if server = server.Unmap(); server.Is4() {
		return server.As4()
	}
	full := server.As16()
	digest := md5.Sum(full[:])
	return [4]byte(digest[:4])
}

// referenceText returns what the reference ID means at the packet's stratum: the
// name of a reference clock, or the IPv4 address of the server's server (of IPv6 four
// octets of a digest, which look the same).
func (p *Packet) referenceText() string {
	if p.Stratum > 1 && p.Stratum < 16 {
		return netip.AddrFrom4(p.ReferenceID).String()
	}
	name := strings.TrimRight(string(p.ReferenceID[:]), "\x00 ")
	for i := range len(name) {
		if name[i] < ' ' || name[i] > '~' {
			return fmt.Sprintf("%08X", binary.BigEndian.Uint32(p.ReferenceID[:]))
		}
	}
	return name
}
