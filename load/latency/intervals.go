package latency

import (
	"math"
	"math/bits"
	"time"
)

// The lengths of intervals are powers of two of finestInterval, so that two loops,
// of which one was faster to take longer ones, still have their bounds in common. They
// do not grow at 5 or 10 s or minutes, which runs are often told to take: two like runs
// are to have like intervals, however late the last answer comes.
const (
	finestInterval = time.Second / 64
	fewIntervals   = 21  // a run of 10 finest ones or longer has at least 10
	manyIntervals  = 630 // so many are kept of a second and longer
)

// An Interval is what was measured in a part of a run. All intervals of a run are
// equally long.
type Interval struct {
	RatePerS  float64    `json:"rate_per_s"`           // answers; of a flood, messages sent
	LatencyUS *Quantiles `json:"latency_us,omitempty"` // nil without answers

	ResponseUS *Quantiles `json:"response_us,omitempty"` // of an open loop, instead
}

// Intervals records what one loop measured, interval by interval. Its loop alone
// touches it until the run has ended.
//
// How long a run will take is not known. So intervals begin short, and as the run
// goes on two become one: they are a second long from 10.5 s on, 2 s from 630 s on, and
// twice as long whenever the run has doubled after that. A run of any length has
// enough of them for a statistic, and what they need is bounded. That depends on
// the time alone, so all loops of a run come to the same bounds.
type Intervals struct {
	origin time.Duration // when the first began
	length time.Duration
	end    time.Duration // of the current one
	number int           // of the current one
	done   []intervalCounts

	messages        uint64 // of the current one
	least, greatest time.Duration
	sum             float64 // of its latencies, in nanoseconds
	counts          [latencyBuckets]uint32
}

// intervalCounts are those of an interval that is over.
type intervalCounts struct {
	number          int // it began number times the length after the origin
	messages        uint64
	least, greatest time.Duration
	sum             float64
	latencies       []bucketCount // in the order of their buckets
}

type bucketCount struct{ bucket, count uint32 }

// Begin says when the measurement began.
func (s *Intervals) Begin(at time.Duration) {
	s.origin, s.length = at, finestInterval
	s.clear(0)
}

func (s *Intervals) clear(number int) {
	s.number, s.end = number, s.origin+time.Duration(number+1)*s.length
	s.messages, s.least, s.greatest, s.sum = 0, math.MaxInt64, 0, 0
}

// Answer records an answer that came at a time, not earlier than the one before.
func (s *Intervals) Answer(at, latency time.Duration) {
	latency = max(latency, 0)
	s.Add(at, 1)
	s.counts[bucketOf(latency)]++
	s.least, s.greatest = min(s.least, latency), max(s.greatest, latency)
	s.sum += float64(latency)
}

// Add records messages of which no answer is awaited.
func (s *Intervals) Add(at time.Duration, messages uint64) {
	if at >= s.end {
		s.close()
		s.lengthen(lengthAfter(at - s.origin))
		s.clear(int((at - s.origin) / s.length))
	}
	s.messages += messages
}

// close ends the current interval.
func (s *Intervals) close() {
	if s.messages == 0 {
		return
	}
	c := intervalCounts{number: s.number, messages: s.messages, least: s.least, greatest: s.greatest, sum: s.sum}
	if s.greatest >= s.least {
		for i := bucketOf(s.least); i <= bucketOf(s.greatest); i++ {
			if n := s.counts[i]; n > 0 {
				c.latencies = append(c.latencies, bucketCount{uint32(i), n})
				s.counts[i] = 0
			}
		}
	}
	s.done = append(s.done, c)
	s.messages = 0
}

// lengthAfter returns how long intervals are when the run has taken so long.
func lengthAfter(elapsed time.Duration) time.Duration {
	length := finestInterval
	for ; ; length *= 2 {
		most := fewIntervals
		if length >= time.Second {
			most = manyIntervals
		}
		if elapsed < time.Duration(most)*length || length > math.MaxInt64/(4*manyIntervals) {
			return length
		}
	}
}

// lengthen makes intervals that are over as long as is said.
func (s *Intervals) lengthen(length time.Duration) {
	if length <= s.length {
		return
	}
	factor := int(length / s.length)
	s.length = length
	longer := s.done[:0]
	for _, c := range s.done {
		c.number /= factor
		if last := len(longer) - 1; last >= 0 && longer[last].number == c.number {
			longer[last].merge(c)
		} else {
			longer = append(longer, c)
		}
	}
	clear(s.done[len(longer):])
	s.done = longer
}

// merge adds what other counted in the same interval.
func (c *intervalCounts) merge(other intervalCounts) {
	c.messages += other.messages
	c.least, c.greatest = min(c.least, other.least), max(c.greatest, other.greatest)
	c.sum += other.sum
	a, b := c.latencies, other.latencies
	merged := make([]bucketCount, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].bucket < b[0].bucket:
			merged, a = append(merged, a[0]), a[1:]
		case a[0].bucket > b[0].bucket:
			merged, b = append(merged, b[0]), b[1:]
		default:
			merged = append(merged, bucketCount{a[0].bucket, a[0].count + b[0].count})
			a, b = a[1:], b[1:]
		}
	}
	c.latencies = append(append(merged, a...), b...)
}

// MergeIntervals returns the intervals of all loops together that lie as a whole
// within the run, which took elapsed, and how long each is. The loops have ended.
func MergeIntervals(loops []*Intervals, elapsed time.Duration) (length time.Duration, _ []Interval) {
	for _, s := range loops {
		length = max(length, s.length)
	}
	if length == 0 {
		return 0, nil // nothing was ever sent
	}
	length = max(length, lengthAfter(elapsed)) // longer if no answer came at last
	sums := make([]intervalCounts, elapsed/length)
	for i := range sums {
		sums[i].least = math.MaxInt64
	}
	for _, s := range loops {
		s.close()
		s.lengthen(length)
		for _, c := range s.done {
			if c.number < len(sums) {
				sums[c.number].merge(c)
			}
		}
	}
	merged := make([]Interval, len(sums))
	for i := range sums {
		merged[i] = sums[i].interval(length)
	}
	return length, merged
}

func (c *intervalCounts) interval(length time.Duration) Interval {
	v := Interval{RatePerS: float64(c.messages) / length.Seconds()}
	var answers uint64
	for _, b := range c.latencies {
		answers += uint64(b.count)
	}
	if answers > 0 {
		quantile := func(q float64) time.Duration { return c.quantile(q * float64(answers)) }
		v.LatencyUS = newQuantiles(answers, c.least, c.sum/float64(answers), quantile, c.greatest)
	}
	return v
}

// quantile returns the latency that so many answers did not exceed, as if those of
// one bucket were evenly spread over it.
func (c *intervalCounts) quantile(rank float64) time.Duration {
	for _, b := range c.latencies {
		if rank <= float64(b.count) {
			low, width := boundsOf(int(b.bucket))
			v := float64(low) + float64(width)*rank/float64(b.count)
			return min(max(time.Duration(v), c.least), c.greatest)
		}
		rank -= float64(b.count)
	}
	return c.greatest
}

// Latencies are counted in buckets of a nanosecond up to 256 ns, and of less than
// a hundredth of their value above.
const (
	bucketBits     = 7
	latencyBuckets = 35<<bucketBits + 1<<(bucketBits+1) // the last begin beyond Max
)

// bucketOf returns the bucket of a latency, which is not negative.
func bucketOf(latency time.Duration) int {
	shift := max(bits.Len64(uint64(latency))-bucketBits-1, 0)
	return min(shift<<bucketBits+int(latency>>shift), latencyBuckets-1)
}

// boundsOf returns the least latency of a bucket, and how many there are.
func boundsOf(bucket int) (low, width time.Duration) {
	shift := max(bucket>>bucketBits-1, 0)
	return time.Duration(bucket-shift<<bucketBits) << shift, 1 << shift
}
