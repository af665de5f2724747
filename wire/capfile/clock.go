package capfile

import (
	"math"
	"math/bits"
)

// resolution converts the time stamps of an interface to nanoseconds.
type resolution struct {
	multiply uint64 // nanoseconds in a tick, where a tick is a nanosecond or more
	divide   uint64 // ticks in a nanosecond, where a tick is less
	shift    uint   // a tick is 2^-shift seconds, if binary
	binary   bool
	offset   int64 // seconds to add (if_tsoffset)
}

// newResolution decodes if_tsresol: 10^-n seconds, or 2^-n if the highest bit is set.
func newResolution(tsresol byte, offset int64) resolution {
	n := uint(tsresol & 0x7f)
	if tsresol&0x80 != 0 {
		return resolution{binary: true, shift: n, offset: offset}
	}
	r := resolution{offset: offset}
	switch {
	case n <= 9:
		r.multiply = power10(9 - n)
	case n-9 <= 19:
		r.divide = power10(n - 9)
	}
	return r // finer than 10^-28: every time that 64 bits can hold is below a nanosecond
}

func power10(n uint) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// nanoseconds converts ticks since 1970. It reports false for what does not fit, which
// is after the year 2262.
func (r *resolution) nanoseconds(ticks uint64) (ns int64, ok bool) {
	if r.multiply == 1000 && r.offset == 0 && ticks <= math.MaxInt64/1000 {
		return int64(ticks) * 1000, true // the usual case
	}
	high, low := r.wide(ticks)
	if high != 0 || low > math.MaxInt64 {
		return 0, false
	}
	return shiftSeconds(int64(low), r.offset)
}

func (r *resolution) wide(ticks uint64) (high, low uint64) {
	switch {
	case r.binary && r.shift >= 64:
		high, _ := bits.Mul64(ticks, 1e9)
		return 0, high >> (r.shift - 64)
	case r.binary:
		high, low := bits.Mul64(ticks, 1e9)
		if r.shift == 0 {
			return high, low
		}
		return high >> r.shift, high<<(64-r.shift) | low>>r.shift
	case r.divide != 0:
		return 0, ticks / r.divide
	}
	return bits.Mul64(ticks, r.multiply)
}

// shiftSeconds adds seconds to a time, if an int64 of nanoseconds holds the sum.
func shiftSeconds(ns, seconds int64) (int64, bool) {
	const second, most = 1_000_000_000, math.MaxInt64 / 1_000_000_000
	if seconds > most || seconds < -most || seconds > 0 && ns > math.MaxInt64-seconds*second {
		return 0, false
	}
	return ns + seconds*second, true
}
