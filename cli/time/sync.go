package time

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
	"wirelab/cli/term"
	"wirelab/clock/steer"
	"wirelab/internal/sys"
	kernel "wirelab/internal/sys/clock"
)

// syncFlags say how time sync works: what wirelab.yaml says, and what only the command has.
type syncFlags struct {
	config.Time
	clock    string
	force    bool
	bind     string
	family   term.Family
	control  string
	simulate string
	seed     uint64
	runs     int
}

func (a *app) newSyncCommand() *cobra.Command {
	var flags syncFlags
	cmd := &cobra.Command{
		Use:   "sync [SERVER[:PORT]...]",
		Short: "Keep a clock in step with NTP servers",
		Long: `Asks NTP servers and keeps a clock in step with them, until Ctrl-C. The section time
of wirelab.yaml has servers and flags for it; there wirelab up does the same beside
its servers if enabled is true, and its NTP server says how good the clock is.

Without --steer it only measures: how far this host's clock is off, with the bound
of that, and what it would do. With --steer, which needs CAP_SYS_TIME, it corrects the
clock; if something else seems to steer it already, it names that and ends with status 3
(see wirelab time status). --clock sim:offset=350ms,drift=80ppm is a clock of its own
that is 350 ms ahead and 80 ppm fast: everybody can watch it being put right.

Sources that disagree with the majority are not followed. Without answers the clock
runs on by what was learned (holdover), with a bound that grows. Look at a running one
with wirelab time status and wirelab ps.

With --simulate the clock, its servers and the network are simulated, faster than time
passes, and it shows how far the clock really was off, with a chart. The scenarios:
` + scenarioHelp(),
		Example: "  wirelab time sync 127.0.0.1:12123 --clock sim:offset=350ms,drift=80ppm\n" +
			"  wirelab time sync 192.0.2.1 192.0.2.2 192.0.2.3\n" +
			"  sudo wirelab time sync 192.168.1.1 --steer --drift-file /var/lib/wirelab.drift\n" +
			"  wirelab time sync --simulate falsetickers --runs 30",
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.simulate != "" {
				if len(args) > 0 {
					return term.Usagef("--simulate brings its own servers, but was given %q", args[0])
				}
				return a.simulate(cmd.Context(), flags.simulate, flags.seed, flags.runs)
			}
			return a.runSync(cmd, &flags, args)
		},
	}
	a.BindSettings(cmd, "time.steer", "time.step", "time.min_poll", "time.max_poll", "time.panic", "time.max_distance",
		"time.burst", "time.drift_file", "time.allow_public", "time.nts", "time.nts_port", "time.nts_ca")
	flags.add(cmd)
	return cmd
}

// systemClock is the name of this host's clock.
const systemClock = "system"

func (f *syncFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.clock, "clock", systemClock, "the `clock` to keep in step: system, or a simulated one, sim:offset=350ms,drift=80ppm")
	flags.BoolVar(&f.force, "force", false, "with --steer: even if something else seems to steer the clock")
	flags.StringVar(&f.bind, "bind", "", "`address` of this host from which to ask")
	f.family.Add(cmd)
	term.AddLogs(cmd)
	flags.StringVar(&f.control, "control", "", "`path` of the control socket for time status and ps (default one for each process)")
	flags.StringVar(&f.simulate, "simulate", "", "play this `scenario`")
	flags.Uint64Var(&f.seed, "seed", 1, "with --simulate: the chance; the same `number` gives the same run")
	flags.IntVar(&f.runs, "runs", 1, "with --simulate: play so `many` seeds and show median and worst")
}

// check returns what is wrong with the settings by themselves.
func (f *syncFlags) check(servers []string) error {
	const least = time.Second / 8
	switch {
	case len(servers) == 0:
		return term.Usagef("name a server, such as 127.0.0.1:12123, here or as time.servers in wirelab.yaml; or a scenario with --simulate")
	case f.MinPoll > 0 && f.MinPoll < least:
		return term.Usagef("--min-poll %v (time.min_poll): at least %v", f.MinPoll, least)
	case f.MaxPoll < f.MinPoll:
		return term.Usagef("--max-poll %v (time.max_poll): at least --min-poll, %v", f.MaxPoll, f.MinPoll)
	case f.Steer && f.clock != systemClock:
		return term.Usagef("--steer is for the system clock; a simulated one is always steered")
	case f.force && !f.Steer:
		return term.Usagef("--force goes with --steer")
	}
	return nil
}

// openClock returns the clock that the flags mean and its frequency, in ppb above the
// natural one.
func (a *app) openClock(ctx context.Context, f *syncFlags) (steer.Clock, float64, error) {
	if f.clock != systemClock {
		offset, ppb, err := parseSimulated(f.clock)
		if err != nil {
			return nil, 0, err
		}
		clock, err := steer.NewSimulated(steer.ReadSystem, offset, ppb)
		return clock, 0, err
	}
	if f.Steer {
		if err := kernel.MaySteer(); err != nil {
			return nil, 0, fmt.Errorf("%w; run it as root, or grant the capability: setcap cap_sys_time+ep wirelab; without --steer it measures", err)
		}
		if err := a.yield(ctx, f.force); err != nil {
			return nil, 0, err
		}
	}
	clock, err := steer.NewSystem(f.Steer)
	if err != nil {
		return nil, 0, err
	}
	return clock, clock.Frequency(), nil
}

// lookFor is how long we look who steers the clock.
const lookFor = 2 * time.Second

// yield refuses to steer a clock that something else steers, unless told to.
func (a *app) yield(ctx context.Context, force bool) error {
	facts, err := steer.Look(ctx, lookFor)
	if err != nil {
		return err
	}
	for _, other := range steer.Judge(facts).Controllers {
		if force {
			a.Note("steering although %s seems to steer the clock too: %s", other, other.Why)
			continue
		}
		return &otherError{other}
	}
	return nil
}

// An otherError names who steers the clock.
type otherError struct{ other steer.Controller }

func (e *otherError) Error() string {
	return fmt.Sprintf("not steering: %s seems to steer this clock (%s); stop it, or leave out --steer to measure only, or insist with --force; see wirelab time status", e.other, e.other.Why)
}

// Unwrap makes it a matter of what may be done here: exit status 3.
func (e *otherError) Unwrap() error { return sys.ErrNotPermitted }

// defaultPoll is the least poll of servers, of which one is public or none.
func defaultPoll(servers []netip.AddrPort, public func(netip.Addr) bool) time.Duration {
	for _, s := range servers {
		if public(s.Addr()) {
			return 64 * time.Second
		}
	}
	return time.Second
}

// StepRules returns what --step and time.step may be.
func StepRules() []string { return []string{"always", "start", "never"} }

// stepRule returns what such a rule means to the loop.
func stepRule(step string) (may bool, above time.Duration) {
	switch step {
	case "never":
		return false, 0
	case "start":
		return true, -1
	}
	return true, 128 * time.Millisecond
}
