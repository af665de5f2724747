package serve

import (
	"github.com/spf13/cobra"

	"wirelab/cli/term"
)

func (a *app) newUpCommand() *cobra.Command {
	var flags serviceFlags
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start all servers of the laboratory",
		Long: "Starts the servers that wirelab.yaml names, in one process, until Ctrl-C: a TCP\n" +
			"server (echo) and a UDP server (time differences), both on 127.0.0.1:12345 unless\n" +
			"told otherwise. All other settings are in wirelab.yaml: see wirelab config init.",
		Example: "  wirelab up\n  wirelab up --port 2000 --engine thread",
		Args:    term.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.runService(cmd, flags, openTCP, openUDP) },
	}
	a.BindSettings(cmd, "server.bind", "server.port", "server.auto_port", "server.handler", "server.engine", "server.allow", "server.deny")
	flags.add(cmd)
	return cmd
}
