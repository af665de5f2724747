package wire

import (
	"context"
	"runtime"
	"time"

	"wirelab/internal/sys/process"
)

// exactTimers keeps the goroutine on its thread, whose timers alone it makes exact, until
// the function that it returns is called.
func exactTimers() (end func()) {
	runtime.LockOSThread()
	if process.SetTimerSlack(0) != nil {
		return runtime.UnlockOSThread
	}
	return func() {
		_ = process.SetTimerSlack(50 * time.Microsecond)
		runtime.UnlockOSThread()
	}
}

// pace says when the frames of a series are due: the nth at the start and n intervals,
// however late those before it were.
type pace struct {
	start time.Time
	rate  float64 // a second; 0: always
	late  Lateness
}

// Lateness is by how much frames left after they were due.
type Lateness struct {
	Count uint64 // frames it is about
	Sum   time.Duration
	Max   time.Duration
}

// Mean returns the average lateness.
func (l Lateness) Mean() time.Duration {
	if l.Count == 0 {
		return 0
	}
	return l.Sum / time.Duration(l.Count)
}

// due returns the time of a frame, counted from 0.
func (p *pace) due(n uint64) time.Duration {
	return time.Duration(float64(n) / p.rate * 1e9)
}

// ready returns how many frames are due after those that were sent, at most most, and
// takes down how late the first of them is.
func (p *pace) ready(sent uint64, most int) int {
	if p.rate == 0 {
		return most
	}
	elapsed := time.Since(p.start)
	late := elapsed - p.due(sent)
	if late < 0 {
		return 0
	}
	n := min(most, 1+int(float64(late)*p.rate/1e9))
	p.late.Count++
	p.late.Sum += late
	p.late.Max = max(p.late.Max, late)
	return n
}

// The calling thread sleeps at least this long, because shorter sleeps cost more than
// they give, and at most so long that it notices the end of its context.
const (
	leastSleep = 20 * time.Microsecond
	mostSleep  = 50 * time.Millisecond
)

// wait sleeps until the next frame after those that were sent is due.
func (p *pace) wait(ctx context.Context, sent uint64) {
	for ctx.Err() == nil {
		left := p.due(sent) - time.Since(p.start)
		if left <= 0 {
			return
		}
		process.Sleep(min(max(left, leastSleep), mostSleep))
	}
}
