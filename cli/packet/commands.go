// Package packet has the commands that make, explain, send, capture and check
// packets.
package packet

import (
	"github.com/spf13/cobra"

	"wirelab/cli/term"
)

// An app is the console that the commands here use.
type app struct {
	*term.Console
}

// Commands returns the command group packet.
func Commands(c *term.Console) []*cobra.Command {
	a := &app{c}
	cmd := &cobra.Command{
		Use:   "packet",
		Short: "Make, explain, send and capture packets",
		Long: "Packets are described in one language: layers separated by a lone /, each with its\n" +
			"name and key=value. What is missing is filled in. 'wirelab packet layers' lists\n" +
			"the layers, 'wirelab packet layers tcp' the keys of one.",
		Example: "  wirelab packet explain ip dst=192.0.2.35 / udp dport=9 / text hello\n" +
			"  wirelab packet read trace.pcapng tcp port 80 and host 192.0.2.1\n" +
			"  wirelab packet layers tcp",
	}
	cmd.AddCommand(a.newBuildCommand(), a.newExplainCommand(), a.newReadCommand(), a.newSendCommand(), a.newFloodCommand(), a.newCaptureCommand(), a.newReplayCommand(), a.newLayersCommand())
	return []*cobra.Command{cmd}
}
