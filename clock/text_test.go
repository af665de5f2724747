package clock

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseTimestamp(t *testing.T) {
	moment := func(ns int) time.Time { return time.Date(2026, 11, 22, 10, 3, 4, ns, time.UTC) }
	for _, tc := range []struct {
		text string
		want time.Time
		rest string
	}{
		{"1795341784", moment(0), ""},
		{"1795341784\n", moment(0), "\n"},
		{"1795341784.\n", moment(0), "\n"},
		{"1795341784.5", moment(500000000), ""},
		{"1795341784.123456\n", moment(123456000), "\n"},
		{"1795341784.123456789 hello", moment(123456789), " hello"},
		{"1795341784.123456;hello", moment(123456000), ";hello"},
		{"1795341784.1234567899999999", moment(123456789), ""},
		{"999999999 x", time.Date(2001, 9, 9, 1, 46, 39, 0, time.UTC), " x"},
		{"7289654399", time.Date(2200, 12, 31, 23, 59, 59, 0, time.UTC), ""},
		{"2026-11-22T10:03:04Z", moment(0), ""},
		{"2026-11-22t10:03:04z", moment(0), ""},
		{"2026-11-22T10:03:04.123456Z\n", moment(123456000), "\n"},
		{"2026-11-22T11:03:04.1+01:00 x", moment(100000000), " x"},
		{"2026-11-22 05:33:04,123456789-04:30", moment(123456789), ""},
		{"2026-11-22T10:03:04Zebra", moment(0), "ebra"},
		{"2024-02-29T00:00:00Z", time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), ""},
		{"2016-12-31T23:59:60Z", time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC), ""},
	} {
		got, rest, ok := ParseTimestamp([]byte(tc.text))
		if !ok || !got.Equal(tc.want) || string(rest) != tc.rest {
			t.Errorf("ParseTimestamp(%q) = %v, %q, %v, want %v, %q", tc.text, got, rest, ok, tc.want, tc.rest)
		}
	}
}

func TestParseTimestampRejects(t *testing.T) {
	for _, text := range []string{
		"", "\n", "x", "-", ".", "5", "17953417", "0179534178.5", "12345678901.5", "7289654400", "9999999999.5",
		"1795341784x", "1795341784,5", "1795341784-", "1795341784:00", "123456789:;<=>?@ABC",
		"-1795341784.5", "+1795341784.5", " 1795341784.5",
		"2026-11-22", "2026-11-22T10:03:04", "2026-11-22T10:03:04.Z", "2026-11-22T10:03:04.5", "2026-11-22T10:03:04+01",
		"2026-11-22T10:03:04+0100", "2026-11-22T10:03:04+24:00", "2026-11-22T24:00:00Z", "2026-11-22T10:60:00Z",
		"2026-11-22T10:03:61Z", "2026-13-22T10:03:04Z", "2026-00-22T10:03:04Z", "2026-02-29T10:03:04Z", "2026-11-31T10:03:04Z",
		"1969-12-31T23:59:59Z", "2201-01-01T00:00:00Z", "2026_11-22T10:03:04Z", "2026-11-22_10:03:04Z", "2026-1a-22T10:03:04Z",
	} {
		if got, rest, ok := ParseTimestamp([]byte(text)); ok || string(rest) != text {
			t.Errorf("ParseTimestamp(%q) = %v, %q, %v, want it refused", text, got, rest, ok)
		}
	}
}

func TestParseTimestampReadsWhatIsPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.Int64Range(100000000, maxTextSeconds-1).Draw(t, "seconds")
		want := time.Unix(seconds, rapid.Int64Range(0, 999999999).Draw(t, "nanoseconds")).UTC()
		zone := time.FixedZone("", rapid.IntRange(-23*60, 23*60).Draw(t, "zone")*60)
		rest := rapid.StringMatching(`([^0-9].*)?`).Draw(t, "rest")
		texts := []string{fmt.Sprintf("%d.%09d", want.Unix(), want.Nanosecond())}
		if year := want.In(zone).Year(); year >= minTextYear && year <= maxTextYear {
			texts = append(texts, want.In(zone).Format("2006-01-02T15:04:05.000000000Z07:00"))
		}
		for _, text := range texts {
			got, tail, ok := ParseTimestamp([]byte(text + rest))
			if !ok || !got.Equal(want) || string(tail) != rest {
				t.Fatalf("ParseTimestamp(%q) = %v, %q, %v, want %v, %q", text+rest, got, tail, ok, want, rest)
			}
		}
	})
}

func FuzzParseTimestamp(f *testing.F) {
	for _, seed := range []string{"1795341784.123456\n", "2026-11-22T10:03:04.123456+01:00", "999999999 ", "2026-"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, rest, ok := ParseTimestamp(b)
		if !bytes.HasSuffix(b, rest) || !ok && len(rest) != len(b) {
			t.Errorf("ParseTimestamp(%q) leaves %q", b, rest)
		}
		// A zone can move the first and the last year by up to a day.
		if ok && (got.Before(time.Date(minTextYear-1, 12, 31, 0, 0, 0, 0, time.UTC)) || got.Unix() >= maxTextSeconds+24*3600) {
			t.Errorf("ParseTimestamp(%q) = %v, out of range", b, got)
		}
	})
}

func BenchmarkParseTimestamp(b *testing.B) {
	for _, text := range []string{"1795341784.123456\n", "2026-11-22T10:03:04.123456Z\n"} {
		b.Run(fmt.Sprint(len(text)), func(b *testing.B) {
			line := []byte(text)
			b.ReportAllocs()
			for b.Loop() {
				ParseTimestamp(line)
			}
		})
	}
}
