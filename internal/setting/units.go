package setting

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Day is as long as a day of 24 hours.
const day = 24 * time.Hour

type unit struct {
	name   string
	factor int64
}

// sizeUnits returns the units of sizes, the greatest first. KB is what people
// write for kB.
func sizeUnits() []unit {
	return []unit{
		{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"KB", 1e3}, {"kB", 1e3}, {"B", 1},
	}
}

// ParseSize reads a number of bytes such as "16384", "16KiB" or "10MB". KB,
// MB and GB are powers of 1000; KiB, MiB and GiB powers of 1024 (IEC 80000-13).
func ParseSize(s string) (int64, error) {
	digits, factor := s, int64(1)
	for _, u := range sizeUnits() {
		if before, ok := strings.CutSuffix(s, u.name); ok {
			digits, factor = before, u.factor
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && (n < 0 || n > math.MaxInt64/factor):
		return 0, errors.New("is out of range")
	case err != nil:
		return 0, errors.New("is not a size")
	}
	return n * factor, nil
}

// ParseCount reads a whole number such as "10000", "100k" or "1.5M"; k, M and G are
// powers of 1000.
func ParseCount(s string) (uint64, error) {
	v, err := parseDecimal(s)
	switch {
	case err != nil:
		return 0, err
	case v != math.Trunc(v):
		return 0, errors.New("is not a whole number")
	case v >= 1<<63:
		return 0, errors.New("is out of range")
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return n, nil // which a float64 would round
	}
	return uint64(v), nil
}

// ParseRate reads how often in a second: "0.5", "20000", "2e4", "50k", "50k/s".
func ParseRate(s string) (float64, error) {
	s = strings.TrimSuffix(s, "/s")
	if mantissa, exponent, ok := strings.Cut(s, "e"); ok && mantissa != "" && strings.Trim(mantissa+exponent, "0123456789.") == "" {
		if v, err := strconv.ParseFloat(s, 64); err == nil {
			return v, nil
		}
	}
	return parseDecimal(s)
}

// parseDecimal reads digits with at most one point, and a power of 1000.
func parseDecimal(s string) (float64, error) {
	digits, factor := s, 1.0
	for _, u := range []unit{{"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}} {
		if before, ok := strings.CutSuffix(s, u.name); ok {
			digits, factor = before, float64(u.factor)
			break
		}
	}
	if digits == "" || strings.Trim(digits, "0123456789.") != "" {
		if number, ok := strings.CutPrefix(digits, "-"); ok && number != "" && strings.Trim(number, "0123456789.") == "" {
			return 0, errors.New("is negative")
		}
		return 0, errors.New("is not a number")
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return 0, errors.New("is not a number")
	}
	return v * factor, nil
}

// FormatSize writes a number of bytes in the greatest unit that divides it.
// ParseSize reads it back.
func FormatSize(n int64) string {
	for _, u := range sizeUnits() {
		if n != 0 && n%u.factor == 0 && u.factor > 1 {
			return strconv.FormatInt(n/u.factor, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// ParseDuration reads what time.ParseDuration does, and days in front of it:
// "7d", "1d12h".
func ParseDuration(s string) (time.Duration, error) {
	days, rest, found := strings.Cut(s, "d")
	if !found {
		days, rest = "0", s
	} else if rest == "" {
		rest = "0"
	}
	n, err := strconv.ParseInt(days, 10, 64)
	if err != nil || n < 0 || n > int64(math.MaxInt64/day) {
		return 0, errors.New("is not a duration")
	}
	d, err := time.ParseDuration(rest)
	switch {
	case err != nil && strings.Contains(err.Error(), "missing unit"):
		return 0, errors.New("is a duration without unit")
	case err != nil:
		return 0, errors.New("is not a duration")
	case found && d < 0 || d > math.MaxInt64-time.Duration(n)*day:
		return 0, errors.New("is out of range")
	}
	return time.Duration(n)*day + d, nil
}

// FormatDuration writes d shortly: "30d", "1h30m", "500ms". ParseDuration
// reads it back.
func FormatDuration(d time.Duration) string {
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
