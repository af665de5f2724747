package latency

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The quantile of a Signed is that of the sorted values, to three digits.
func TestSignedDistributionAgreesWithSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(-1e12, 1e12), 1, 200).Draw(t, "values")
		one, other := NewSigned(), NewSigned()
		for i, v := range values {
			if i%2 == 0 {
				one.Add(time.Duration(v))
			} else {
				other.Add(time.Duration(v))
			}
		}
		one.Merge(&other)
		slices.Sort(values)
		if one.Min() != time.Duration(values[0]) || one.Max() != time.Duration(values[len(values)-1]) {
			t.Fatalf("from %v to %v, want %d to %d", one.Min(), one.Max(), values[0], values[len(values)-1])
		}
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		got := float64(one.Quantile(q))
		// Between the neighbours of the rank: which of them is a matter of rounding.
		rank := q * float64(len(values))
		low := float64(values[max(int(rank)-2, 0)])
		high := float64(values[min(int(rank)+1, len(values)-1)])
		slack := 1e-3*max(math.Abs(low), math.Abs(high)) + 1
		if got < low-slack || got > high+slack {
			t.Fatalf("quantile %v is %v, want between %v and %v", q, got, low, high)
		}
	})
}

func TestDistributionBounds(t *testing.T) {
	d := NewDistribution(time.Second)
	for _, v := range []time.Duration{0, time.Nanosecond, time.Hour} {
		d.Add(v)
	}
	if d.Count() != 3 || d.Quantile(0) != 0 || d.Quantile(1) > time.Second+time.Millisecond || d.greatest != time.Hour {
		t.Errorf("count %d, quantiles %v to %v, greatest %v", d.Count(), d.Quantile(0), d.Quantile(1), d.greatest)
	}
	empty := NewDistribution(time.Second)
	if empty.Quantiles() != nil {
		t.Error("quantiles of nothing")
	}
	d.Merge(&empty)
	if d.Count() != 3 || d.least != 0 {
		t.Errorf("after merging nothing: count %d, least %v", d.Count(), d.least)
	}
}
