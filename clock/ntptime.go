package clock

import (
	"math"
	"math/bits"
	"time"
)

// Format is how a test packet or an NTP packet writes a moment in 64 bits, the
// upper 32 of which are whole seconds in both.
type Format uint8

const (
	// NTP is RFC 5905's timestamp format (section 6): seconds since 1900 and
	// fractions of 2^-32 s, about 0.23 ns. Seconds wrap every 136 years, the next
	// time on 2036-02-07T06:28:16Z.
	NTP Format = iota
	// PTP is the truncated timestamp format of IEEE 1588 (RFC 8877, section 4.3):
	// seconds since 1970 and nanoseconds. Seconds wrap on 2106-02-07.
	//
	// The standard counts TAI. This package counts UTC, as a host does that has
	// only CLOCK_REALTIME: a peer that does count TAI is seen 37 seconds ahead.
	PTP
)

func (f Format) String() string {
	if f == PTP {
		return "ptp"
	}
	return "ntp"
}

// secondsFrom1900 is the Unix epoch as NTP counts it (RFC 5905, figure 4).
const secondsFrom1900 = 2208988800

// eraSeconds is the number of seconds after which 32 bits wrap.
const eraSeconds = 1 << 32

// Encode writes t, dropping the era and what is finer than the format. A
// moment keeps its nanosecond through Encode and Decode.
func (f Format) Encode(t time.Time) uint64 {
	if f == PTP {
		return uint64(uint32(t.Unix()))<<32 | uint64(t.Nanosecond())
	}
	// Rounding to the nearest fraction is what makes the way back exact. It
	// cannot carry into the seconds: the last nanosecond is four fractions from them.
	fraction := (uint64(t.Nanosecond())<<32 + 5e8) / 1e9
	return uint64(uint32(t.Unix()+secondsFrom1900))<<32 | fraction
}

// Decode returns the moment nearest to pivot that the timestamp can mean, in
// UTC: the era is the pivot's, or its neighbour, so that a moment less than 68
// years from the pivot is read right. It reports false for 0, which says that the
// time is unknown (RFC 5905, section 6), and for a PTP timestamp with a billion nanoseconds or more.
func (f Format) Decode(timestamp uint64, pivot time.Time) (t time.Time, ok bool) {
	seconds, low := int64(timestamp>>32), timestamp&(1<<32-1)
	if timestamp == 0 || f == PTP && low >= 1e9 {
		return time.Time{}, false
	}
	if f == PTP {
		return time.Unix(nearestEra(seconds, pivot.Unix()), int64(low)).UTC(), true
	}
	nanoseconds := (low*1e9 + 1<<31) >> 32 // up to 1e9, which time.Unix carries
	return time.Unix(nearestEra(seconds-secondsFrom1900, pivot.Unix()), int64(nanoseconds)).UTC(), true
}

// nearestEra moves seconds by whole eras to within half an era of pivot.
func nearestEra(seconds, pivot int64) int64 {
	return pivot + int64(int32(uint32(seconds-pivot)))
}

// ErrorEstimate is the 16-bit field of RFC 4656, section 4.1.2, with RFC 8186's Z bit:
// how far a test packet's timestamps may be off, and in which format they are.
//
//	|S|Z|   Scale   |   Multiplier  |
type ErrorEstimate uint16

// NewErrorEstimate says that timestamps of format f are within bound of UTC, if
// synchronized, else of the clock that they were read from. The bound is rounded up to
// what the field can say: from 2^-32 s to far beyond any time.Duration.
func NewErrorEstimate(bound time.Duration, synchronized bool, f Format) ErrorEstimate {
	units := math.Ceil(max(bound, 1).Seconds() * (1 << 32))
	_, exponent := math.Frexp(units)
	scale := max(exponent-8, 0)
	multiplier := math.Ceil(math.Ldexp(units, -scale))
	if multiplier > 255 {
		multiplier, scale = multiplier/2, scale+1
	}
	e := ErrorEstimate(scale<<8) | ErrorEstimate(multiplier)
	if synchronized {
		e |= 1 << 15
	}
	if f == PTP {
		e |= 1 << 14
	}
	return e
}

// Synchronized reports the S bit: the clock is synchronised to UTC by an external source.
func (e ErrorEstimate) Synchronized() bool { return e>>15 != 0 }

// Format reports the Z bit.
func (e ErrorEstimate) Format() Format { return Format(e >> 14 & 1) }

// Valid reports whether the multiplier is not 0: a packet in which it is must be
// taken for corrupt (RFC 4656, section 4.1.2).
func (e ErrorEstimate) Valid() bool { return e&0xff != 0 }

// Bound returns multiplier * 2^-32 * 2^scale seconds, at most the longest Duration.
func (e ErrorEstimate) Bound() time.Duration {
	const longest = time.Duration(1<<63 - 1)
	hi, lo := bits.Mul64(uint64(e&0xff), 1e9)
	scale := int(e >> 8 & 0x3f)
	if shift := 32 - scale; shift >= 0 {
		return time.Duration(lo >> shift)
	}
	if hi != 0 || bits.Len64(lo)+scale-32 > 63 {
		return longest
	}
	return time.Duration(lo << (scale - 32))
}
