package latency

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Every duration is in the bucket that it belongs to, as far as three digits tell.
func TestHistogram(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := NewDistribution(Max)
		values := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Minute)), 1, 100).Draw(t, "values")
		for _, v := range values {
			d.Add(time.Duration(v))
		}
		var counted uint64
		last := 0.0
		for i, b := range d.Histogram() {
			if i > 0 && b.FromUS != last || b.ToUS <= b.FromUS {
				t.Fatalf("bucket %d from %v to %v, after one to %v", i, b.FromUS, b.ToUS, last)
			}
			last, counted = b.ToUS, counted+b.Count
		}
		if counted != uint64(len(values)) {
			t.Fatalf("%d of %d: %+v", counted, len(values), d.Histogram())
		}
	})
	empty := NewDistribution(Max)
	if got := empty.Histogram(); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}

func TestSamplesFor(t *testing.T) {
	for percent, want := range map[float64]uint64{50: 20, 90: 100, 95: 200, 99: 1000, 99.9: 10_000, 99.99: 100_000} {
		if got := SamplesFor(percent); got != want {
			t.Errorf("p%v takes %d, want %d", percent, got, want)
		}
	}
}
