package serve

import (
	"strings"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
	"wirelab/cli/term"
)

// A member is a part of the laboratory that up starts unless the configuration leaves
// it out.
type member struct {
	key     string // the section of the configuration that has its key "enabled"
	enabled func(*config.Config) bool
	open    func(*service) (part, error)
}

// members is the table of all that up starts, in this order.
func members() []member {
	return []member{
		{"server", func(c *config.Config) bool { return c.Server.Enabled }, openTCP},
		{"server.udp", func(c *config.Config) bool { return c.Server.UDP.Enabled }, openUDP},
		{"server.ntp", func(c *config.Config) bool { return c.Server.NTP.Enabled }, openNTP},
		{"time", func(c *config.Config) bool { return c.Time.Enabled }, openTime}, // last: it tells the NTP server
	}
}

func (a *app) newUpCommand() *cobra.Command {
	var flags serviceFlags
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start all servers of the laboratory",
		Long: "Starts the servers that wirelab.yaml names, in one process, until Ctrl-C: a TCP\n" +
			"server (echo) and a UDP server (time differences), both on 127.0.0.1:12345 unless\n" +
			"told otherwise, and an NTP server on port 12123 if it is enabled. Each has a key\n" +
			"\"enabled\" in its section: server, server.udp, server.ntp. With time.enabled it also\n" +
			"keeps the clock in step with time.servers, as wirelab time sync does, and the NTP\n" +
			"server tells how good that is. All other settings are in wirelab.yaml too: see\n" +
			"wirelab config init.",
		Example: "  wirelab up\n  wirelab up --port 2000 --engine thread",
		Args:    term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			open, err := a.enabledMembers(cmd)
			if err != nil {
				return err
			}
			return a.runService(cmd, flags, open...)
		},
	}
	a.BindSettings(cmd, "server.bind", "server.port", "server.auto_port", "server.handler", "server.engine", "server.allow", "server.deny")
	flags.add(cmd)
	return cmd
}

// enabledMembers returns what opens each part that the configuration enables.
func (a *app) enabledMembers(cmd *cobra.Command) ([]func(*service) (part, error), error) {
	cfg, err := a.Settings(cmd)
	if err != nil {
		return nil, err
	}
	var open []func(*service) (part, error)
	var keys []string
	for _, m := range members() {
		keys = append(keys, m.key+".enabled")
		if m.enabled(cfg) {
			open = append(open, m.open)
		}
	}
	if len(open) == 0 {
		return nil, term.Usagef("nothing is enabled: %s are all false", strings.Join(keys, ", "))
	}
	return open, nil
}
