// Package packet has the commands below "wirelab packet": make, explain, send and
// capture packets, and read capture files.
package packet

import (
	"github.com/spf13/cobra"

	"wirelab/cli/term"
)

// app is what the commands share.
type app struct{ *term.Console }

// Commands returns the command packet.
func Commands(c *term.Console) []*cobra.Command {
	a := &app{c}
	cmd := &cobra.Command{
		Use:   "packet",
		Short: "Make, explain, send, capture and check packets",
		Long: "Packets by hand: described in a few words, built, explained byte by byte, sent one at\n" +
			"a time or by the million; captured, read from files, checked and sent again.",
		Example: "  wirelab packet read trace.pcapng\n" +
			"  wirelab packet read trace.pcapng tcp port 80 and host 192.0.2.1",
	}
	cmd.AddCommand(
		a.newReadCommand(),
	)
	return []*cobra.Command{cmd}
}
