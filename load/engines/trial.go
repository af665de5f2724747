package engines

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"wirelab/internal/sys/process"
	"wirelab/load"
	"wirelab/load/payload"
)

// A Server is a server process under trial.
type Server interface {
	Addr() netip.AddrPort
	// Usage returns what the process has used so far, Rest what it holds once it has
	// nothing more to do.
	Usage() (process.Usage, error)
	Rest(ctx context.Context) (process.Usage, error)
	Stop()
}

// Config says what is measured.
type Config struct {
	Engines  []string
	Trials   []Trial
	Rounds   int
	Duration time.Duration // of a run
	Payload  *payload.Payload

	// Start starts a server under that engine and under no other, with the handler that
	// is called so.
	Start func(ctx context.Context, engine, handler string) (Server, error)
	// Progress is told how many of all runs are done; it may be told the same again.
	Progress func(done, all int)
}

// Measure measures in rounds until all is done or ctx ends. What goes wrong is in
// the report.
func Measure(ctx context.Context, cfg Config) *Report {
	m := &measurement{cfg: cfg, report: &Report{
		Schema: Schema, SizeBytes: cfg.Payload.Len(), DurationS: cfg.Duration.Seconds(), Skipped: []Skipped{}, Results: []Result{},
	}}
	m.available(ctx)
	m.all = len(m.engines) * len(cfg.Trials) * cfg.Rounds
	for round := range cfg.Rounds {
		if !m.round(ctx, round) {
			break
		}
		m.report.Rounds = round + 1
	}
	m.report.Interrupted = ctx.Err() != nil
	return m.report
}

// A measurement is one Measure.
type measurement struct {
	cfg       Config
	engines   []string // those that run here
	done, all int      // runs
	report    *Report
}

// available finds the engines that a server can be started under here.
func (m *measurement) available(ctx context.Context) {
	for _, engine := range m.cfg.Engines {
		s, err := m.cfg.Start(ctx, engine, "echo")
		switch {
		case err == nil:
			s.Stop()
			m.engines = append(m.engines, engine)
		case ctx.Err() == nil:
			m.report.Skipped = append(m.report.Skipped, Skipped{Engine: engine, Reason: err.Error()})
		}
	}
}

// round makes each trial with each engine, and reports false if ctx has ended.
func (m *measurement) round(ctx context.Context, round int) bool {
	for _, trial := range m.cfg.Trials {
		for _, engine := range order(m.engines, round) {
			if err := m.run(ctx, trial, engine); err != nil && ctx.Err() == nil {
				m.report.Result(trial, engine).Error = err.Error()
			}
			if ctx.Err() != nil {
				return false
			}
			m.done++
			m.tick()
		}
	}
	return true
}

func (m *measurement) tick() {
	if m.cfg.Progress != nil {
		m.cfg.Progress(m.done, m.all)
	}
}

// run makes one run with a server of its own.
func (m *measurement) run(ctx context.Context, trial Trial, engine string) error {
	handler := "echo"
	if trial.Mode == Flood {
		handler = "discard"
	}
	s, err := m.cfg.Start(ctx, engine, handler)
	if err != nil {
		return err
	}
	defer s.Stop()
	if trial.Mode == Idle {
		return m.holdIdle(ctx, trial, engine, s)
	}
	return m.exchange(ctx, trial, engine, s)
}

// exchange loads the server with messages.
func (m *measurement) exchange(ctx context.Context, trial Trial, engine string, s Server) error {
	var before, after process.Usage
	var errBefore, errAfter error
	run, err := load.Run(ctx, load.Config{
		Network: "tcp", Target: s.Addr(), Clients: trial.Connections, Duration: m.cfg.Duration, Payload: m.cfg.Payload,
		Flood:    trial.Mode == Flood,
		Begin:    func() { before, errBefore = s.Usage() },
		End:      func() { after, errAfter = s.Usage() },
		Progress: func(load.Progress) { m.tick() },
	})
	if err := errors.Join(err, errBefore, errAfter); err != nil {
		return err
	}
	if run.Interrupted {
		return nil // it counts in no figure
	}
	if err := run.Verify(); err != nil {
		return err
	}
	m.report.Result(trial, engine).AddRun(run, after.Since(before))
	return nil
}

// holdIdle measures the memory that silent connections need.
func (m *measurement) holdIdle(ctx context.Context, trial Trial, engine string, s Server) error {
	before, err := s.Rest(ctx)
	if err != nil {
		return err
	}
	conns, err := hold(ctx, s.Addr(), trial.Connections)
	if err != nil {
		return err
	}
	with, err := s.Rest(ctx)
	if err := errors.Join(err, conns.close()); err != nil {
		return err
	}
	if open := with.Descriptors - before.Descriptors; open < trial.Connections {
		return fmt.Errorf("the server holds %d of %d connections", open, trial.Connections)
	}
	m.report.Result(trial, engine).AddIdle(before, with)
	return nil
}
