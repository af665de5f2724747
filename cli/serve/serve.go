package serve

import "github.com/spf13/cobra"

const reloadHelp = "SIGHUP reads server.allow and server.deny again from wirelab.yaml; --allow and\n" +
	"--deny, where they are given, go on to override it. "

func (a *app) newServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run one server",
		Long: "Runs one server in the foreground until Ctrl-C or SIGTERM. Then it takes no new\n" +
			"connections, lets running answers finish, and sums up.",
		Example: "  wirelab serve tcp --handler chat\n  wirelab serve udp --port 0\n  wirelab serve ntp --local-stratum 10",
	}
	cmd.AddCommand(a.newServeTCPCommand(), a.newServeUDPCommand(), a.newServeNTPCommand())
	return cmd
}
