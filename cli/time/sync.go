package time

import (
	"github.com/spf13/cobra"

	"wirelab/cli/term"
)

// syncFlags are the flags of time sync.
type syncFlags struct {
	simulate string
	seed     uint64
	runs     int
}

func (a *app) newSyncCommand() *cobra.Command {
	var flags syncFlags
	cmd := &cobra.Command{
		Use:   "sync --simulate SCENARIO",
		Short: "Try the loop that keeps a clock in step",
		Long: "Plays the loop on a simulated clock, faster than time passes: with --simulate, how far\n" +
			"the clock really was off, and a chart. The scenarios:\n" + scenarioHelp(),
		Example: "  wirelab time sync --simulate default\n" +
			"  wirelab time sync --simulate falsetickers --runs 30",
		Args: term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if flags.simulate == "" {
				return term.Usagef("name a scenario: --simulate default")
			}
			return a.simulate(cmd.Context(), flags.simulate, flags.seed, flags.runs)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.simulate, "simulate", "", "play this `scenario`")
	f.Uint64Var(&flags.seed, "seed", 1, "the chance of the simulation; the same `number` gives the same run")
	f.IntVar(&flags.runs, "runs", 1, "play so `many` seeds and show median and worst")
	return cmd
}
