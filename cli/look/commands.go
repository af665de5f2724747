// Package look has the commands that show what is and what was: ps, logs and report.
package look

import (
	"github.com/spf13/cobra"

	"wirelab/cli/term"
)

// An app is the console that the commands here use, and the kinds of reports that
// they can print.
type app struct {
	*term.Console
	kinds []term.SavedKind
}

// Commands returns the commands of this package, which print saved reports of these
// kinds as the commands do that saved them.
func Commands(c *term.Console, kinds []term.SavedKind) []*cobra.Command {
	a := &app{c, kinds}
	return []*cobra.Command{a.newPsCommand(), a.newLogsCommand(), a.newReportCommand()}
}
