package time

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/clock/probe"
	"wirelab/clock/steer"
	"wirelab/internal/task"
	"wirelab/observe"
)

// A syncing is one run of time sync: the daemon and what belongs to it.
type syncing struct {
	app    *app
	since  time.Time
	logs   *observe.Logs
	daemon *steer.Daemon

	mu sync.Mutex // around stdout
}

// runSync keeps a clock in step until ctx ends.
func (a *app) runSync(cmd *cobra.Command, f *syncFlags, args []string) error {
	if err := f.check(args); err != nil {
		return err
	}
	cfg, err := a.Settings(cmd)
	if err != nil {
		return err
	}
	servers, err := openServers(cmd.Context(), args, f)
	defer func() {
		for _, r := range servers {
			r.close()
		}
	}()
	if err != nil {
		return err
	}
	clock, frequency, err := a.openClock(cmd.Context(), f)
	if err != nil {
		return err
	}
	s := &syncing{app: a, since: time.Now(), logs: a.OpenLogs(cfg)}
	defer s.logs.Close()
	settings := s.settings(f, clock, frequency, servers)
	if s.daemon, err = steer.New(settings); err != nil {
		return err
	}
	control, err := a.ListenControl(f.control)
	if err != nil {
		return err
	}
	defer control.Close()
	if err := s.announce(settings); err != nil {
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
	st, err := s.daemon.Status()
	if err != nil {
		return err
	}
	if s.app.JSON {
		return term.UnlessGone(s.app.PrintEvent(ended{"stopped", st}))
	}
	_, err = fmt.Fprintln(s.app.Stdout, syncBody{st}.View("clock "+st.Clock, st.At).Summary)
	return term.UnlessGone(err)
}

// settings makes the daemon's configuration of the flags.
func (s *syncing) settings(f *syncFlags, clock steer.Clock, frequency float64, servers []*remote) steer.Config {
	may, above := stepRule(f.step)
	c := steer.Config{
		Clock: clock, ClockName: f.clock, Passive: f.clock == "system" && !f.steer,
		Frequency: frequency, MaxFrequency: maxFrequency, MinPoll: f.minPoll, MaxPoll: f.maxPoll,
		Step: may, StepAbove: above, Panic: f.panic, MaxDistance: f.maxDistance, DriftFile: f.driftFile,
		Log: s.logs.Component("time-sync"), Updated: s.updated,
	}
	var peers []netip.AddrPort
	for _, r := range servers {
		c.Sources = append(c.Sources, steer.Source{Name: r.word, Ask: r.ask})
		peers = append(peers, r.peer)
	}
	if c.MinPoll == 0 {
		c.MinPoll = min(defaultPoll(peers, probe.Public), f.maxPoll)
	}
	return c
}

// maxFrequency is the most that a clock is made to run beside its natural frequency,
// in ppb, slews included: what the kernel allows.
const maxFrequency = 500e3

// run runs the daemon, and around it the control socket.
func (s *syncing) run(ctx context.Context, control *observe.Control) error {
	handlers := observe.ControlHandlers{Status: s.status, Kick: func(uint64) bool { return false }}
	return task.Run(ctx,
		task.Stage{{Name: "control socket", Run: func(ctx context.Context) error { return control.Run(ctx, handlers) }}},
		task.Stage{{Name: "time sync", Run: s.daemon.Run}})
}

// status is what the process says of itself.
func (s *syncing) status() observe.Status {
	st := observe.Status{
		Schema: observe.StatusSchema, PID: os.Getpid(), Command: "wirelab " + strings.Join(s.app.Args, " "),
		Since: s.since, Logs: s.logs.Status(),
	}
	if now, err := s.daemon.Status(); err == nil { // a clock that cannot be read ends the daemon anyway
		st.Sections = []observe.Section{{Name: "clock " + now.Clock, Kind: syncKind, Body: syncBody{now}}}
	}
	return st
}

// begun is the first line with -o json.
type begun struct {
	Event   string   `json:"event"` // "synchronising"
	Clock   string   `json:"clock"`
	Steers  bool     `json:"steers"`
	Servers []string `json:"servers"`
	PID     int      `json:"pid"`
	Schema  string   `json:"schema"`
}

func (s *syncing) announce(c steer.Config) error {
	var names []string
	for _, source := range c.Sources {
		names = append(names, source.Name)
	}
	if s.app.JSON {
		return term.UnlessGone(s.app.PrintEvent(begun{"synchronising", c.ClockName, !c.Passive, names, os.Getpid(), term.EventSchema}))
	}
	what := "keeping clock " + c.ClockName + " in step with "
	if c.Passive {
		what = "measuring the system clock (it is not steered without --steer) against "
	}
	fmt.Fprintln(s.app.Stdout, what+strings.Join(names, ", "))
	s.app.Note("%s", s.app.Colors(s.app.Stderr).Dim("Look: wirelab time status   End: Ctrl-C"))
	return nil
}

// update is a line after each request with -o json.
type update struct {
	Event string `json:"event"` // "update"
	steer.Status
}

// updated prints how the clock is after a request.
func (s *syncing) updated() {
	st, err := s.daemon.Status()
	if err != nil {
		return // the daemon will find out
	}
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
