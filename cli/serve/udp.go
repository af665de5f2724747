package serve

import (
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/server/udp"
)

func (a *app) newServeUDPCommand() *cobra.Command {
	var flags serviceFlags
	cmd := &cobra.Command{
		Use:   "udp",
		Short: "Run a UDP server",
		Long: "Runs a UDP server. Each datagram is stamped by the kernel as it arrives, and\n" +
			"counted for its peer: lost, reordered, duplicate, jitter, time differences.\n\n" +
			"Handlers:\n" + udpHandlerTable() +
			"\ntimediff answers a STAMP packet (RFC 8762) with its reflection, and text that\n" +
			"begins with a time with one line: when it came, the difference in microseconds,\n" +
			"the number of the peer's packet. Everything else is echoed. No answer is longer\n" +
			"than what it answers, so short questions get short answers.\n\n" +
			strings.TrimSpace(reloadHelp),
		Example: "  wirelab serve udp --port 0\n" +
			"  date +%s.%6N | nc -u -w1 127.0.0.1 12345    # ask it for a time difference",
		Args: term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runService(cmd, flags, openUDP) },
	}
	a.BindSettings(cmd, "server.udp.bind", "server.udp.port", "server.udp.auto_port", "server.udp.handler", "server.udp.buffer",
		"server.udp.workers", "server.udp.batch", "server.udp.gro", "server.udp.gso", "server.udp.clock_offset",
		"server.udp.dscp", "server.udp.send_buffer", "server.udp.receive_buffer", "server.allow", "server.deny")
	flags.add(cmd)
	return cmd
}

// openUDP opens the UDP server that the configuration describes.
func openUDP(s *service) (part, error) {
	c := s.cfg.Server.UDP
	srv, err := udp.Listen(udp.Config{
		Addr: netip.AddrPortFrom(c.Bind, c.Port), AutoPort: c.AutoPort,
		Handler: udpResponder(c.Handler), HandlerName: c.Handler, Buffer: int(c.Buffer),
		Workers: c.Workers, Batch: c.Batch, WithoutGRO: !c.GRO, WithoutGSO: !c.GSO, ClockOffset: c.ClockOffset, Socket: c.Socket,
		Access: &s.access, Log: s.logs.Component("server-udp"),
	})
	if err != nil {
		return part{}, explainListen(err, c.Bind, c.AutoPort)
	}
	return part{listening: s.listening("udp", srv.Addr(), c.Handler), run: srv.Run, close: srv.Close, source: srv}, nil
}

// udpResponder returns the responder of that name; config.Load has checked it.
func udpResponder(name string) udp.Responder {
	for _, h := range udp.Handlers() {
		if h.Name == name {
			return h.New()
		}
	}
	return nil
}

func udpHandlerTable() string {
	var b strings.Builder
	for _, h := range udp.Handlers() {
		writeChoice(&b, h.Name, h.Summary)
	}
	return b.String()
}
