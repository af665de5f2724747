package time

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/clock/discipline"
	"wirelab/clock/steer"
	"wirelab/internal/sys"
	kernel "wirelab/internal/sys/clock"
)

// syncFlags are the flags of time sync.
type syncFlags struct {
	clock       string
	steer       bool
	force       bool
	minPoll     time.Duration
	maxPoll     time.Duration
	step        string
	panic       time.Duration
	maxDistance time.Duration
	driftFile   string
	bind        string
	burst       int
	allowPublic bool
	family      term.Family
	nts         ntsFlags
	control     string
	simulate    string
	seed        uint64
	runs        int
}

func (a *app) newSyncCommand() *cobra.Command {
	var flags syncFlags
	cmd := &cobra.Command{
		Use:   "sync SERVER[:PORT]...",
		Short: "Keep a clock in step with NTP servers",
		Long: `Asks NTP servers and keeps a clock in step with them, until Ctrl-C.

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
	flags.add(cmd)
	return cmd
}

func (f *syncFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.clock, "clock", "system", "the clock to keep in step: system, or a simulated one, sim:offset=350ms,drift=80ppm")
	flags.BoolVar(&f.steer, "steer", false, "correct the system clock, not only measure it")
	flags.BoolVar(&f.force, "force", false, "with --steer: even if something else seems to steer the clock")
	flags.DurationVar(&f.minPoll, "min-poll", 0, "ask a server no sooner again (default 1s, of public servers 64s)")
	flags.DurationVar(&f.maxPoll, "max-poll", 1024*time.Second, "ask a server no later again")
	flags.StringVar(&f.step, "step", "always", "when the clock may be set at once: always (once it was right, only by 128 ms or more), start, never")
	flags.DurationVar(&f.panic, "panic", 1000*time.Second, "refuse a greater correction, forward or back, once the clock was right; 0: none is too great")
	flags.DurationVar(&f.maxDistance, "max-distance", discipline.DefaultMaxDistance, "refuse a source whose root distance is greater")
	flags.StringVar(&f.driftFile, "drift-file", "", "`file` to keep the frequency in, for the next start")
	flags.StringVar(&f.bind, "bind", "", "`address` of this host from which to ask")
	flags.IntVar(&f.burst, "burst", 4, "ask local servers so often at a time and take the answer of least delay")
	flags.BoolVar(&f.allowPublic, "allow-public", false, "ask public servers too")
	f.family.Add(cmd)
	f.nts.add(cmd)
	term.AddLogs(cmd)
	flags.StringVar(&f.control, "control", "", "`path` of the control socket for time status and ps (default one for each process)")
	flags.StringVar(&f.simulate, "simulate", "", "play this `scenario`")
	flags.Uint64Var(&f.seed, "seed", 1, "with --simulate: the chance; the same `number` gives the same run")
	flags.IntVar(&f.runs, "runs", 1, "with --simulate: play so `many` seeds and show median and worst")
}

// check returns what is wrong with the flags by themselves.
func (f *syncFlags) check(args []string) error {
	switch {
	case len(args) == 0:
		return term.Usagef("name a server, such as 127.0.0.1:12123, or a scenario with --simulate")
	case f.step != "always" && f.step != "start" && f.step != "never":
		return term.Usagef("--step %s: there are always, start, never", f.step)
	case f.minPoll < 0 || f.minPoll > 0 && f.minPoll < time.Second/8:
		return term.Usagef("--min-poll %v: at least 125ms", f.minPoll)
	case f.maxPoll < f.minPoll || f.maxPoll < time.Second/8 || f.maxPoll > 36*time.Hour:
		return term.Usagef("--max-poll %v: at least --min-poll, at most 36h", f.maxPoll)
	case f.panic < 0 || f.maxDistance <= 0:
		return term.Usagef("--panic and --max-distance are not negative")
	case f.burst < 1 || f.burst > 64:
		return term.Usagef("--burst %d: between 1 and 64", f.burst)
	case f.steer && f.clock != "system":
		return term.Usagef("--steer is for the system clock; a simulated one is always steered")
	case f.force && !f.steer:
		return term.Usagef("--force goes with --steer")
	}
	return nil
}

// openClock returns the clock that the flags mean and its frequency, in ppb above the
// natural one.
func (a *app) openClock(ctx context.Context, f *syncFlags) (steer.Clock, float64, error) {
	if f.clock != "system" {
		offset, ppb, err := parseSimulated(f.clock)
		if err != nil {
			return nil, 0, err
		}
		clock, err := steer.NewSimulated(steer.ReadSystem, offset, ppb)
		return clock, 0, err
	}
	if f.steer {
		if err := kernel.MaySteer(); err != nil {
			return nil, 0, fmt.Errorf("%w; run it as root, or grant the capability: setcap cap_sys_time+ep wirelab; without --steer it measures", err)
		}
		if err := a.yield(ctx, f.force); err != nil {
			return nil, 0, err
		}
	}
	clock, err := steer.NewSystem(f.steer)
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

// stepRule returns what --step means to the loop.
func stepRule(step string) (may bool, above time.Duration) {
	switch step {
	case "never":
		return false, 0
	case "start":
		return true, -1
	}
	return true, 128 * time.Millisecond
}
