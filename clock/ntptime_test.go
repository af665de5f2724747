package clock

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFormatEncode(t *testing.T) {
	at := func(s string) time.Time {
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			panic(err)
		}
		return t
	}
	for _, tc := range []struct {
		format Format
		time   time.Time
		want   uint64
	}{
		// RFC 5905, figure 4, gives these days.
		{NTP, at("1900-01-01T00:00:01Z"), 1 << 32},
		{NTP, at("1970-01-01T00:00:00Z"), 2208988800 << 32},
		{NTP, at("1999-12-31T00:00:00Z"), 3155587200 << 32},
		{NTP, at("1999-12-31T00:00:00.5Z"), 3155587200<<32 | 1<<31},
		{NTP, at("2036-02-07T06:28:15Z"), 0xffffffff << 32},
		{NTP, at("2036-02-08T00:00:00Z"), 63104 << 32},
		{NTP, at("2026-11-22T10:03:04.999999999Z"), 0xeead3c58_fffffffc},
		{PTP, at("1970-01-01T00:00:01.000000007Z"), 1<<32 | 7},
		{PTP, at("2026-11-22T10:03:04.999999999Z"), 0x6b02bdd8_3b9ac9ff},
	} {
		got := tc.format.Encode(tc.time)
		back, ok := tc.format.Decode(tc.want, tc.time.Add(time.Hour))
		if got != tc.want || !ok || !back.Equal(tc.time) {
			t.Errorf("%v of %v is %#x, want %#x; back %v, %v", tc.format, tc.time, got, tc.want, back, ok)
		}
	}
}

func TestFormatDecodeUnknown(t *testing.T) {
	now := time.Unix(1795341784, 0)
	for _, tc := range []struct {
		format    Format
		timestamp uint64
	}{{NTP, 0}, {PTP, 0}, {PTP, 5<<32 | 1000000000}, {PTP, 5<<32 | 0xffffffff}} {
		if got, ok := tc.format.Decode(tc.timestamp, now); ok {
			t.Errorf("%v %#x means %v, want it unknown", tc.format, tc.timestamp, got)
		}
	}
}

func TestFormatKeepsNanosecondsInEveryEra(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		format := rapid.SampledFrom([]Format{NTP, PTP}).Draw(t, "format")
		want := time.Unix(rapid.Int64Range(-1<<34, 1<<34).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanoseconds"))
		// Half an era less a second, since fractions of the pivot do not count.
		pivot := want.Add(time.Duration(rapid.Int64Range(-(eraSeconds/2-1), eraSeconds/2-1).Draw(t, "away")) * time.Second)
		got, ok := format.Decode(format.Encode(want), pivot)
		if unknown := format.Encode(want) == 0; ok == unknown || ok && !got.Equal(want) {
			t.Fatalf("%v read as %v, %v", want, got, ok)
		}
	})
}

func TestErrorEstimate(t *testing.T) {
	for _, tc := range []struct {
		field        ErrorEstimate
		synchronized bool
		format       Format
		valid        bool
		bound        time.Duration
	}{
		{0x0001, false, NTP, true, 0},
		{0x8001, true, NTP, true, 0},
		{0x4001, false, PTP, true, 0},
		{0x8000, true, NTP, false, 0},
		{0x2001, false, NTP, true, time.Second},
		{0x1f01, false, NTP, true, time.Second / 2},
		{0x16ff, false, NTP, true, 249023437 * time.Nanosecond},
		{0xbfff, true, NTP, true, 1<<63 - 1},
	} {
		e := tc.field
		if e.Synchronized() != tc.synchronized || e.Format() != tc.format || e.Valid() != tc.valid || e.Bound() != tc.bound {
			t.Errorf("%#04x: synchronized %v, format %v, valid %v, bound %v; want %+v",
				uint16(e), e.Synchronized(), e.Format(), e.Valid(), e.Bound(), tc)
		}
	}
}

func TestErrorEstimateCoversItsBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bound := time.Duration(rapid.Int64().Draw(t, "bound") >> rapid.IntRange(0, 62).Draw(t, "shift"))
		synchronized := rapid.Bool().Draw(t, "synchronized")
		format := rapid.SampledFrom([]Format{NTP, PTP}).Draw(t, "format")
		e := NewErrorEstimate(bound, synchronized, format)
		if !e.Valid() || e.Synchronized() != synchronized || e.Format() != format {
			t.Fatalf("%v became %#04x", bound, uint16(e))
		}
		// Never less than asked for (but for what a float64 cannot hold and the cut
		// nanosecond of the way back), and at most one part in 128 more.
		least, most := float64(bound)*(1-1e-15)-1, float64(max(bound, 1))*(1+1./128)+1
		if got := float64(e.Bound()); got < least || got > most {
			t.Fatalf("%v became %v", bound, got)
		}
	})
}
