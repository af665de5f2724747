package clock

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDifferences(t *testing.T) {
	var none Differences
	if got := none.Summary(); got != (DifferenceSummary{}) {
		t.Errorf("of none: %+v", got)
	}
	var d Differences
	d.Add(-5)
	if got, want := d.Summary(), (DifferenceSummary{Count: 1, Min: -5, Last: -5, Median: -5, P99: -5, Window: 1}); got != want {
		t.Errorf("of one: %+v, want %+v", got, want)
	}
	for n := range 200 {
		d.Add(time.Duration(200 - n))
	}
	want := DifferenceSummary{Count: 201, Min: -5, Last: 1, Median: 64, P99: 127, Window: 128}
	if got := d.Summary(); got != want {
		t.Errorf("of many: %+v, want %+v", got, want)
	}
}

func TestDifferencesQuantilesAreOfTheLatest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Int64(), 1, 400).Draw(t, "all")
		var d Differences
		for _, v := range all {
			d.Add(time.Duration(v))
		}
		got := d.Summary()
		latest := slices.Sorted(slices.Values(all[max(0, len(all)-DifferenceWindow):]))
		if got.Window != len(latest) || int64(got.Min) != slices.Min(all) || int64(got.Last) != all[len(all)-1] {
			t.Fatalf("%+v of %v", got, all)
		}
		notAbove := func(v time.Duration) float64 {
			n := 0
			for _, w := range latest {
				if w <= int64(v) {
					n++
				}
			}
			return float64(n) / float64(len(latest))
		}
		if notAbove(got.Median) < 0.5 || notAbove(got.P99) < 0.99 {
			t.Fatalf("%+v of %v", got, latest)
		}
	})
}

func TestJitter(t *testing.T) {
	var j Jitter
	for _, step := range []struct{ transit, want time.Duration }{
		{time.Hour, 0}, // a clock difference alone is no jitter
		{time.Hour + 1600, 100},
		{time.Hour, 193}, // 100 + (1600-100)/16
		{time.Hour, 181}, // 193.75 - 193.75/16
	} {
		j.Add(step.transit)
		if got := j.Value(); got != step.want {
			t.Errorf("after %v: %v, want %v", step.transit, got, step.want)
		}
	}
}

// TestJitterOfExtremes shows that differences of centuries do not wrap.
func TestJitterOfExtremes(t *testing.T) {
	var j Jitter
	for range 100 {
		j.Add(math.MaxInt64)
		j.Add(math.MinInt64)
		if j.Value() < 0 {
			t.Fatalf("jitter %v", j.Value())
		}
	}
}

func BenchmarkDifferences(b *testing.B) {
	b.ReportAllocs()
	var d Differences
	for n := time.Duration(0); b.Loop(); n++ {
		d.Add(n)
	}
}
