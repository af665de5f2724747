package steer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"wirelab/clock/discipline"
	"wirelab/internal/task"
)

// A Measurement is one exchange with a server, in CLOCK_REALTIME.
type Measurement struct {
	Middle         time.Duration // half way between request and answer, since 1970
	Offset         time.Duration // > 0: the server is ahead of CLOCK_REALTIME
	Delay          time.Duration
	Dispersion     time.Duration // by how much the stamps may be off
	RootDelay      time.Duration
	RootDispersion time.Duration
	Stratum        int
	Leap           discipline.Leap
	Server         netip.Addr
	Reference      string // what the server follows
	Stamps         string // who read the clock: "kernel", "user", "hardware"
}

// A Source is a server: its name and how to ask it. Ask waits for one answer, no
// longer than some seconds, and is called by one goroutine at a time.
type Source struct {
	Name string
	Ask  func(context.Context) (Measurement, error)
}

// A Config says what a Daemon does.
type Config struct {
	Clock        Clock
	ClockName    string // for the status
	Sources      []Source
	Passive      bool    // measure only
	Frequency    float64 // ppb that the clock runs above its natural frequency now
	MaxFrequency float64 // ppb
	MinPoll      time.Duration
	MaxPoll      time.Duration
	Step         bool          // the clock may be set
	StepAbove    time.Duration // see discipline.Start
	Panic        time.Duration // see discipline.Start
	MaxDistance  time.Duration // see discipline.Start
	DriftFile    string        // empty: none
	Log          *slog.Logger
	// Updated is called after each request, whatever became of it, by several
	// goroutines; nil: nobody is told.
	Updated func()
}

// driftEvery is how often the drift file is written.
const driftEvery = time.Hour

// A Daemon keeps a clock in step. Run may be called once, Status at any time.
type Daemon struct {
	cfg Config

	mu      sync.Mutex
	loop    *discipline.Loop
	order   discipline.Order
	now     Reading // when order was given
	since   time.Time
	saved   Reading // when the drift file was written last
	asleep  time.Duration
	sources []sourceState
	locked  bool // at some time
}

// sourceState is what is kept of a source beside the loop.
type sourceState struct {
	last      Measurement
	lastRaw   time.Duration
	answers   int
	failures  int
	err       error // of the last request; nil: it was answered
	poll      time.Duration
	next      time.Time // of the next request
	reachable uint8     // the last eight requests, the newest in bit 0
}

// New returns a daemon that has not begun. It reads the clock and the drift file.
func New(cfg Config) (*Daemon, error) {
	if len(cfg.Sources) == 0 {
		return nil, errors.New("no server to follow")
	}
	now, err := cfg.Clock.Read()
	if err != nil {
		return nil, err
	}
	start := discipline.Start{
		Reading: now.Reading, Frequency: cfg.Frequency, MaxFrequency: cfg.MaxFrequency,
		MinPoll: cfg.MinPoll, MaxPoll: cfg.MaxPoll, Passive: cfg.Passive,
		Step: cfg.Step, StepAbove: cfg.StepAbove, Panic: cfg.Panic, MaxDistance: cfg.MaxDistance,
	}
	if cfg.DriftFile != "" && !cfg.Passive {
		if start.Drift, err = readDrift(cfg.DriftFile); err != nil {
			return nil, err
		}
	}
	loop, err := discipline.New(start)
	if err != nil {
		return nil, err
	}
	return &Daemon{cfg: cfg, loop: loop, now: now, saved: now, since: time.Now(), sources: make([]sourceState, len(cfg.Sources))}, nil
}

// Run keeps the clock in step until ctx is done, for which it returns nil, or the
// clock cannot be read or steered. It closes the clock.
func (d *Daemon) Run(ctx context.Context) error {
	err := d.begin()
	if err == nil {
		var all task.Stage
		for i, s := range d.cfg.Sources {
			all = append(all, task.Task{Name: s.Name, Run: func(ctx context.Context) error { return d.follow(ctx, i) }})
		}
		err = task.Run(ctx, all)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.saveDrift()
	return errors.Join(err, d.cfg.Clock.Close())
}

func (d *Daemon) begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cfg.Log.Info("began", "servers", len(d.cfg.Sources), "steers", !d.cfg.Passive)
	return d.carryOut(d.loop.Begin())
}

// follow asks one source, again and again.
func (d *Daemon) follow(ctx context.Context, i int) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		asked := time.Now()
		before, err := d.read()
		if err != nil {
			return err
		}
		m, failed := d.cfg.Sources[i].Ask(ctx)
		if ctx.Err() != nil {
			return nil
		}
		poll, err := d.take(i, before, m, failed)
		if err != nil {
			return err
		}
		if d.cfg.Updated != nil {
			d.cfg.Updated()
		}
		timer.Reset(time.Until(asked.Add(poll)))
	}
}

func (d *Daemon) read() (Reading, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cfg.Clock.Read()
}

// take handles the outcome of a request, before which the clocks were as given, and
// returns when the next is due, counted from this one. Its error is that of the clock.
func (d *Daemon) take(i int, before Reading, m Measurement, failed error) (time.Duration, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, err := d.cfg.Clock.Read()
	if err != nil {
		return 0, err
	}
	d.noticeSleep(now)
	m.Offset += now.Real - now.Clock // of this clock, which need not be CLOCK_REALTIME
	s := &d.sources[i]
	order, err := d.event(i, before, now, m, failed)
	if err != nil {
		d.cfg.Log.Warn("sample left out", "source", d.cfg.Sources[i].Name, "reason", err.Error())
		s.note(err, m, now.Raw)
		s.plan(max(s.poll, d.cfg.MinPoll))
		return s.poll, nil
	}
	d.now = now
	s.note(failed, m, now.Raw)
	s.plan(order.Poll)
	d.report(i, m, failed, order)
	return s.poll, d.carryOut(order)
}

// plan sets when the next request is due.
func (s *sourceState) plan(poll time.Duration) {
	s.poll, s.next = poll, time.Now().Add(poll)
}

// leftAlone is what a clock may differ from raw time, beside its rate, by an exchange
// that nothing disturbed.
const leftAlone = 50 * time.Microsecond

// disturbed reports whether CLOCK_REALTIME was set between two readings.
func disturbed(before, after Reading) bool {
	passed := after.Raw - before.Raw
	return (after.Real - before.Real - passed).Abs() > leftAlone+passed/1000
}

// event tells the loop what happened.
func (d *Daemon) event(i int, before, now Reading, m Measurement, failed error) (discipline.Order, error) {
	name := d.cfg.Sources[i].Name
	if failed != nil {
		return d.loop.Lost(name, now.Reading, false)
	}
	ago := now.Real - m.Middle
	if disturbed(before, now) || ago < 0 || ago > now.Raw-before.Raw+leftAlone {
		return discipline.Order{}, errors.New("the clock was set while the answer was under way")
	}
	if err := d.loop.Pass(now.Reading); err != nil {
		return discipline.Order{}, err
	}
	return d.loop.Sample(discipline.Sample{
		Source:  name,
		Reading: discipline.Reading{Raw: now.Raw - ago, Clock: now.Clock - ago},
		Offset:  m.Offset,
		Delay:   max(m.Delay, 0), Dispersion: m.Dispersion + now.Error,
		RootDelay: m.RootDelay, RootDispersion: m.RootDispersion, Stratum: m.Stratum, Leap: m.Leap,
	})
}

func (s *sourceState) note(failed error, m Measurement, raw time.Duration) {
	s.err = failed
	s.reachable <<= 1
	if failed != nil {
		s.failures++
		return
	}
	s.reachable |= 1
	s.answers++
	s.last, s.lastRaw = m, raw
}

// noticeSleep says when the machine has been suspended: CLOCK_BOOTTIME goes on while
// raw time stands still.
func (d *Daemon) noticeSleep(now Reading) {
	slept := (now.Boot - d.now.Boot) - (now.Raw - d.now.Raw)
	if slept > time.Second+(now.Raw-d.now.Raw)/500 {
		d.asleep += slept
		d.cfg.Log.Warn("the machine has slept", "for", slept.Round(time.Millisecond).String())
	}
}

// carryOut makes an order the one in force.
func (d *Daemon) carryOut(order discipline.Order) error {
	d.order = order
	if order.State == discipline.Locked {
		d.locked = true
	}
	if d.cfg.Passive {
		return nil
	}
	if d.locked && d.now.Raw-d.saved.Raw >= driftEvery {
		d.saveDrift()
	}
	if err := d.cfg.Clock.Obey(order); err != nil {
		return fmt.Errorf("steer the clock: %w", err)
	}
	return nil
}

// saveDrift writes the drift file, once the frequency is known.
func (d *Daemon) saveDrift() {
	if d.cfg.DriftFile == "" || d.cfg.Passive || !d.locked {
		return
	}
	d.saved = d.now
	if err := writeDrift(d.cfg.DriftFile, d.order.Frequency, d.order.Skew); err != nil {
		d.cfg.Log.Warn("drift file not written", "reason", err.Error())
	}
}
