package latency

import (
	"math"
	"slices"
	"time"

	"wirelab/clock"
)

// Quantiles sum up durations in microseconds. P999 is the 99.9th percentile.
type Quantiles struct {
	Samples uint64  `json:"-"` // durations
	Min     float64 `json:"min"`
	Mean    float64 `json:"mean"`
	P50     float64 `json:"p50"`
	P90     float64 `json:"p90"`
	P95     float64 `json:"p95,omitempty"`
	P99     float64 `json:"p99"`
	P999    float64 `json:"p999"`
	Max     float64 `json:"max"`

	Chosen []Percentile `json:"percentiles,omitempty"` // those that were asked for
}

// A Percentile is what that many of a hundred durations do not exceed, in microseconds.
type Percentile struct {
	Percent float64 `json:"percent"`
	US      float64 `json:"us"`
}

// beyond is how many samples beyond a percentile make it one that a like run would show.
const beyond = 10

// SamplesFor returns how many samples it takes to tell a percentile, from 0 to less than 100.
func SamplesFor(percent float64) uint64 {
	return uint64(math.Round(beyond / (1 - percent/100)))
}

// Quantiles returns nil when nothing was added.
func (d *Distribution) Quantiles(percents ...float64) *Quantiles {
	if d.Count() == 0 {
		return nil
	}
	q := newQuantiles(uint64(d.Count()), d.least, float64(d.Mean()), d.Quantile, d.greatest)
	for _, p := range percents {
		q.Chosen = append(q.Chosen, Percentile{p, clock.Microseconds(d.Quantile(p / 100))})
	}
	return q
}

// Quantiles returns the sum of one duration at least.
func (d *Signed) Quantiles() *Quantiles {
	return newQuantiles(uint64(d.Count()), d.Min(), d.Mean(), d.Quantile, d.Max())
}

func newQuantiles(samples uint64, least time.Duration, mean float64, quantile func(float64) time.Duration, greatest time.Duration) *Quantiles {
	return &Quantiles{
		Samples: samples,
		Min:     clock.Microseconds(least),
		Mean:    clock.Microseconds(time.Duration(mean)),
		P50:     clock.Microseconds(quantile(0.50)),
		P90:     clock.Microseconds(quantile(0.90)),
		P95:     clock.Microseconds(quantile(0.95)),
		P99:     clock.Microseconds(quantile(0.99)),
		P999:    clock.Microseconds(quantile(0.999)),
		Max:     clock.Microseconds(greatest),
	}
}

// A Doubt is a percentile that rests on too few samples, and how many it takes.
type Doubt struct {
	Percent float64 `json:"percent"`
	Needs   uint64  `json:"needs_samples"`
}

// Doubts returns the percentiles of q that rest on too few samples, in their order.
func (q *Quantiles) Doubts() []Doubt {
	percents := []float64{50, 90, 95, 99, 99.9}
	for _, p := range q.Chosen {
		percents = append(percents, p.Percent)
	}
	slices.Sort(percents)
	var doubts []Doubt
	for _, p := range slices.Compact(percents) {
		if needs := SamplesFor(p); q.Samples < needs {
			doubts = append(doubts, Doubt{p, needs})
		}
	}
	return doubts
}
