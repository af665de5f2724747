// Package look has the commands that show what is and what was: ps, logs and report.
package look

import (
	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/observe"
)

// An app is the console that the commands here use, and what they can print.
type app struct {
	*term.Console
	reports  []term.SavedKind
	sections []observe.Kind
}

// Commands returns the commands of this package. They print saved reports of these
// kinds as the commands do that saved them, and sections of the status of a process as
// their owners have it.
func Commands(c *term.Console, reports []term.SavedKind, sections []observe.Kind) []*cobra.Command {
	a := &app{c, reports, sections}
	return []*cobra.Command{a.newPsCommand(), a.newLogsCommand(), a.newReportCommand()}
}
