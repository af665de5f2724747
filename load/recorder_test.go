package load

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wirelab/clock"
)

// The quantile of a signedDistribution is that of the sorted values, to three digits.
func TestSignedDistributionAgreesWithSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(-1e12, 1e12), 1, 200).Draw(t, "values")
		one, other := newSignedDistribution(), newSignedDistribution()
		for i, v := range values {
			if i%2 == 0 {
				one.add(time.Duration(v))
			} else {
				other.add(time.Duration(v))
			}
		}
		one.merge(&other)
		slices.Sort(values)
		if one.min() != time.Duration(values[0]) || one.max() != time.Duration(values[len(values)-1]) {
			t.Fatalf("from %v to %v, want %d to %d", one.min(), one.max(), values[0], values[len(values)-1])
		}
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		got := float64(one.quantile(q))
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
	d := newDistribution(time.Second)
	for _, v := range []time.Duration{0, time.Nanosecond, time.Hour} {
		d.add(v)
	}
	if d.count() != 3 || d.quantile(0) != 0 || d.quantile(1) > time.Second+time.Millisecond || d.greatest != time.Hour {
		t.Errorf("count %d, quantiles %v to %v, greatest %v", d.count(), d.quantile(0), d.quantile(1), d.greatest)
	}
	empty := newDistribution(time.Second)
	if empty.quantiles() != nil {
		t.Error("quantiles of nothing")
	}
	d.merge(&empty)
	if d.count() != 3 || d.least != 0 {
		t.Errorf("after merging nothing: count %d, least %v", d.count(), d.least)
	}
}

func TestRecordersMerge(t *testing.T) {
	a, b := newRecorder(true), newRecorder(true)
	a.fail("connection reset")
	b.fail("connection reset")
	b.fail("no answer in time")
	b.connect(time.Millisecond, true)
	b.answer(2 * time.Millisecond)
	exchange := clock.UserExchange(testTime, testTime.Add(5), testTime.Add(6), testTime.Add(3))
	b.exchanges.add(&exchange)
	a.merge(b)
	if a.failures != 3 || a.errors["connection reset"] != 2 || a.errors["no answer in time"] != 1 {
		t.Errorf("errors %v, %d", a.errors, a.failures)
	}
	if a.connected != 1 || a.received != 1 || a.latencies.least != 2*time.Millisecond || a.exchanges.bestDelay != 2 {
		t.Errorf("%+v", a)
	}
}

func BenchmarkRecordAnswer(b *testing.B) {
	r := newRecorder(false)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.answer(time.Duration(i & 0xfffff))
	}
}
