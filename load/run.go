// Package load puts servers under load: Run is any number of clients at once, each of
// which sends messages (package payload), verifies every byte that comes back, and
// measures how long it took (package latency); FindRate looks for the highest rate that
// holds a limit.
//
// Others of its kind are packages of their own: connect is one client by hand, oneway
// datagrams as fast as they go, with what became of each (delivery), throughput bits per
// second over TCP, scan the ports of a host, engines a comparison of our own server's.
package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"wirelab/load/latency"

	"golang.org/x/sync/errgroup"
)

// ProgressInterval is how often Config.Progress is called.
const ProgressInterval = 150 * time.Millisecond

// Run connects all clients, then lets them send their messages as the configuration
// says, verifies the answers, and reports. A client whose connection fails or, over
// TCP, an answer of which takes longer than the timeout connects anew, see
// [Config.FailFast]; over UDP such a message is lost and the client goes on.
//
// When ctx is cancelled, Run ends at once and reports what was measured so far as
// interrupted. The error is of kind ErrConfig, *DescriptorError or
// sys.ErrUnsupported, or says that the machine refused an event queue; what befell
// the clients is in the report.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	report, _, err := measure(ctx, cfg)
	return report, err
}

// measure is Run that also returns the response times of an open loop.
func measure(ctx context.Context, cfg Config) (*Report, *latency.Distribution, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, nil, err
	}
	r := newRun(cfg)
	if err := r.endpoints.check(cfg.Clients); err != nil {
		return nil, nil, err
	}
	defer r.close()
	if err := r.open(); err != nil {
		return nil, nil, fmt.Errorf("load: %w", err)
	}
	cfg.Log.Info("load begins", "network", cfg.Network, "targets", cfg.Targets, "clients", cfg.Clients,
		"messages", cfg.Messages, "duration", cfg.Duration, "payload", cfg.Payload.String(), "size", cfg.Payload.Len())
	if err := r.wait(ctx); err != nil {
		return nil, nil, fmt.Errorf("load: %w", err)
	}
	if cfg.End != nil {
		cfg.End()
	}
	r.askReceiver(ctx, true)
	sum := r.merge()
	report := r.report(sum)
	cfg.Log.Info("load ends", "sent", report.Sent, "received", report.Received, "lost", report.Lost,
		"mismatched", report.Mismatched, "errors", report.Errors, "elapsed", r.elapsed())
	return report, &sum.responses, nil
}

func newRun(cfg Config) *run {
	r := &run{
		cfg: cfg, origin: time.Now(), begin: make(chan struct{}),
		endpoints: endpoints{targets: cfg.Targets, sources: cfg.Sources.list()},
	}
	if cfg.Interval > 0 && cfg.Report != nil {
		r.parts = &parts{every: cfg.Interval, reached: make([]int, cfg.Loops)}
	}
	if cfg.Flood && cfg.Payload.Fixed() {
		r.flood = newFloodBuffer(cfg.Payload)
	}
	return r
}

// run is what the loops of one run share. Nothing in it changes while messages
// are exchanged, except the atomics.
type run struct {
	cfg       Config
	endpoints endpoints
	flood     []byte    // of a flood whose messages are all the same: many of them
	origin    time.Time // the loops' times are those since then
	loops     []*loop
	monitor   monitor // of the loop that begins the measurement, then of the watcher
	receiver  receiverCount
	parts     *parts // nil: nobody is told of them

	connecting atomic.Int32  // loops whose clients are not all connected yet
	begin      chan struct{} // closed when they are
	began      time.Duration // when begin was closed
	beginning  atomic.Int64  // began, for whoever does not wait for begin; 0 before
	stopped    atomic.Bool
}

// now returns the time since the origin. It never steps.
func (r *run) now() time.Duration { return time.Since(r.origin) }

// open makes the loops and deals the clients out to them.
func (r *run) open() error {
	for i := range r.cfg.Loops {
		l, err := newLoop(r, i, r.cfg.Loops)
		if err != nil {
			return err
		}
		r.loops = append(r.loops, l)
	}
	r.connecting.Store(int32(len(r.loops)))
	return nil
}

func (r *run) close() {
	for _, l := range r.loops {
		l.close()
	}
}

// wait runs the loops to their end, or until ctx is cancelled.
func (r *run) wait(ctx context.Context) error {
	var loops errgroup.Group
	for _, l := range r.loops {
		loops.Go(func() error { return l.drive(ctx) })
	}
	var watchers sync.WaitGroup
	over, end := context.WithCancel(ctx)
	watchers.Go(func() { r.watch(over) })
	err := loops.Wait()
	end()
	watchers.Wait()
	r.monitor.end(time.Now())
	r.tellParts(r.elapsed())
	return err
}

// watch shows progress until ctx is cancelled, and then stops the loops.
func (r *run) watch(ctx context.Context) {
	ticker := time.NewTicker(ProgressInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if r.beginning.Load() > 0 { // until then the loop that begins has the monitor
				r.monitor.look(time.Now())
			}
			r.tellParts(0)
			if r.cfg.Progress != nil {
				r.cfg.Progress(r.progress())
			}
		case <-ctx.Done():
			r.stopped.Store(true)
			for _, l := range r.loops {
				l.wake()
			}
			return
		}
	}
}

// connected is called by each loop when all its clients are connected or have
// failed, and returns when all loops have called it: the measurement begins for all
// at once, with all connections open.
func (r *run) connected(ctx context.Context) {
	if r.connecting.Add(-1) == 0 {
		r.askReceiver(ctx, false)
		if r.cfg.Begin != nil {
			r.cfg.Begin()
		}
		r.monitor.begin(time.Now())
		r.began = r.now()
		r.beginning.Store(int64(r.began))
		close(r.begin)
	}
	<-r.begin
}

func (r *run) progress() Progress {
	p := Progress{Clients: r.cfg.Clients}
	if began := time.Duration(r.beginning.Load()); began > 0 {
		p.Elapsed = r.now() - began
	}
	if r.cfg.Duration == 0 {
		p.Messages = r.cfg.Messages * uint64(r.cfg.Clients)
	}
	for _, l := range r.loops {
		l.published.addTo(&p)
	}
	return p
}

// elapsed returns how long messages were exchanged: until the last was sent or
// answered and, in an open loop or when connections failed, as long as there was time
// for the next. It does not matter that a loop of which no client lives has ended before.
func (r *run) elapsed() time.Duration {
	var end time.Duration
	paced, cut, failed := false, false, false
	for _, l := range r.loops {
		end = max(end, l.last)
		paced, cut, failed = paced || l.paced, cut || l.cut, failed || l.rec.failures > 0
	}
	switch schedule := newSchedule(&r.cfg, r.began); {
	case cut:
	case paced && schedule.open():
		end = max(end, schedule.over())
	case failed && schedule.end > 0: // those that failed had the time that was asked for
		end = max(end, schedule.end)
	}
	return max(end-r.began, 0)
}
