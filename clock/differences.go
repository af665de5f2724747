package clock

import (
	"slices"
	"time"
)

// DifferenceWindow is over how many of the latest differences the quantiles of
// a summary are taken.
const DifferenceWindow = 128

// Differences sums up a stream of clock differences in bounded memory, about 1 KB:
// the least and the last of all, quantiles of the latest. The zero value is empty.
type Differences struct {
	count     uint64
	min, last time.Duration
	latest    [DifferenceWindow]time.Duration // of number n at n%DifferenceWindow
}

// Add takes the next difference.
func (d *Differences) Add(difference time.Duration) {
	if d.count == 0 || difference < d.min {
		d.min = difference
	}
	d.last = difference
	d.latest[d.count%DifferenceWindow] = difference
	d.count++
}

// DifferenceSummary describes differences; of none it is zero. Quantiles are
// nearest-rank: always one of the differences.
type DifferenceSummary struct {
	Count       uint64 // of all
	Min, Last   time.Duration
	Median, P99 time.Duration // of the latest Window
	Window      int           // at most DifferenceWindow
}

// Summary sorts what it describes: d should be a copy where others wait for it.
func (d *Differences) Summary() DifferenceSummary {
	s := DifferenceSummary{Count: d.count, Min: d.min, Last: d.last, Window: int(min(d.count, DifferenceWindow))}
	if s.Window == 0 {
		return s
	}
	sorted := d.latest
	slices.Sort(sorted[:s.Window])
	s.Median = sorted[nearestRank(50, s.Window)]
	s.P99 = sorted[nearestRank(99, s.Window)]
	return s
}

// nearestRank returns the index of a percentile among n sorted values, n > 0.
func nearestRank(percent, n int) int { return max((percent*n+99)/100, 1) - 1 }
