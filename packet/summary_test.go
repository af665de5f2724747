package packet

import (
	"net/netip"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// Numbers and addresses look as the standard library writes them.
func TestNumbers(t *testing.T) {
	check := func(n uint64) {
		if got, want := string(appendNumber([]byte("x"), n)), "x"+strconv.FormatUint(n, 10); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
	for n, last := uint64(1), uint64(0); n > last; n, last = n*10, n {
		check(n - 1)
		check(n)
		check(n + 1)
	}
	check(1<<64 - 1)
	rapid.Check(t, func(t *rapid.T) { check(rapid.Uint64().Draw(t, "n")) })
}

func TestAddresses(t *testing.T) {
	octet := rapid.OneOf(rapid.Just(byte(0)), rapid.Just(byte(0)), rapid.Byte(), rapid.Just(byte(0xff)))
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.SampledFrom([]int{4, 16}).Draw(t, "length")
		b := rapid.SliceOfN(octet, length, length).Draw(t, "b")
		a, _ := netip.AddrFromSlice(b)
		if got, want := string(appendAddress(nil, b)), a.String(); got != want {
			t.Fatalf("%x: %s, want %s", b, got, want)
		}
	})
	mapped := netip.MustParseAddr("::ffff:192.0.2.1")
	if got := string(appendAddress(nil, mapped.AsSlice())); got != mapped.String() {
		t.Errorf("%s, want %v", got, mapped)
	}
}
