// Package time has the commands about clocks: what a clock is off, keeping it in
// step, and trying the loop that does so.
package time

import (
	"github.com/spf13/cobra"

	"wirelab/cli/term"
)

// An app is the console that the commands here use.
type app struct {
	*term.Console
}

// Commands returns the command group time.
func Commands(c *term.Console) []*cobra.Command {
	a := &app{c}
	cmd := &cobra.Command{
		Use:   "time",
		Short: "Measure clocks and keep them in step",
		Long: "Measures how far clocks are apart, keeps a clock in step with servers, says who\n" +
			"steers this host's clock, and shows what the loop that steers would do.",
		Example: "  wirelab time measure 127.0.0.1:12123\n  wirelab time status",
	}
	cmd.AddCommand(a.newMeasureCommand(), a.newStatusCommand(), a.newSyncCommand(), a.newDisciplineCommand())
	return []*cobra.Command{cmd}
}
