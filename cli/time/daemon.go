package time

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
	"wirelab/cli/term"
	"wirelab/clock/probe"
	"wirelab/clock/steer"
	"wirelab/internal/task"
	"wirelab/observe"
)

// A Sync keeps a clock in step with servers. It is open from OpenSync on, until Run
// returns or Close is called.
type Sync struct {
	daemon  *steer.Daemon
	began   SyncBegan
	servers []*remote
}

// OpenSync opens what the section time of the configuration describes; updated is told how
// the clock is after each request, by several goroutines.
func OpenSync(ctx context.Context, c *term.Console, cfg *config.Config, log *slog.Logger, updated func(steer.Status)) (*Sync, error) {
	a := &app{c}
	return a.openSync(ctx, &syncFlags{Time: cfg.Time, clock: systemClock}, cfg.Time.Servers, log, updated)
}

func (a *app) openSync(ctx context.Context, f *syncFlags, servers []string, log *slog.Logger, updated func(steer.Status)) (_ *Sync, err error) {
	if err := f.check(servers); err != nil {
		return nil, err
	}
	s := new(Sync)
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.servers, err = openServers(ctx, servers, f); err != nil {
		return nil, err
	}
	clock, frequency, err := a.openClock(ctx, f)
	if err != nil {
		return nil, err
	}
	settings := f.settings(clock, frequency, s.servers)
	settings.Log, settings.Updated = log, func() {
		if st, err := s.daemon.Status(); err == nil { // if not, the daemon will find out
			updated(st)
		}
	}
	s.began = SyncBegan{"synchronising", f.clock, !settings.Passive, servers, os.Getpid(), term.EventSchema}
	s.daemon, err = steer.New(settings)
	return s, err
}

// settings makes the daemon's configuration of the flags.
func (f *syncFlags) settings(clock steer.Clock, frequency float64, servers []*remote) steer.Config {
	may, above := stepRule(f.Step)
	c := steer.Config{
		Clock: clock, ClockName: f.clock, Passive: f.clock == systemClock && !f.Steer,
		Frequency: frequency, MaxFrequency: maxFrequency, MinPoll: f.MinPoll, MaxPoll: f.MaxPoll,
		Step: may, StepAbove: above, Panic: f.Panic, MaxDistance: f.MaxDistance, DriftFile: f.DriftFile,
	}
	var peers []netip.AddrPort
	for _, r := range servers {
		c.Sources = append(c.Sources, steer.Source{Name: r.word, Ask: r.ask})
		peers = append(peers, r.peer)
	}
	if c.MinPoll == 0 {
		c.MinPoll = min(defaultPoll(peers, probe.Public), f.MaxPoll)
	}
	return c
}

// maxFrequency is the most that a clock is made to run beside its natural frequency,
// in ppb, slews included: what the kernel allows.
const maxFrequency = 500e3

// Run keeps the clock in step until ctx ends or it cannot be read or steered.
func (s *Sync) Run(ctx context.Context) error {
	defer s.Close()
	return s.daemon.Run(ctx)
}

// Close closes the sockets. It may be called again.
func (s *Sync) Close() error {
	for _, r := range s.servers {
		r.close()
	}
	return nil
}

// Began is what is said first of it.
func (s *Sync) Began() SyncBegan { return s.began }

// Section implements observe.Source.
func (s *Sync) Section() observe.Section {
	st, _ := s.daemon.Status() // a clock that cannot be read ends the daemon anyway
	return observe.Section{Name: "clock " + s.began.Clock, Kind: syncKind, Body: syncBody{st}}
}

// SyncBegan is the first line with -o json.
type SyncBegan struct {
	Event   string   `json:"event"` // "synchronising"
	Clock   string   `json:"clock"`
	Steers  bool     `json:"steers"`
	Servers []string `json:"servers"`
	PID     int      `json:"pid"`
	Schema  string   `json:"schema"`
}

func (b SyncBegan) String() string {
	what := "keeping clock " + b.Clock + " in step with "
	if !b.Steers {
		what = "measuring the system clock (it is not steered without --steer) against "
	}
	return what + strings.Join(b.Servers, ", ")
}

// A syncing is one run of time sync: the daemon and what belongs to it.
type syncing struct {
	app   *app
	since time.Time
	logs  *observe.Logs
	sync  *Sync

	mu sync.Mutex // around stdout
}

// runSync keeps a clock in step until ctx ends.
func (a *app) runSync(cmd *cobra.Command, f *syncFlags, args []string) error {
	cfg, err := a.Settings(cmd)
	if err != nil {
		return err
	}
	f.Time = cfg.Time
	if len(args) == 0 {
		args = f.Servers
	}
	s := &syncing{app: a, since: time.Now(), logs: a.OpenLogs(cfg)}
	defer s.logs.Close()
	if s.sync, err = a.openSync(cmd.Context(), f, args, s.logs.Component("time-sync"), s.updated); err != nil {
		return err
	}
	defer s.sync.Close()
	control, err := a.ListenControl(f.control)
	if err != nil {
		return err
	}
	defer control.Close()
	if err := s.announce(); err != nil {
		return err
	}
	return errors.Join(s.run(cmd.Context(), control), s.summarize())
}

// ended is the last line with -o json.
type ended struct {
	Event string `json:"event"` // "stopped"
	steer.Status
}

// summarize says how the clock was left.
func (s *syncing) summarize() error {
	st, err := s.sync.daemon.Status()
	if err != nil {
		return err
	}
	if s.app.JSON {
		return term.UnlessGone(s.app.PrintEvent(ended{"stopped", st}))
	}
	_, err = fmt.Fprintln(s.app.Stdout, syncBody{st}.View("clock "+st.Clock, st.At).Summary)
	return term.UnlessGone(err)
}

// run runs the daemon, and around it the control socket.
func (s *syncing) run(ctx context.Context, control *observe.Control) error {
	handlers := observe.ControlHandlers{Status: s.status, Kick: func(uint64) bool { return false }}
	return task.Run(ctx,
		task.Stage{{Name: "control socket", Run: func(ctx context.Context) error { return control.Run(ctx, handlers) }}},
		task.Stage{{Name: "time sync", Run: s.sync.Run}})
}

// status is what the process says of itself.
func (s *syncing) status() observe.Status {
	return observe.Status{
		Schema: observe.StatusSchema, PID: os.Getpid(), Command: "wirelab " + strings.Join(s.app.Args, " "),
		Since: s.since, Logs: s.logs.Status(), Sections: []observe.Section{s.sync.Section()},
	}
}

func (s *syncing) announce() error {
	if s.app.JSON {
		return term.UnlessGone(s.app.PrintEvent(s.sync.Began()))
	}
	fmt.Fprintln(s.app.Stdout, s.sync.Began())
	s.app.Note("%s", s.app.Colors(s.app.Stderr).Dim("Look: wirelab time status   End: Ctrl-C"))
	return nil
}

// update is a line after each request with -o json.
type update struct {
	Event string `json:"event"` // "update"
	steer.Status
}

// updated prints how the clock is after a request.
func (s *syncing) updated(st steer.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.app.JSON {
		// Who reads may have gone; the clock is kept all the same.
		_ = s.app.PrintEvent(update{"update", st})
		return
	}
	fmt.Fprintln(s.app.Stdout, updateLine(st))
}

// updateLine is the state of a clock in a line.
func updateLine(st steer.Status) string {
	line := fmt.Sprintf("%s  %-9s  offset unknown", st.At.Format("15:04:05"), st.State)
	if st.Bound > 0 {
		line = fmt.Sprintf("%s  %-9s  offset %-9s ± %-8s  %+.3f ppm ± %.3f", st.At.Format("15:04:05"), st.State,
			signed(st.LastOffset), micros(st.Bound), st.Frequency/1e3, st.Skew/1e3)
	}
	if st.TrueOffset != nil {
		line += "  truly off by " + signed(*st.TrueOffset)
	}
	if st.LastStep != 0 {
		line += "  set by " + signed(st.LastStep)
	}
	why := st.Reason
	for _, source := range st.Sources {
		if source.Error != "" && !strings.Contains(why, source.Error) {
			why += "; " + source.Name + ": " + source.Error
		}
	}
	if why != "" {
		line += "  (" + term.OneLine(strings.TrimPrefix(why, "; ")) + ")"
	}
	return line
}

// offsetText is an offset with its bound, if there is any.
func offsetText(offset, bound time.Duration) string {
	if bound == 0 {
		return "unknown"
	}
	return signed(offset) + " ± " + micros(bound)
}

// micros writes a span with three digits, and a great one as people say it.
func micros(d time.Duration) string {
	if d.Abs() >= 10*time.Minute {
		return term.Duration(d)
	}
	return term.Micros(float64(d) / 1e3)
}

func signed(d time.Duration) string {
	if d > -5*time.Nanosecond && d < 5*time.Nanosecond {
		return micros(0)
	}
	if d > 0 {
		return "+" + micros(d)
	}
	return micros(d)
}
