package load

import (
	"math"
	"sync"
	"time"

	"wirelab/load/latency"
)

// A Part is what happened in an interval of a run.
type Part struct {
	FromS         float64            `json:"from_s"`
	ToS           float64            `json:"to_s"`
	Sent          uint64             `json:"sent"`
	Received      uint64             `json:"received"`
	BytesSent     uint64             `json:"bytes_sent"`
	BytesReceived uint64             `json:"bytes_received"`
	Errors        uint64             `json:"errors"`
	LatencyUS     *latency.Quantiles `json:"latency_us"` // of an open loop the response times; null without answers
}

// RatePerS returns how many answers came in a second; of a flood, how many messages went.
func (p *Part) RatePerS(flood bool) float64 {
	n := p.Received
	if flood {
		n = p.Sent
	}
	return float64(n) / max(p.ToS-p.FromS, 1e-9)
}

// parts puts together what the loops did in each interval, which ends when all have come
// to its end.
type parts struct {
	every time.Duration

	mu      sync.Mutex
	reached []int   // by loop: the interval that it is in
	open    []*part // from number first on
	first   int
	told    float64 // the end of the last interval that was told, in seconds
}

// A part is what one loop did in an interval, or all.
type part struct {
	counts    Part
	latencies latency.Distribution
}

// A partRecorder is what one loop does in its present interval.
type partRecorder struct {
	number int
	end    time.Duration
	before Part // the loop's counts when it began
	part
}

// beginParts begins the first interval of l.
func (l *loop) beginParts() {
	if l.run.parts != nil {
		l.part.end = l.run.began + l.run.parts.every
		l.part.latencies = latency.NewDistribution(MaxTimeout)
	}
}

// counts returns what l did so far.
func (l *loop) counts() Part {
	r := l.rec
	return Part{Sent: r.sent, Received: r.received, BytesSent: r.bytesSent, BytesReceived: r.bytesReceived, Errors: r.failures}
}

// endPart hands over what l did in its interval, and begins the one that it is in now; when
// the run is over for l, none.
func (l *loop) endPart(over bool) {
	all := l.run.parts
	if all == nil {
		return
	}
	now := l.counts()
	next := int((l.clock - l.run.began) / all.every)
	if over {
		next = math.MaxInt
	}
	l.part.counts = now.minus(&l.part.before)
	all.add(l.index, l.part.number, next, &l.part.part)
	l.part.latencies.Reset()
	l.part.before, l.part.number = now, next
	l.part.end = never
	if !over {
		l.part.end = l.run.began + time.Duration(next+1)*all.every
	}
}

func (p Part) minus(before *Part) Part {
	p.Sent -= before.Sent
	p.Received -= before.Received
	p.BytesSent -= before.BytesSent
	p.BytesReceived -= before.BytesReceived
	p.Errors -= before.Errors
	return p
}

func (p *part) add(other *part) {
	p.counts.Sent += other.counts.Sent
	p.counts.Received += other.counts.Received
	p.counts.BytesSent += other.counts.BytesSent
	p.counts.BytesReceived += other.counts.BytesReceived
	p.counts.Errors += other.counts.Errors
	p.latencies.Merge(&other.latencies)
}

// add takes what a loop did in an interval, after which it is in a later one.
func (a *parts) add(loop, number, next int, did *part) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.open) <= number-a.first {
		a.open = append(a.open, &part{latencies: latency.NewDistribution(MaxTimeout)})
	}
	a.open[number-a.first].add(did)
	a.reached[loop] = next
}

// take returns the next interval that all loops have left, if there is one. The last
// ends when the run does.
func (a *parts) take(elapsed time.Duration) (p Part, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	behind := math.MaxInt
	for _, n := range a.reached {
		behind = min(behind, n)
	}
	if a.first >= behind || behind == math.MaxInt && len(a.open) == 0 {
		return p, false
	}
	if len(a.open) > 0 {
		p = a.open[0].counts
		p.LatencyUS = a.open[0].latencies.Quantiles()
		a.open = a.open[1:]
	}
	a.first++
	p.FromS, p.ToS = a.told, (time.Duration(a.first) * a.every).Seconds()
	if behind == math.MaxInt && len(a.open) == 0 {
		p.ToS = max(elapsed.Seconds(), p.FromS)
	}
	a.told = p.ToS
	return p, true
}

// tellParts tells of the intervals that are over.
func (r *run) tellParts(elapsed time.Duration) {
	if r.parts == nil {
		return
	}
	for p, ok := r.parts.take(elapsed); ok; p, ok = r.parts.take(elapsed) {
		r.cfg.Report(p)
	}
}
