package serve

import (
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/server"
	"wirelab/server/ntp"
)

func (a *app) newServeNTPCommand() *cobra.Command {
	var flags serviceFlags
	cmd := &cobra.Command{
		Use:   "ntp",
		Short: "Run an NTP server",
		Long: "Runs an NTPv4 server (RFC 5905): requests and answers are stamped by the kernel,\n" +
			"clients that speak the interleaved mode (RFC 9769; chrony's xleave) get the time\n" +
			"at which an answer really left, and those that ask too often a kiss-o'-death.\n\n" +
			"The clock of this host is served as it is. Nothing here knows how good it is, so\n" +
			"that answers say \"not synchronised\" (leap indicator 3, stratum 0), and no client\n" +
			"sets its clock by them, unless --local-stratum vouches for it.\n\n" +
			strings.TrimSpace(reloadHelp),
		Example: "  wirelab serve ntp --local-stratum 10\n" +
			"  wirelab time measure 127.0.0.1:12123 --protocol ntp   # in another terminal",
		Args: term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runService(cmd, flags, openNTP) },
	}
	a.BindSettings(cmd, "server.ntp.bind", "server.ntp.port", "server.ntp.auto_port", "server.ntp.local_stratum",
		"server.ntp.rate", "server.ntp.burst", "server.allow", "server.deny")
	flags.add(cmd)
	return cmd
}

// openNTP opens the NTP server that the configuration describes.
func openNTP(s *service) (part, error) {
	c := s.cfg.Server.NTP
	responder, err := ntp.New(ntp.Config{RatePerSecond: float64(c.Rate), Burst: c.Burst})
	if err != nil {
		return part{}, err
	}
	if c.LocalStratum > 0 {
		reference := ntp.LocalReference(uint8(c.LocalStratum), s.since)
		responder.SetReference(&reference)
	}
	udp, err := ntp.Listen(server.UDPConfig{
		Addr: netip.AddrPortFrom(c.Bind, c.Port), AutoPort: c.AutoPort,
		Access: &s.access, Log: s.logs.Component("server-ntp"),
	}, responder)
	if err != nil {
		return part{}, explainListen(err, c.AutoPort)
	}
	return part{listening: s.listening("udp", udp.Addr(), "ntp"), run: udp.Run, close: udp.Close, source: udp}, nil
}
