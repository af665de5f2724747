package latency

import "time"

// maxDifference bounds differences of clocks: 36 years.
const maxDifference = time.Duration(1 << 60)

// A Signed is a distribution of durations of either sign.
type Signed struct{ negative, positive Distribution }

// NewSigned returns an empty one.
func NewSigned() Signed {
	return Signed{NewDistribution(maxDifference), NewDistribution(maxDifference)}
}

// Add adds a duration.
func (d *Signed) Add(v time.Duration) {
	if v < 0 {
		d.negative.Add(-max(v, -maxDifference))
	} else {
		d.positive.Add(v)
	}
}

// Merge adds what other has.
func (d *Signed) Merge(other *Signed) {
	d.negative.Merge(&other.negative)
	d.positive.Merge(&other.positive)
}

// Count returns how many durations were added.
func (d *Signed) Count() int64 { return d.negative.Count() + d.positive.Count() }

// Mean returns their mean in nanoseconds, of one at least.
func (d *Signed) Mean() float64 {
	return (d.positive.sum - d.negative.sum) / float64(d.Count())
}

// Quantile returns the value that a share of q, from 0 to 1, does not exceed.
func (d *Signed) Quantile(q float64) time.Duration {
	below, all := float64(d.negative.Count()), float64(d.Count())
	if rank := q * all; rank < below || d.positive.Count() == 0 {
		return -d.negative.Quantile(1 - rank/below)
	}
	return d.positive.Quantile((q*all - below) / (all - below))
}

// Min returns the least of them.
func (d *Signed) Min() time.Duration {
	if d.negative.Count() > 0 {
		return -d.negative.greatest
	}
	return d.positive.least
}

// Max returns the greatest of them.
func (d *Signed) Max() time.Duration {
	if d.positive.Count() > 0 {
		return d.positive.greatest
	}
	return -d.negative.least
}
