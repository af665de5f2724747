package throughput

import (
	"context"
	"time"

	"wirelab/load"
)

// watch tells of progress and of intervals until ctx is cancelled.
func (r *run) watch(ctx context.Context) {
	progress := time.NewTicker(load.ProgressInterval)
	defer progress.Stop()
	var over <-chan time.Time
	if r.cfg.Interval > 0 {
		ticker := time.NewTicker(r.cfg.Interval)
		defer ticker.Stop()
		over = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-over:
			r.endInterval(time.Since(r.began))
		case <-progress.C:
			if r.cfg.Progress != nil {
				sent, received := r.moved()
				r.cfg.Progress(sent + received)
			}
		}
	}
}

// moved returns how many bytes this end has sent and taken so far.
func (r *run) moved() (sent, received uint64) {
	for _, s := range r.streams {
		if s.direction == Up {
			sent += s.moved.Load()
		} else {
			received += s.moved.Load()
		}
	}
	return sent, received
}

// endInterval tells what went since the last interval.
func (r *run) endInterval(now time.Duration) {
	sent, received := r.moved()
	i := Interval{FromS: r.told.ToS, ToS: now.Seconds(), Sent: sent - r.told.Sent, Received: received - r.told.Received}
	r.told = Interval{ToS: i.ToS, Sent: sent, Received: received}
	r.intervals = append(r.intervals, i)
	if r.cfg.Report != nil {
		r.cfg.Report(i)
	}
}
