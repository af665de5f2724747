package serve

import (
	"crypto/tls"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
	"wirelab/cli/term"
	"wirelab/server"
	"wirelab/server/tcp"
	"wirelab/server/tcp/handlers"
)

func (a *app) newServeTCPCommand() *cobra.Command {
	var flags serviceFlags
	cmd := &cobra.Command{
		Use:   "tcp",
		Short: "Run a TCP server",
		Long: "Runs a TCP server. Its handler decides what happens to bytes, its engine how\n" +
			"connections share the machine; every handler runs on every engine.\n\n" +
			"Handlers:\n" + tcpHandlerTable() + "\nEngines:\n" + engineTable() +
			"\n" + reloadHelp + "Connections stay.",
		Example: "  wirelab serve tcp --port 0 --engine thread\n" +
			"  wirelab serve tcp --handler chat --max-per-ip 3 --idle-timeout 10m\n" +
			"  wirelab serve tcp --tls --auto-port",
		Args: term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if settings, err := a.Settings(cmd); err == nil && flags.operator && settings.Server.Handler != "chat" {
				return term.Usagef("--operator speaks in a chat: give --handler chat, not %s", settings.Server.Handler)
			}
			return a.runService(cmd, flags, openTCP)
		},
	}
	a.BindSettings(cmd, "server.bind", "server.port", "server.auto_port", "server.handler", "server.engine", "server.loops",
		"server.buffer", "server.max_conns", "server.max_per_ip", "server.idle_timeout", "server.drain_timeout",
		"server.allow", "server.deny", "server.tls", "server.tls_cert", "server.tls_key",
		"server.dscp", "server.send_buffer", "server.receive_buffer", "server.nagle")
	flags.add(cmd)
	cmd.Flags().BoolVar(&flags.operator, "operator", false, "send lines of standard input to all in the chat (on a terminal that is so anyway)")
	return cmd
}

// openTCP opens the TCP server that the configuration describes.
func openTCP(s *service) (part, error) {
	c := s.cfg.Server
	tlsConfig, err := term.Await(s.cmd.Context(), func() (*tls.Config, error) { return serverTLS(c) })
	if err != nil {
		return part{}, err
	}
	handler, buffer := tcpHandler(c, s.screen.Show)
	if buffer == 0 || s.cfg.Origin("server.buffer") != "default" {
		buffer = int(c.Buffer)
	}
	srv, err := tcp.Listen(tcp.Config{
		Addr: netip.AddrPortFrom(c.Bind, c.Port), AutoPort: c.AutoPort, Engine: c.Engine,
		Handler: handler, HandlerName: c.Handler, Buffer: buffer, Loops: c.Loops,
		MaxConns: c.MaxConns, MaxPerIP: c.MaxPerIP, IdleTimeout: c.IdleTimeout, DrainTimeout: c.DrainTimeout,
		Access: &s.access, TLS: tlsConfig, Socket: c.Socket, Log: s.logs.Component("server-tcp"),
	})
	if err != nil {
		return part{}, explainListen(err, c.Bind, c.AutoPort)
	}
	if chat, ok := handler.(*handlers.Chat); ok {
		s.say = chat.Say
	}
	l := s.listening("tcp", srv.Addr(), c.Handler)
	l.Engine, l.EngineNote = srv.Engine()
	if tlsConfig != nil {
		l.TLSFingerprint = server.Fingerprint(tlsConfig)
	}
	return part{listening: l, run: srv.Run, close: srv.Close, source: srv, processors: srv.Processors(), accepted: srv.Accepted}, nil
}

// tcpHandler makes the handler of that name, which config.Load has checked, and says how
// many bytes it should be given at once; 0: as many as any.
func tcpHandler(c config.Server, show func(string)) (handler tcp.Handler, buffer int) {
	for _, h := range handlers.All() {
		if h.Name == c.Handler {
			return h.New(int(c.Buffer)-len("\r\n"), show), h.Buffer
		}
	}
	return nil, 0
}

// serverTLS returns nil without TLS. Files that hold no certificate and key are a mistake of
// usage, even where what is wrong with them is that they may not be read.
func serverTLS(c config.Server) (*tls.Config, error) {
	switch {
	case c.TLSCert != "":
		loaded, err := server.LoadTLS(c.TLSCert, c.TLSKey)
		if err != nil {
			return nil, term.Usagef("%w", err)
		}
		return loaded, nil
	case c.TLS:
		return server.GenerateTLS(c.Bind.String())
	}
	return nil, nil
}

func tcpHandlerTable() string {
	var b strings.Builder
	for _, h := range handlers.All() {
		writeChoice(&b, h.Name, h.Summary)
	}
	return b.String()
}

func engineTable() string {
	var b strings.Builder
	for _, e := range tcp.Engines() {
		writeChoice(&b, e.Name, e.Summary)
	}
	writeChoice(&b, tcp.AutoEngine, "the cheapest of these that works here")
	return b.String()
}
