package latency

import (
	"time"

	"wirelab/clock"
)

// A Bucket says how many durations were at least FromUS and less than ToUS microseconds.
type Bucket struct {
	FromUS float64 `json:"from_us"`
	ToUS   float64 `json:"to_us"`
	Count  uint64  `json:"count"`
}

// fineDecades is up to how many decades are divided in ten, those of more in three.
const fineDecades = 2

// Histogram returns the durations in buckets that people can read: their bounds divide each
// decade in ten or in three, by the same factor as nearly as round numbers go, to the digits
// that are known of them. There are
// none without durations, and else no empty ones at the ends.
func (d *Distribution) Histogram() []Bucket {
	if d.Count() == 0 {
		return nil
	}
	steps := []int64{1000, 1250, 1600, 2000, 2500, 3150, 4000, 5000, 6300, 8000}
	if float64(d.greatest) > float64(max(d.least, 1))*decades(fineDecades) {
		steps = []int64{1000, 2000, 5000}
	}
	var buckets []Bucket
	bars, left := d.histogram.Distribution(), d.Count() // those not yet in buckets
	for decade := int64(1); ; decade *= 10 {
		for i, step := range steps {
			next := 10 * steps[0]
			if i+1 < len(steps) {
				next = steps[i+1]
			}
			from, to := step*decade/1000, next*decade/1000
			if time.Duration(to) <= d.least || from == to {
				continue
			}
			count := int64(0)
			for ; len(bars) > 0 && bars[0].From < to; bars = bars[1:] {
				count += bars[0].Count
			}
			buckets = append(buckets, Bucket{clock.Microseconds(time.Duration(from)), clock.Microseconds(time.Duration(to)), uint64(count)})
			if left -= count; left == 0 {
				return buckets
			}
		}
	}
}

func decades(n int) float64 {
	factor := 1.0
	for range n {
		factor *= 10
	}
	return factor
}
