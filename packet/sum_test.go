package packet

import (
	"testing"

	"pgregory.net/rapid"
)

// plainSum is the sum of RFC 1071, word by word.
func plainSum(b []byte) uint16 {
	var s uint32
	for i, octet := range b {
		s += uint32(octet) << (8 * (1 - i%2))
		s = s>>16 + s&0xffff
	}
	return uint16(s>>16 + s&0xffff)
}

func TestSum(t *testing.T) {
	octet := rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{0, 0xff}))
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(octet, 0, 200).Draw(t, "b")
		if got, want := sum(b), plainSum(b); got != want {
			t.Fatalf("%04x, want %04x", got, want)
		}
	})
}

func TestBits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "b")
		bit, n := rapid.IntRange(0, 30).Draw(t, "bit"), rapid.IntRange(1, 128).Draw(t, "n")
		v := wide{rapid.Uint64().Draw(t, "hi"), rapid.Uint64().Draw(t, "lo")}.cut(n)
		before := append([]byte{}, b...)
		putBits(b, bit, n, v)
		if got := getBits(b, bit, n); got != v {
			t.Fatalf("%x, want %x", got, v)
		}
		putBits(b, bit, n, getBits(before, bit, n))
		if string(b) != string(before) {
			t.Fatalf("bits around were changed: %x, not %x", b, before)
		}
	})
}
