package load

import (
	"math"
	"time"

	"wirelab/clock"
)

// exchangeRecorder holds what STAMP exchanges say about the two clocks.
type exchangeRecorder struct {
	offset, forward, backward signedDistribution
	bestDelay, bestOffset     time.Duration // of the exchange that took least
}

func newExchangeRecorder() *exchangeRecorder {
	return &exchangeRecorder{
		offset:    newSignedDistribution(),
		forward:   newSignedDistribution(),
		backward:  newSignedDistribution(),
		bestDelay: math.MaxInt64,
	}
}

func (r *exchangeRecorder) add(e *clock.Exchange) {
	offset := e.Offset()
	r.offset.add(offset)
	r.forward.add(e.Forward())
	r.backward.add(e.Backward())
	if delay := max(e.Delay(), 0); delay < r.bestDelay {
		r.bestDelay, r.bestOffset = delay, offset
	}
}

func (r *exchangeRecorder) merge(other *exchangeRecorder) {
	r.offset.merge(&other.offset)
	r.forward.merge(&other.forward)
	r.backward.merge(&other.backward)
	if other.bestDelay < r.bestDelay {
		r.bestDelay, r.bestOffset = other.bestDelay, other.bestOffset
	}
}

// maxDifference bounds differences of clocks: 36 years.
const maxDifference = time.Duration(1 << 60)

// A signedDistribution is a distribution of durations of either sign.
type signedDistribution struct{ negative, positive distribution }

func newSignedDistribution() signedDistribution {
	return signedDistribution{newDistribution(maxDifference), newDistribution(maxDifference)}
}

func (d *signedDistribution) add(v time.Duration) {
	if v < 0 {
		d.negative.add(-max(v, -maxDifference))
	} else {
		d.positive.add(v)
	}
}

func (d *signedDistribution) merge(other *signedDistribution) {
	d.negative.merge(&other.negative)
	d.positive.merge(&other.positive)
}

func (d *signedDistribution) count() int64 { return d.negative.count() + d.positive.count() }

func (d *signedDistribution) mean() float64 {
	return (d.positive.sum - d.negative.sum) / float64(d.count())
}

// quantile returns the value that a share of q, from 0 to 1, does not exceed.
func (d *signedDistribution) quantile(q float64) time.Duration {
	below, all := float64(d.negative.count()), float64(d.count())
	if rank := q * all; rank < below || d.positive.count() == 0 {
		return -d.negative.quantile(1 - rank/below)
	}
	return d.positive.quantile((q*all - below) / (all - below))
}

func (d *signedDistribution) min() time.Duration {
	if d.negative.count() > 0 {
		return -d.negative.greatest
	}
	return d.positive.least
}

func (d *signedDistribution) max() time.Duration {
	if d.positive.count() > 0 {
		return d.positive.greatest
	}
	return -d.negative.least
}
