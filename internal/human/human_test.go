package human

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestUnits(t *testing.T) {
	tests := []struct{ got, want string }{
		{Count(0), "0"}, {Count(999), "999"}, {Count(1000), "1,000"}, {Count(100_000), "100,000"},
		{Count(1<<64 - 1), "18,446,744,073,709,551,615"},
		{Bytes(0), "0 B"}, {Bytes(999), "999 B"}, {Bytes(1000), "1.00 kB"}, {Bytes(12_345_678), "12.3 MB"},
		{Bytes(999_900), "1.00 MB"}, {Bytes(1<<64 - 1), "18.4 EB"},
		{Micros(0), "0.00 us"}, {Micros(0.25), "0.25 us"}, {Micros(12.34), "12.3 us"}, {Micros(999.6), "1.00 ms"},
		{Micros(-1200), "-1.20 ms"}, {Micros(3.4e6), "3.40 s"}, {Micros(1e12), "1000000 s"},
		{Duration(1500 * time.Microsecond), "2ms"}, {Duration(1250 * time.Millisecond), "1.2s"}, {Duration(59*time.Second + 960*time.Millisecond), "1m00s"},
		{Duration(185 * time.Second), "3m05s"}, {Duration(130 * time.Minute), "2h10m"}, {Duration(76 * time.Hour), "3d04h"}, {Duration(-time.Second), "-1.0s"},
		{Micros(0.999), "1.00 us"}, {Micros(1), "1.00 us"}, {Micros(9.99), "9.99 us"}, {Micros(9.995), "10.0 us"}, {Micros(99.9), "99.9 us"}, {Micros(99.95), "100 us"},
		{Micros(999.5), "1.00 ms"}, {Bytes(999_499), "999 kB"}, {Bytes(999_500), "1.00 MB"},
		{Duration(999 * time.Millisecond), "999ms"}, {Duration(time.Second), "1.0s"}, {Duration(59*time.Second + 949*time.Millisecond), "59.9s"},
		{Duration(59*time.Minute + 59*time.Second), "59m59s"}, {Duration(time.Hour), "1h00m"}, {Duration(24*time.Hour - time.Second), "23h59m"}, {Duration(24 * time.Hour), "1d00h"},
		{Rate(0.1234), "0.123"}, {Rate(9.99), "9.99"}, {Rate(10), "10"}, {Rate(10.5), "11"}, {Rate(1234.4), "1,234"},
		{Bits(999.4), "999 bit/s"}, {Bits(999.5), "1 kbit/s"}, {Bits(941.4e6), "941 Mbit/s"}, {Bits(9.41e9), "9.41 Gbit/s"}, {Bits(2e15), "2e+03 Tbit/s"},
		{Percent(0), "0.0%"}, {Percent(0.0099), "1.0%"}, {Percent(0.00995), "1%"}, {Percent(0.5), "50%"}, {Percent(1e6), "9999%"},
		{Counted(0, "peer"), "0 peers"}, {Counted(1, "peer"), "1 peer"}, {Counted(1500, "peer"), "1,500 peers"},
		{string(AppendHexRow(nil, 16, []byte("hello, world ~\x7f\x1f"))), "00000010  68 65 6c 6c 6f 2c 20 77  6f 72 6c 64 20 7e 7f 1f |hello, world ~..|"},
		{string(AppendHexRow(nil, 0, []byte("hi"))), "00000000  68 69                                            |hi|"},
		{Duration(math.MaxInt64), "106751d23h"}, {Duration(math.MinInt64), "-106751d23h"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestWrap(t *testing.T) {
	tests := []struct {
		text    string
		columns int
		want    []string
	}{
		{"", 10, []string{""}},
		{"one two", 7, []string{"one two"}},
		{"one two", 6, []string{"one", "two"}},
		{"  one\n two  ", 7, []string{"one two"}},
		{"zwölf µs …", 10, []string{"zwölf µs …"}},
		{"a unbreakable b", 4, []string{"a", "unbreakable", "b"}},
	}
	for _, tt := range tests {
		if got := Wrap(tt.text, tt.columns); !slices.Equal(got, tt.want) {
			t.Errorf("Wrap(%q, %d) = %q, want %q", tt.text, tt.columns, got, tt.want)
		}
	}
}
