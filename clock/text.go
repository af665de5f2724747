package clock

import "time"

// Text timestamps lie in these years: a number or date outside is more likely
// something else than a clock.
const (
	minTextYear    = 1970
	maxTextYear    = 2200
	maxTextSeconds = 7289654400 // 2201-01-01T00:00:00Z
)

// ParseTimestamp reads the timestamp that b begins with, in UTC, and returns
// what follows it. It understands
//
//   - seconds since 1970 with a fraction after a dot, as `date +%s.%6N` prints them,
//     followed by anything; without a fraction they must be followed by white space
//     or the end, since a bare number can mean so much else;
//   - RFC 3339 (section 5.6), followed by anything. "T" may be "t" or a space, as the RFC
//     allows, and the fraction may begin with a comma, as `date --iso-8601=ns` prints it.
//
// Seconds have 9 or 10 digits and no leading zero: shorter numbers are counters.
// Digits after the ninth of a fraction are read and dropped. Second 60 is the first
// of the next minute. Dates are between 1970 and 2200.
//
// ParseTimestamp allocates nothing and reads no byte beyond the timestamp but the next.
func ParseTimestamp(b []byte) (t time.Time, rest []byte, ok bool) {
	if len(b) > 4 && b[4] == '-' {
		return parseRFC3339(b)
	}
	return parseEpoch(b)
}

func parseEpoch(b []byte) (t time.Time, rest []byte, ok bool) {
	seconds, n := leadingDigits(b, 11)
	if n < 9 || n > 10 || b[0] == '0' || seconds >= maxTextSeconds {
		return time.Time{}, b, false
	}
	rest = b[n:]
	nanoseconds := int64(0)
	if len(rest) > 0 && rest[0] == '.' {
		var digits int
		nanoseconds, digits = parseFraction(rest[1:])
		rest = rest[1+digits:]
		if digits > 0 {
			return time.Unix(seconds, nanoseconds).UTC(), rest, true
		}
	}
	if len(rest) > 0 && !isSpace(rest[0]) {
		return time.Time{}, b, false
	}
	return time.Unix(seconds, nanoseconds).UTC(), rest, true
}

// dateTimeLen is the length of "2026-11-22T10:03:04".
const dateTimeLen = 19

func parseRFC3339(b []byte) (t time.Time, rest []byte, ok bool) {
	year, month, day, ok1 := parseDate(b)
	hour, minute, second, ok2 := parseTimeOfDay(b)
	if !ok1 || !ok2 {
		return time.Time{}, b, false
	}
	rest = b[dateTimeLen:]
	nanoseconds := int64(0)
	if len(rest) > 0 && (rest[0] == '.' || rest[0] == ',') {
		var digits int
		if nanoseconds, digits = parseFraction(rest[1:]); digits == 0 {
			return time.Time{}, b, false
		}
		rest = rest[1+digits:]
	}
	east, rest, ok := parseZone(rest)
	if !ok {
		return time.Time{}, b, false
	}
	t = time.Date(year, time.Month(month), day, hour, minute, second, int(nanoseconds), time.UTC).Add(-east)
	return t, rest, true
}

func parseDate(b []byte) (year, month, day int, ok bool) {
	if len(b) < dateTimeLen || b[4] != '-' || b[7] != '-' || b[10] != 'T' && b[10] != 't' && b[10] != ' ' {
		return 0, 0, 0, false
	}
	century, ok1 := twoDigits(b[0:], minTextYear/100, maxTextYear/100)
	year, ok2 := twoDigits(b[2:], 0, 99)
	month, ok3 := twoDigits(b[5:], 1, 12)
	day, ok4 := twoDigits(b[8:], 1, 31)
	year += century * 100
	if !ok1 || !ok2 || !ok3 || !ok4 || year < minTextYear || year > maxTextYear {
		return 0, 0, 0, false
	}
	// time.Date turns 30 February into 2 March.
	if time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Day() != day {
		return 0, 0, 0, false
	}
	return year, month, day, true
}

func parseTimeOfDay(b []byte) (hour, minute, second int, ok bool) {
	if len(b) < dateTimeLen || b[13] != ':' || b[16] != ':' {
		return 0, 0, 0, false
	}
	hour, ok1 := twoDigits(b[11:], 0, 23)
	minute, ok2 := twoDigits(b[14:], 0, 59)
	second, ok3 := twoDigits(b[17:], 0, 60)
	return hour, minute, second, ok1 && ok2 && ok3
}

// parseZone reads "Z" or "+hh:mm" and returns by how much that is east of UTC.
func parseZone(b []byte) (east time.Duration, rest []byte, ok bool) {
	if len(b) > 0 && (b[0] == 'Z' || b[0] == 'z') {
		return 0, b[1:], true
	}
	if len(b) < len("+hh:mm") || b[0] != '+' && b[0] != '-' || b[3] != ':' {
		return 0, b, false
	}
	hours, ok1 := twoDigits(b[1:], 0, 23)
	minutes, ok2 := twoDigits(b[4:], 0, 59)
	east = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if b[0] == '-' {
		east = -east
	}
	return east, b[6:], ok1 && ok2
}

// twoDigits reads a number of exactly two digits; b has at least two bytes.
func twoDigits(b []byte, low, high int) (n int, ok bool) {
	if !isDigit(b[0]) || !isDigit(b[1]) {
		return 0, false
	}
	n = int(b[0]-'0')*10 + int(b[1]-'0')
	return n, n >= low && n <= high
}

// leadingDigits returns the number that the first digits of b form and how many
// they are, at most limit, which is at most 18.
func leadingDigits(b []byte, limit int) (value int64, n int) {
	for n < len(b) && n < limit && isDigit(b[n]) {
		value = value*10 + int64(b[n]-'0')
		n++
	}
	return value, n
}

// parseFraction reads the digits after a decimal point as nanoseconds.
func parseFraction(b []byte) (nanoseconds int64, digits int) {
	nanoseconds, digits = leadingDigits(b, 9)
	for range 9 - digits {
		nanoseconds *= 10
	}
	for digits < len(b) && isDigit(b[digits]) {
		digits++
	}
	return nanoseconds, digits
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
