// Package serve has the commands that run servers: up and serve.
package serve

import (
	"github.com/spf13/cobra"

	"wirelab/cli/term"
)

// An app is the console that the commands here use.
type app struct{ *term.Console }

// Commands returns the commands of this package.
func Commands(c *term.Console) []*cobra.Command {
	a := &app{c}
	return []*cobra.Command{a.newUpCommand(), a.newServeCommand()}
}
