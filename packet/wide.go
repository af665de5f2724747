package packet

import "math/bits"

// A wide is the value of a field: up to 128 bits, right-aligned.
type wide struct{ hi, lo uint64 }

func (a wide) add(b uint64) wide {
	lo, carry := bits.Add64(a.lo, b, 0)
	return wide{a.hi + carry, lo}
}

func (a wide) sub(b wide) wide {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, borrow)
	return wide{hi, lo}
}

func (a wide) less(b wide) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

// cut keeps the lowest n bits.
func (a wide) cut(n int) wide {
	switch {
	case n >= 128:
		return a
	case n > 64:
		return wide{a.hi & (1<<(n-64) - 1), a.lo}
	case n == 64:
		return wide{0, a.lo}
	}
	return wide{0, a.lo & (1<<n - 1)}
}

// most is the largest value of n bits.
func most(n int) wide { return wide{^uint64(0), ^uint64(0)}.cut(n) }

// getBits reads n bits, at most 128, at a bit offset of b. Bits behind the end are 0.
func getBits(b []byte, bit, n int) wide {
	var v wide
	for n > 0 {
		index, inside := bit/8, bit%8
		take := min(8-inside, n)
		var octet byte
		if index < len(b) {
			octet = b[index]
		}
		octet = octet << inside >> (8 - take)
		v.hi = v.hi<<take | v.lo>>(64-take)
		v.lo = v.lo<<take | uint64(octet)
		bit, n = bit+take, n-take
	}
	return v
}

// putBits writes the lowest n bits of v at a bit offset of b and leaves the bits
// around them. Bits behind the end are dropped.
func putBits(b []byte, bit, n int, v wide) {
	if bit%8 == 0 && n%8 == 0 && bit/8+n/8 <= len(b) {
		putBytes(b[bit/8:bit/8+n/8], v)
		return
	}
	for n > 0 {
		last := bit + n - 1
		index, inside := last/8, last%8
		take := min(inside+1, n)
		if index < len(b) {
			shift := 7 - inside
			mask := byte(1<<take-1) << shift
			b[index] = b[index]&^mask | byte(v.lo)<<shift&mask
		}
		v.lo = v.lo>>take | v.hi<<(64-take)
		v.hi >>= take
		n -= take
	}
}

func putBytes(b []byte, v wide) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte(v.lo)
		v.lo = v.lo>>8 | v.hi<<56
		v.hi >>= 8
	}
}
