package human

import (
	"math"
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
		{Duration(math.MaxInt64), "106751d23h"}, {Duration(math.MinInt64), "-106751d23h"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}
