package load

import (
	"fmt"
	"math"
	"runtime/metrics"
	"time"

	"wirelab/clock"
	"wirelab/internal/sys/process"
)

// A Generator says what the generator itself was like during a run: what is
// measured is its figures too.
type Generator struct {
	CPUShare     float64 `json:"cpu_share"`             // of the busiest loop: processor time, of the time until soon after its last message
	CPUWaitShare float64 `json:"cpu_wait_share"`        // of the loop that waited most for a processor
	Yields       uint64  `json:"yields"`                // times that a loop waited for events
	Preemptions  uint64  `json:"preemptions"`           // times that a loop had to leave its processor to another thread
	GCPauses     uint64  `json:"gc_pauses"`             // in which the Go runtime stopped all loops
	GCPauseMaxUS float64 `json:"gc_pause_max_us"`       // to within a bucket of the runtime's histogram
	GCPauseSumUS float64 `json:"gc_pause_sum_us"`       // likewise
	ClockStepUS  float64 `json:"clock_step_us"`         // by which the system's clock was set during the run
	ClockSteps   int     `json:"clock_steps,omitempty"` // how often
	Redials      uint64  `json:"redials,omitempty"`     // connects begun anew because the first seemed to be dropped

	limits []string
}

// LateSends says how late the generator itself came to send the messages of an open
// loop. Messages that were held back because the server's answers or acknowledgements
// were missing are not counted as late.
type LateSends struct {
	Late     uint64  `json:"late"` // begun more than OverUS after their time
	OverUS   float64 `json:"over_us"`
	Share    float64 `json:"share"` // of all messages that became due
	P50      float64 `json:"p50_us"`
	P99      float64 `json:"p99_us"`
	Max      float64 `json:"max_us"`
	HeldBack uint64  `json:"held_back"` // the connection could not take them at their time
	NotBegun uint64  `json:"not_begun"` // were due, and sending was over before this generator came to them; in Share

	HeldByWindow uint64  `json:"held_by_window"` // of HeldBack: as many as may be outstanding were, and the socket had room
	WindowShare  float64 `json:"window_share"`   // of them, of all messages that became due; from 0 to 1
}

// Limits above which a result says more of the generator than of the server.
const (
	maxLateShare  = 0.01
	maxWindow     = 0.01 // of the messages, held back by it
	maxCPUShare   = 0.95
	maxGCShare    = 0.01
	maxGCPause    = 5 * time.Millisecond
	judgeAfter    = 100 * time.Millisecond // shorter runs say nothing of shares
	clockStepOver = 20 * time.Millisecond  // in a ProgressInterval; slewing makes microseconds
)

// A monitor notes what happens to the process and to the clock during a run, from
// when its clients are connected on.
type monitor struct {
	origin  time.Time
	clock   clockMonitor
	pauses  []uint64 // of the garbage collector, by bucket, before the run
	gcCount uint64
	gcMax   time.Duration
	gcTotal time.Duration
}

func (w *monitor) begin(now time.Time) {
	w.origin = now
	w.pauses = append([]uint64(nil), gcPauses().Counts...)
}

// look compares the clocks; it is to be called several times a second.
func (w *monitor) look(now time.Time) {
	w.clock.look(now.Sub(w.origin), wallSub(now, w.origin))
}

func (w *monitor) end(now time.Time) {
	w.look(now)
	h := gcPauses()
	for i, n := range h.Counts {
		if n -= w.pauses[i]; n == 0 {
			continue
		}
		low, high := max(h.Buckets[i], 0), h.Buckets[i+1]
		if math.IsInf(high, 1) {
			high = low
		}
		w.gcCount += n
		w.gcMax = time.Duration(high * float64(time.Second))
		w.gcTotal += time.Duration(float64(n) * (low + high) / 2 * float64(time.Second))
	}
}

// gcPauses reads how long the garbage collector has stopped the process, how often.
func gcPauses() *metrics.Float64Histogram {
	sample := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return &metrics.Float64Histogram{}
	}
	return sample[0].Value.Float64Histogram()
}

// A clockMonitor sees the system's clock being set: it then goes by another time
// than the monotonic clock, from which all latencies are.
type clockMonitor struct {
	monotonic, wall time.Duration
	steps           int
	sum             time.Duration
}

func (w *clockMonitor) look(monotonic, wall time.Duration) {
	step := (wall - w.wall) - (monotonic - w.monotonic)
	w.monotonic, w.wall = monotonic, wall
	if step.Abs() > clockStepOver {
		w.steps++
		w.sum += step
	}
}

// generator sums up what the loops used.
func (r *run) generator(redials uint64) Generator {
	g := Generator{
		GCPauses: r.monitor.gcCount, GCPauseMaxUS: clock.Microseconds(r.monitor.gcMax), GCPauseSumUS: clock.Microseconds(r.monitor.gcTotal),
		ClockStepUS: clock.Microseconds(r.monitor.clock.sum), ClockSteps: r.monitor.clock.steps, Redials: redials,
	}
	for i, l := range r.loops {
		g.addLoop(i, l.use, l.used-r.began)
	}
	return g
}

func (g *Generator) addLoop(number int, use process.ThreadUse, ran time.Duration) {
	g.Yields += use.Yields
	g.Preemptions += use.Preemptions
	if ran <= 0 {
		return
	}
	g.CPUWaitShare = max(g.CPUWaitShare, float64(use.Waited)/float64(ran))
	share := float64(use.CPU) / float64(ran)
	g.CPUShare = max(g.CPUShare, share)
	if ran >= judgeAfter && share > maxCPUShare {
		g.limits = append(g.limits, fmt.Sprintf("processor: event loop %d was busy %.0f%% of the time", number+1, 100*share))
	}
}

func newLateSends(rec *recorder) *LateSends {
	s := &LateSends{
		Late: rec.lateSends, OverUS: clock.Microseconds(lateAfter), HeldBack: rec.heldBack, NotBegun: rec.notBegun, HeldByWindow: rec.heldByWindow,
	}
	if n := rec.lateness.Count(); n > 0 {
		due := float64(uint64(n) + rec.notBegun)
		s.Share, s.WindowShare = float64(rec.lateSends+rec.notBegun)/due, float64(rec.heldByWindow)/due
		s.P50, s.P99 = clock.Microseconds(rec.lateness.Quantile(0.5)), clock.Microseconds(rec.lateness.Quantile(0.99))
		s.Max = clock.Microseconds(rec.lateness.Greatest())
	}
	return s
}

// limits says by what the generator has spoiled the result, if it has.
func (r *Report) limits() []string {
	var limits []string
	if s := r.LateSends; s != nil && s.Share > maxLateShare {
		limits = append(limits, fmt.Sprintf("late sends: %.0f%% more than %v late", 100*s.Share, lateAfter))
	}
	if s := r.LateSends; s != nil && s.WindowShare > maxWindow {
		limits = append(limits, fmt.Sprintf("--outstanding %d held back %.0f%% of the messages", r.Outstanding, 100*s.WindowShare))
	}
	limits = append(limits, r.Generator.limits...)
	g := &r.Generator
	if g.GCPauseMaxUS > clock.Microseconds(maxGCPause) || r.ElapsedS > judgeAfter.Seconds() && g.GCPauseSumUS/1e6 > maxGCShare*r.ElapsedS {
		limits = append(limits, fmt.Sprintf("garbage collection: %d pauses, the longest %.1f ms", g.GCPauses, g.GCPauseMaxUS/1000))
	}
	return limits
}

// wallSub subtracts by the wall clock even where monotonic readings are at hand.
func wallSub(a, b time.Time) time.Duration { return a.Round(0).Sub(b.Round(0)) }
