// Package latency measures how long things take: distributions of durations, what sums
// them up, and the same for each interval of a run.
package latency

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Max is the longest latency that is told from longer ones.
const Max = time.Hour

// A Distribution is a histogram of durations from 0, to three digits, with the
// exact least, greatest and mean beside it.
type Distribution struct {
	histogram *hdrhistogram.Histogram // in nanoseconds
	limit     time.Duration           // longer ones count as this
	least     time.Duration
	greatest  time.Duration
	sum       float64 // in nanoseconds
}

// NewDistribution returns an empty one, in which what is longer than limit counts as that.
func NewDistribution(limit time.Duration) Distribution { return newDistribution(limit, 3) }

// NewCoarse returns an empty one, to two digits: in an eighth of the memory.
func NewCoarse(limit time.Duration) Distribution { return newDistribution(limit, 2) }

func newDistribution(limit time.Duration, digits int) Distribution {
	return Distribution{
		histogram: hdrhistogram.New(1, int64(limit), digits),
		limit:     limit,
		least:     math.MaxInt64,
		greatest:  math.MinInt64,
	}
}

// Add adds a duration.
func (d *Distribution) Add(v time.Duration) {
	// It can fail only for values out of the range that these two keep it in.
	_ = d.histogram.RecordValue(int64(min(max(v, 0), d.limit)))
	d.least, d.greatest = min(d.least, v), max(d.greatest, v)
	d.sum += float64(v)
}

// Merge adds what other has.
func (d *Distribution) Merge(other *Distribution) {
	d.histogram.Merge(other.histogram)
	d.least, d.greatest = min(d.least, other.least), max(d.greatest, other.greatest)
	d.sum += other.sum
}

// Count returns how many durations were added.
func (d *Distribution) Count() int64 { return d.histogram.TotalCount() }

// Mean returns their mean, of one at least.
func (d *Distribution) Mean() time.Duration { return time.Duration(d.sum / float64(d.Count())) }

// Greatest returns the greatest of them.
func (d *Distribution) Greatest() time.Duration { return d.greatest }

// Quantile returns the value that a share of q, from 0 to 1, does not exceed. It
// lies between the least and the greatest.
func (d *Distribution) Quantile(q float64) time.Duration {
	return min(max(time.Duration(d.histogram.ValueAtQuantile(q*100)), d.least), d.greatest)
}

// Reset takes out all that was added.
func (d *Distribution) Reset() {
	d.histogram.Reset()
	d.least, d.greatest, d.sum = math.MaxInt64, math.MinInt64, 0
}
