package connect

import (
	"math"
	"time"

	"wirelab/clock"
)

// trips are round trips so far.
type trips struct {
	n              uint64
	min, max       time.Duration
	total, squares float64 // ns, ns²
	stamps         clock.Source
}

func (t *trips) add(d time.Duration, source clock.Source) {
	if t.n == 0 {
		t.min, t.stamps = d, source
	}
	t.n++
	t.min, t.max, t.stamps = min(t.min, d), max(t.max, d), min(t.stamps, source)
	t.total += float64(d)
	t.squares += float64(d) * float64(d)
}

func (t *trips) sum() RoundTrips {
	if t.n == 0 {
		return RoundTrips{}
	}
	mean := t.total / float64(t.n)
	deviation := math.Sqrt(max(t.squares/float64(t.n)-mean*mean, 0))
	return RoundTrips{t.min, time.Duration(mean), t.max, time.Duration(deviation), t.stamps}
}
