package packet

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// twoDigits are the numbers below 100.
const twoDigits = "00010203040506070809" + "10111213141516171819" + "20212223242526272829" + "30313233343536373839" + "40414243444546474849" +
	"50515253545556575859" + "60616263646566676869" + "70717273747576777879" + "80818283848586878889" + "90919293949596979899"

// appendNumber is strconv.AppendUint for lines by the million: digits are written where
// they stay.
func appendNumber(dst []byte, n uint64) []byte {
	if n < 10 {
		return append(dst, byte('0'+n))
	}
	dst = slices.Grow(dst, 20)
	at := len(dst) + decimalDigits(n)
	dst = dst[:at]
	for ; n >= 100; n /= 100 {
		at -= 2
		dst[at], dst[at+1] = twoDigits[n%100*2], twoDigits[n%100*2+1]
	}
	dst[at-1] = twoDigits[n*2+1]
	if n >= 10 {
		dst[at-2] = twoDigits[n*2]
	}
	return dst
}

// decimalDigits returns how many digits n has: log2(n) * log10(2), rounded down, and
// another if it is not less than that power of ten.
func decimalDigits(n uint64) int {
	digits := bits.Len64(n) * 1233 >> 12
	if n >= powersOf10[digits] {
		digits++
	}
	return digits
}

var powersOf10 = [...]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

// appendAddress appends the text of the address at b, of 4 or 16 bytes, the latter as RFC
// 5952 has it.
func appendAddress(dst, b []byte) []byte {
	if len(b) == 4 {
		return appendIPv4(dst, b)
	}
	high, low := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	if high == 0 && low>>32 == 0xffff {
		return appendIPv4(append(dst, "::ffff:"...), b[12:])
	}
	from, to := longestZeros(b)
	for i := 0; i < 16; i += 2 {
		if i == from {
			dst = append(dst, "::"...)
			if i = to; i == 16 {
				break
			}
		} else if i > 0 {
			dst = append(dst, ':')
		}
		dst = appendGroup(dst, word(b, i))
	}
	return dst
}

// longestZeros returns where the first of the longest runs of two or more zero groups
// begins and ends.
func longestZeros(b []byte) (from, to int) {
	from, to = -1, 1
	for i := 0; i < 16; i += 2 {
		start := i
		for i < 16 && word(b, i) == 0 {
			i += 2
		}
		if i-start > max(to-from, 2) {
			from, to = start, i
		}
	}
	return from, to
}

// appendGroup appends a number in hexadecimal, without zeros in front.
func appendGroup(dst []byte, v uint16) []byte {
	const digits = "0123456789abcdef"
	if v >= 0x1000 {
		dst = append(dst, digits[v>>12])
	}
	if v >= 0x100 {
		dst = append(dst, digits[v>>8&15])
	}
	if v >= 0x10 {
		dst = append(dst, digits[v>>4&15])
	}
	return append(dst, digits[v&15])
}

func appendIPv4(dst, b []byte) []byte {
	dst = append(appendOctet(dst, b[0]), '.')
	dst = append(appendOctet(dst, b[1]), '.')
	dst = append(appendOctet(dst, b[2]), '.')
	return appendOctet(dst, b[3])
}

func appendOctet(dst []byte, v byte) []byte {
	switch {
	case v >= 100:
		return append(dst, '0'+v/100, '0'+v/10%10, '0'+v%10)
	case v >= 10:
		return append(dst, '0'+v/10, '0'+v%10)
	}
	return append(dst, '0'+v)
}
