// Package talk has the commands by which one talks by hand: connect, listen and relay.
package talk

import (
	"github.com/spf13/cobra"

	"wirelab/cli/term"
)

// An app is the console that the commands here use.
type app struct{ *term.Console }

// Commands returns the commands of this package.
func Commands(c *term.Console) []*cobra.Command {
	a := &app{c}
	return []*cobra.Command{a.newConnectCommand(), a.newListenCommand(), a.newRelayCommand()}
}
