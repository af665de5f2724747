package latency

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wirelab/clock"
)

func TestLatencyBuckets(t *testing.T) {
	next := time.Duration(0)
	for bucket := range latencyBuckets {
		low, width := boundsOf(bucket)
		if low != next || width < 1 {
			t.Fatalf("bucket %d begins with %d, and the one before ends with %d", bucket, low, next)
		}
		if bucketOf(low) != bucket || bucketOf(low+width-1) != bucket {
			t.Fatalf("bucket %d: its ends are in %d and %d", bucket, bucketOf(low), bucketOf(low+width-1))
		}
		if low >= 256 && float64(width) > float64(low)/100 {
			t.Fatalf("bucket %d from %d is %d wide", bucket, low, width)
		}
		next = low + width
	}
	if next < Max {
		t.Errorf("the buckets end at %v", next)
	}
	if got := bucketOf(math.MaxInt64); got != latencyBuckets-1 {
		t.Errorf("what is longer than all is in bucket %d", got)
	}
}

// However long a run takes, it has enough intervals for a statistic and not too many,
// and longer ones are made of whole shorter ones.
func TestIntervalsFitTheRun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		elapsed := time.Duration(rapid.Int64Range(0, int64(365*24*time.Hour)).Draw(t, "elapsed"))
		length := lengthAfter(elapsed)
		n := elapsed / length
		if most := time.Duration(manyIntervals); n > most {
			t.Fatalf("%v: %d intervals", elapsed, n)
		}
		if elapsed >= 10*finestInterval && n < fewIntervals/2 {
			t.Fatalf("%v: %d intervals of %v", elapsed, n, length)
		}
		if length > time.Second && n < manyIntervals/2 {
			t.Fatalf("%v: %d intervals of %v", elapsed, n, length)
		}
		if ratio := length / finestInterval; length%finestInterval != 0 || ratio&(ratio-1) != 0 {
			t.Fatalf("%v is no power of two of %v", length, finestInterval)
		}
	})
}

// What people are told of the length: see the help of `wirelab report compare`.
func TestIntervalsAreASecondLongInMostRuns(t *testing.T) {
	for elapsed, want := range map[time.Duration]time.Duration{
		10_499 * time.Millisecond: time.Second / 2, 10_500 * time.Millisecond: time.Second,
		630*time.Second - 1: time.Second, 630 * time.Second: 2 * time.Second,
		1260*time.Second - 1: 2 * time.Second, 1260 * time.Second: 4 * time.Second,
	} {
		if got := lengthAfter(elapsed); got != want {
			t.Errorf("after %v: %v, want %v", elapsed, got, want)
		}
	}
}

// Two runs that were told to take the same time have intervals of the same length,
// although the last answer of one comes a little later than that of the other.
func TestUsualRunsHaveLikeIntervals(t *testing.T) {
	for _, d := range []time.Duration{
		100 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond, 500 * time.Millisecond,
		time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 20 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour, 24 * time.Hour,
	} {
		if from, to := lengthAfter(d-d/25), lengthAfter(d+d/25); from != to {
			t.Errorf("a run of about %v has intervals of %v or %v", d, from, to)
		}
	}
}

// answered is an answer for the tests.
type answered struct{ at, latency time.Duration }

// drawAnswers draws answers of one loop, in the order of their times.
func drawAnswers(t *rapid.T, name string, until time.Duration) []answered {
	answers := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) answered {
		return answered{
			at:      time.Duration(rapid.Int64Range(0, int64(until)).Draw(t, "at")),
			latency: time.Duration(rapid.Int64Range(-5, int64(time.Minute)).Draw(t, "latency")),
		}
	}), 0, 200).Draw(t, name)
	slices.SortFunc(answers, func(a, b answered) int { return int(a.at - b.at) })
	return answers
}

// The intervals of loops that grew on their own are those that one gets by
// dealing out all answers afterwards.
func TestMergedIntervalsAgreeWithDealing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const origin = 3 * time.Second
		elapsed := time.Duration(rapid.Int64Range(1, int64(30*time.Minute)).Draw(t, "elapsed"))
		var loops []*Intervals
		var all []answered
		for _, name := range []string{"one", "other", "third"} {
			s := new(Intervals)
			s.Begin(origin)
			answers := drawAnswers(t, name, elapsed)
			for _, a := range answers {
				s.Answer(origin+a.at, a.latency)
			}
			loops, all = append(loops, s), append(all, answers...)
		}
		length, got := MergeIntervals(loops, elapsed)
		if len(got) != int(elapsed/length) {
			t.Fatalf("%d intervals of %v in %v", len(got), length, elapsed)
		}
		for i, v := range got {
			checkInterval(t, v, i, length, all)
		}
	})
}

func checkInterval(t *rapid.T, v Interval, number int, length time.Duration, all []answered) {
	var latencies []float64
	for _, a := range all {
		if int(a.at/length) == number {
			latencies = append(latencies, clock.Microseconds(max(a.latency, 0)))
		}
	}
	if got, want := v.RatePerS*length.Seconds(), float64(len(latencies)); math.Abs(got-want) > 1e-6 {
		t.Fatalf("interval %d: %v answers, want %v", number, got, want)
	}
	if len(latencies) == 0 {
		if v.LatencyUS != nil {
			t.Fatalf("interval %d: latencies of nothing", number)
		}
		return
	}
	slices.Sort(latencies)
	q := v.LatencyUS
	if q.Min != latencies[0] || q.Max != latencies[len(latencies)-1] {
		t.Fatalf("interval %d: from %v to %v, want %v", number, q.Min, q.Max, latencies)
	}
	for _, p := range []struct{ share, got float64 }{{0.5, q.P50}, {0.9, q.P90}, {0.99, q.P99}, {0.999, q.P999}} {
		rank := p.share * float64(len(latencies))
		low, high := latencies[max(int(rank)-1, 0)], latencies[min(int(rank), len(latencies)-1)]
		if p.got < low*0.99-0.001 || p.got > high*1.01+0.001 {
			t.Fatalf("interval %d: the quantile %v is %v, want %v to %v", number, p.share, p.got, low, high)
		}
	}
}

// An answer in the moment in which one interval ends belongs to the next.
func TestIntervalsEndBeforeTheNextBegins(t *testing.T) {
	s := new(Intervals)
	s.Begin(0)
	s.Answer(0, time.Millisecond)
	s.Answer(finestInterval, 2*time.Millisecond)
	_, got := MergeIntervals([]*Intervals{s}, 2*finestInterval)
	if len(got) != 2 || got[0].LatencyUS == nil || got[1].LatencyUS == nil {
		t.Errorf("%+v", got)
	}
}

func TestIntervalsOfNothing(t *testing.T) {
	if length, got := MergeIntervals([]*Intervals{{}}, time.Hour); length != 0 || got != nil {
		t.Errorf("never begun: %v, %v", length, got)
	}
	s := new(Intervals)
	s.Begin(time.Second)
	if _, got := MergeIntervals([]*Intervals{s}, finestInterval/2); len(got) != 0 {
		t.Errorf("half an interval: %v", got)
	}
}

// A run of a day keeps as much as one of an hour.
func TestIntervalsAreBounded(t *testing.T) {
	s := new(Intervals)
	s.Begin(0)
	for at := time.Duration(0); at < 48*time.Hour; at += time.Second {
		s.Answer(at, time.Duration(at%1000))
	}
	if len(s.done) > manyIntervals {
		t.Errorf("%d intervals", len(s.done))
	}
	for _, c := range s.done {
		if len(c.latencies) > latencyBuckets || cap(c.latencies) > 2*latencyBuckets {
			t.Fatalf("%d latencies, room for %d", len(c.latencies), cap(c.latencies))
		}
	}
}

// A run is divided by its length, also when nothing was answered in most of it.
func TestIntervalsOfASilentServer(t *testing.T) {
	const elapsed = time.Hour
	s := new(Intervals)
	s.Begin(0)
	s.Answer(time.Millisecond, time.Microsecond)
	length, got := MergeIntervals([]*Intervals{s}, elapsed)
	if length != lengthAfter(elapsed) || len(got) != int(elapsed/length) || len(got) > manyIntervals || got[0].RatePerS*length.Seconds() != 1 {
		t.Errorf("%d intervals of %v", len(got), length)
	}
}

func BenchmarkIntervalAnswer(b *testing.B) {
	s := new(Intervals)
	s.Begin(0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Answer(time.Duration(i)*5*time.Microsecond, time.Duration(i&0xfffff))
	}
}
