package setting

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "16384": 16384, "1B": 1, "16KiB": 16384, "10MB": 10_000_000, "1kB": 1000, "1KB": 1000, "3GiB": 3 << 30, "2GB": 2_000_000_000,
		"": -1, "B": -1, "KB": -1, "-1": -1, "1.5MB": -1, "10XB": -1, "1e3": -1, "10 MB": -1, "9223372036854775808": -1, "9223372036854775807KB": -1,
	} {
		n, err := ParseSize(s)
		if (err != nil) != (want < 0) || err == nil && n != want {
			t.Errorf("ParseSize(%q) = %d, %v", s, n, err)
		}
	}
}

func TestSizesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1<<62).Draw(t, "n")
		if got, err := ParseSize(FormatSize(n)); err != nil || got != n {
			t.Fatalf("%d is written %s and read %d, %v", n, FormatSize(n), got, err)
		}
	})
}

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "5s": 5 * time.Second, "1h30m": 90 * time.Minute, "7d": 7 * day, "1d12h": 36 * time.Hour, "1.5s": 1500 * time.Millisecond,
		"": -1, "5": -1, "d": -1, "5x": -1, "1d-1h": -1, "1.5d": -1, "9999999999d": -1, "106751d100h": -1, "300000000h": -1,
	} {
		d, err := ParseDuration(s)
		if (err != nil) != (want < 0) || err == nil && d != want {
			t.Errorf("ParseDuration(%q) = %v, %v", s, d, err)
		}
	}
}

func TestDurationsReadBack(t *testing.T) {
	units := rapid.SampledFrom([]time.Duration{1, time.Microsecond, time.Millisecond, time.Second, time.Minute, time.Hour, day})
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, 10_000).Draw(t, "n")) * units.Draw(t, "unit")
		if got, err := ParseDuration(FormatDuration(d)); err != nil || got != d {
			t.Fatalf("%v is written %s and read %v, %v", d, FormatDuration(d), got, err)
		}
	})
}

func TestParseCountAndRate(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "10000": 10000, "100k": 100_000, "1.5M": 1_500_000, "2G": 2e9, "9007199254740993": 9007199254740993} {
		if n, err := ParseCount(text); err != nil || n != want {
			t.Errorf("%s: %d, %v", text, n, err)
		}
	}
	for text, want := range map[string]string{
		"": "is not a number", "k": "is not a number", "x": "is not a number", "1e9": "is not a number", "1,5": "is not a number", "0x10": "is not a number",
		"1.2.3": "is not a number", "-": "is not a number", "NaN": "is not a number", "-1": "is negative", "1.5": "is not a whole number", "99999999999999999999": "is out of range",
	} {
		if n, err := ParseCount(text); err == nil || err.Error() != want {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	}
	for text, want := range map[string]float64{"0.5": 0.5, "2e4": 20_000, "1.5e3/s": 1500, "50k": 50_000, "50k/s": 50_000, "1/s": 1} {
		if n, err := ParseRate(text); err != nil || n != want {
			t.Errorf("%s: %v, %v", text, n, err)
		}
	}
}
