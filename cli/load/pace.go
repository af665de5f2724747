package load

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/load"
)

// paceFlags are the flags of `wirelab load` that say when messages are sent, where
// from, and where to.
type paceFlags struct {
	rate        float64
	ramp        time.Duration
	outstanding int
	flood       bool
	reconnect   uint64
	failFast    bool
	source      string
	search      string
	limit       *load.Limit // what search says; nil: none is given
	step        time.Duration
}

func (f *paceFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Float64VarP(&f.rate, "rate", "r", 0, "`messages` per second of all clients, sent whatever the answers do (open loop)")
	flags.DurationVar(&f.ramp, "ramp", 0, "`time` for which the rate, without --rate the number of clients, rises from 0")
	flags.IntVar(&f.outstanding, "outstanding", 0, "`messages` of a client that may await answers at once, with --rate (default 128, or twice as many as are due within --timeout if that is more)")
	flags.StringVar(&f.source, "source", "", "local `addresses` to connect from in turn, such as 127.0.0.2-127.0.0.20 or 127.0.0.0/28")
	flags.StringVar(&f.search, "search", "", "find the highest rate that holds a `limit`, such as 'p99<2ms' ("+load.LimitSyntax+")")
	flags.DurationVar(&f.step, "step", 3*time.Second, "`time` for which --search tries each rate")
	if cmd.Name() == "tcp" {
		flags.BoolVar(&f.flood, "flood", false, "send without awaiting answers, as fast as the server takes it; for discard servers")
		flags.BoolVar(&f.failFast, "fail-fast", false, "end a client whose connection fails; else it connects anew and goes on")
		flags.Uint64Var(&f.reconnect, "reconnect", 0, "connect anew after every `number` of messages (default never)")
	}
}

// check refuses values that no run takes, and flags that say nothing together.
func (f *paceFlags) check(cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	for flag, wrong := range map[string]bool{
		"rate": f.rate <= 0, "outstanding": f.outstanding <= 0, "reconnect": f.reconnect == 0, "step": f.step <= 0, "ramp": f.ramp <= 0,
	} {
		if given(flag) && wrong {
			return term.Usagef("--%s must be more than 0", flag)
		}
	}
	switch {
	case given("search") && (given("duration") || given("messages") || given("ramp")):
		return term.Usagef("--search tries each rate for --step; it takes no --duration, --messages or --ramp")
	case given("step") && !given("search"):
		return term.Usagef("--step goes with --search")
	case given("outstanding") && !given("rate") && !given("search"):
		return term.Usagef("--outstanding goes with --rate or --search: without, a client awaits one answer at a time")
	}
	return nil
}

// apply adds to cfg what the flags ask for.
func (f *paceFlags) apply(cmd *cobra.Command, cfg *load.Config) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	cfg.Rate, cfg.Ramp, cfg.Outstanding = f.rate, f.ramp, f.outstanding
	cfg.Flood, cfg.Reconnect, cfg.FailFast = f.flood, f.reconnect, f.failFast
	cfg.AskReceiver = cfg.Network == "udp"
	if cmd.Flags().Changed("search") { // even if empty: an unset variable is no wish for a plain run
		limit, err := load.ParseLimit(f.search)
		if err != nil {
			return term.Usagef("%w", err)
		}
		f.limit = &limit
	}
	if cmd.Flags().Changed("source") {
		var err error
		if cfg.Sources, err = load.ParseSources(f.source); err != nil {
			return term.Usagef("%w", err)
		}
	}
	return nil
}

// runSearch finds the rate that --search asks for, and shows each step.
func (a *app) runSearch(ctx context.Context, flags *paceFlags, cfg load.Config) (*load.Report, error) {
	limit := *flags.limit
	line := a.Progress(term.Plan{Label: "search " + limit.String(), Unit: "answers in this step"})
	defer line.Clear()
	cfg.Progress = func(p load.Progress) { line.UpdateIn(p.Received, p.Elapsed) }
	return load.FindRate(ctx, cfg, load.SearchConfig{
		Limit: limit, Step: flags.step,
		Stepped: func(s load.RateStep) {
			line.Clear()
			a.Note("%s", rateStepLine(limit, s))
		},
	})
}

// rateStepLine says what came of a step of a search.
func rateStepLine(limit load.Limit, s load.RateStep) string {
	name, _, _ := strings.Cut(limit.String(), "<")
	value, verdict := "unbounded", "not held"
	if s.Value != nil {
		value = term.Micros(*s.Value)
	}
	if s.Held {
		verdict = "held"
	}
	text := fmt.Sprintf("%11s/s  %s %9s  %s", term.Rate(s.RatePerS), name, value, verdict)
	if s.Missing > 0 {
		text += ", " + term.Count(s.Missing) + " not answered"
	}
	if s.ClientLimited {
		text += ", limited by this client"
	}
	return text
}
