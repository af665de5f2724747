// Package human writes figures as people read them: counts with separators, and
// bytes, times and rates with three digits and a unit; and lines no wider than they look.
package human

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Count writes n with separators: 100,000.
func Count(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// Bytes writes a number of bytes with three digits and a power of 1000:
// 999 B, 1.00 kB, 12.3 MB.
func Bytes(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10) + " B"
	}
	return Scaled(float64(n), []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"})
}

// Micros writes microseconds with three digits: 12.3 us, 1.20 ms, 3.40 s.
func Micros(us float64) string {
	if us < 0 {
		return "-" + Micros(-us)
	}
	if us < 1 {
		return strconv.FormatFloat(us, 'f', 2, 64) + " us"
	}
	return Scaled(us, []string{"us", "ms", "s"})
}

// Scaled writes v in the unit, each 1000 times the one before, that leaves it at
// three digits.
func Scaled(v float64, units []string) string {
	i := 0
	for v >= 999.5 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	decimals := 0
	switch {
	case v < 9.995:
		decimals = 2
	case v < 99.95:
		decimals = 1
	}
	return strconv.FormatFloat(v, 'f', decimals, 64) + " " + units[i]
}

// Duration writes how long something took or has lasted, with the precision
// that a person wants: 1.2s, 3m05s, 2h10m, 3d4h.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Duration(-max(d, -math.MaxInt64)) // the least has no opposite
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d.Round(100*time.Millisecond) < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	case d < time.Hour:
		d = d.Round(time.Second)
		return pair(d, time.Minute, "m", time.Second, "s")
	case d < 24*time.Hour:
		return pair(d, time.Hour, "h", time.Minute, "m")
	}
	return pair(d, 24*time.Hour, "d", time.Hour, "h")
}

func pair(d, great time.Duration, greatUnit string, small time.Duration, smallUnit string) string {
	rest := strconv.Itoa(int(d % great / small))
	if len(rest) < 2 {
		rest = "0" + rest
	}
	return strconv.Itoa(int(d/great)) + greatUnit + rest + smallUnit
}

// Rate writes a number per second, with decimals where they matter.
func Rate(perSecond float64) string {
	if perSecond < 10 {
		return fmt.Sprintf("%.3g", perSecond)
	}
	return Count(uint64(perSecond + 0.5))
}

// Bits writes a rate in bit/s as networks count, in thousands: 941 Mbit/s, 9.41 Gbit/s.
func Bits(perSecond float64) string {
	units := []string{"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"}
	for len(units) > 1 && perSecond >= 999.5 {
		perSecond, units = perSecond/1000, units[1:]
	}
	return fmt.Sprintf("%.3g %s", perSecond, units[0])
}

// Percent writes a share with as many digits as matter.
func Percent(share float64) string {
	if share < 0.00995 {
		return fmt.Sprintf("%.1f%%", share*100)
	}
	return fmt.Sprintf("%.0f%%", min(share*100, 9999))
}

// Counted writes n and what it counts: 1 peer, 2 peers.
func Counted(n uint64, what string) string {
	if n != 1 {
		what += "s"
	}
	return Count(n) + " " + what
}

// Wrap cuts text into lines of at most so many columns, between words, of which a longer
// one has a line of its own.
func Wrap(text string, columns int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}
