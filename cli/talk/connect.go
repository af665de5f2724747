package talk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
	"wirelab/cli/term"
	"wirelab/clock"
	"wirelab/internal/human"
	"wirelab/load/connect"
	"wirelab/load/payload"
)

// connectFlags are the flags of connect tcp and connect udp.
type connectFlags struct {
	hex     bool
	timeout time.Duration
	payload string
	size    int
	count   uint64
	every   time.Duration
	crlf    bool
	family  term.Family
	source  string
	socket  term.SocketFlags

	retry    int // from here on, not UDP
	datagram bool
	scan     scanFlags
	tls      term.TLSFlags
}

const (
	defaultDialTimeout = 10 * time.Second
	defaultUDPTimeout  = time.Second
	maxTimeout         = 24 * time.Hour
	maxRetries         = 1000
	maxDatagram        = 65507 // bytes of payload in IPv4
)

func (a *app) newConnectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "connect",
		Short: "Talk to one peer by hand",
		Long: "Talks to one peer: a person types lines, a pipe or a file flows as it is.\n" +
			"On a terminal, Ctrl-D ends the input and Ctrl-C the conversation.",
		Example: "  wirelab connect tcp\n  printf hello | wirelab connect tcp 127.0.0.1:12345",
	}
	cmd.AddCommand(a.newConnectTCPCommand(), a.newConnectUDPCommand(), a.newConnectUnixCommand())
	return cmd
}

func (a *app) newConnectTCPCommand() *cobra.Command {
	var f connectFlags
	cmd := &cobra.Command{
		Use:   "tcp [HOST:PORT]",
		Short: "Talk to a TCP server",
		Long: "Connects to a TCP server, by default the client.server and client.port of the\n" +
			"configuration. At the end of its input it shuts down its direction, as nc -N\n" +
			"does, and goes on reading until the server closes its own. Bytes pass\n" +
			"unchanged, but on a terminal control characters of the peer are escaped.\n\n" +
			"With --scan it says which ports of a host are open: HOST:PORTS are several, as in\n" +
			"22,80,8000-8010, and a port that answers neither yes nor no within --timeout (1s) is\n" +
			"filtered. Only private addresses and those of this host are scanned.\n\n" +
			"Payloads: " + payload.Syntax,
		Example: "  wirelab connect tcp\n" +
			"  printf hello | wirelab connect tcp 127.0.0.1:12345\n" +
			"  wirelab connect tcp --hex --payload text:ping --count 3 --timeout 2s\n" +
			"  wirelab connect tcp 127.0.0.1:1-1024,12345 --scan",
		Args: func(cmd *cobra.Command, args []string) error {
			if f.scan.on {
				return cobra.ExactArgs(1)(cmd, args)
			}
			return term.AtMostTarget(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.scan.parallel < 1 || f.scan.parallel > maxParallel:
				return term.Usagef("--parallel %d is not between 1 and %d", f.scan.parallel, maxParallel)
			case f.scan.on:
				return a.runScan(cmd, args[0], &f)
			}
			return a.runConnect(cmd, "tcp", args, &f)
		},
	}
	flags := cmd.Flags()
	f.add(cmd)
	f.addInternet(cmd, true)
	f.scan.add(cmd)
	flags.DurationVar(&f.timeout, "timeout", 0, "give up connecting, and end after so long a silence (connecting: 10s; silence: never)")
	flags.IntVar(&f.retry, "retry", 0, "try so many more `times` to connect while refused or unreachable")
	f.tls.Add(cmd)
	return cmd
}

func (a *app) newConnectUDPCommand() *cobra.Command {
	var f connectFlags
	cmd := &cobra.Command{
		Use:   "udp [HOST:PORT]",
		Short: "Talk to a UDP server",
		Long: "Sends datagrams to a UDP server, by default the client.server and client.port\n" +
			"of the configuration, and shows the answers. Each line of a person is a\n" +
			"datagram, and each read from a pipe or file. A payload is sent again when the\n" +
			"last one was answered, or not within the timeout. The exit status is 1 when\n" +
			"answers are missing; --timeout 0 does not wait for any. With --interval it is a ping:\n" +
			"the payload is sent so often, until Ctrl-C or --count, and round trips are summed up;\n" +
			"their times are the kernel's stamps, where it has them.\n\n" +
			"Payloads: " + payload.Syntax,
		Example: "  wirelab connect udp\n" +
			"  date +%s.%6N | wirelab connect udp 127.0.0.1:12345\n" +
			"  wirelab connect udp --payload stamp --count 5\n" +
			"  wirelab connect udp --payload stamp --interval 200ms",
		Args: term.AtMostTarget,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runConnect(cmd, "udp", args, &f) },
	}
	f.add(cmd)
	f.addInternet(cmd, false)
	cmd.Flags().DurationVar(&f.timeout, "timeout", defaultUDPTimeout, "how long to wait for an answer")
	return cmd
}

func (a *app) newConnectUnixCommand() *cobra.Command {
	var f connectFlags
	cmd := &cobra.Command{
		Use:   "unix PATH",
		Short: "Talk to a server at a Unix socket",
		Long: "Connects to a Unix socket and talks as connect tcp does; with --datagram, as connect\n" +
			"udp. A PATH that begins with @ is an abstract name (unix(7)).\n\n" +
			"Payloads: " + payload.Syntax,
		Example: "  wirelab connect unix /run/server.sock\n" +
			"  printf hello | wirelab connect unix server.sock --datagram --timeout 1s",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runConnect(cmd, unixNetwork(f.datagram), args, &f)
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.DurationVar(&f.timeout, "timeout", 0, "end after so long a silence (default never; of datagrams, at once)")
	flags.IntVar(&f.retry, "retry", 0, "try so many more `times` to connect while refused")
	flags.BoolVar(&f.datagram, "datagram", false, "datagrams instead of a stream")
	return cmd
}

func unixNetwork(datagram bool) string {
	if datagram {
		return "unixgram"
	}
	return "unix"
}

// addInternet adds what Unix sockets have not.
func (f *connectFlags) addInternet(cmd *cobra.Command, streams bool) {
	f.family.Add(cmd)
	cmd.Flags().StringVar(&f.source, "source", "", "connect from this `address`: ADDR, ADDR:PORT or :PORT")
	f.socket.Add(cmd, streams)
}

func (f *connectFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	term.AddLogs(cmd)
	flags.BoolVar(&f.hex, "hex", false, "show both directions as hexadecimal and text, with times")
	flags.BoolVar(&f.crlf, "crlf", false, "end lines with CR LF, as HTTP and SMTP have them")
	flags.StringVar(&f.payload, "payload", "", "send this `payload` in place of the input")
	flags.IntVar(&f.size, "size", 0, "make the payload so many `bytes` long")
	flags.Uint64Var(&f.count, "count", 1, "send the payload so many `times` (with --interval: until Ctrl-C)")
	flags.DurationVar(&f.every, "interval", 0, "send the payload so often, whether it is answered or not (default when it is)")
}

// runConnect holds one conversation.
func (a *app) runConnect(cmd *cobra.Command, network string, args []string, f *connectFlags) error {
	if f.hex && a.JSON {
		return term.Usagef("--hex is for people; -o json has the bytes of each event already")
	}
	settings, err := a.Settings(cmd)
	if err != nil {
		return err
	}
	address, err := target(settings, network, args)
	if err != nil {
		return err
	}
	cfg, err := term.Await(cmd.Context(), func() (connect.Config, error) { return f.config(cmd, network, address) })
	if err != nil {
		return err
	}
	if err := f.lookUp(cmd.Context(), &cfg); err != nil {
		return explainConnect(err, network, address)
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	t, err := a.openTalk(ctx, f, &cfg, cancel)
	if err != nil {
		return err
	}
	defer t.close()
	logs := a.OpenClientLogs(settings)
	t.log = logs.Component("client")
	conversation, err := connect.Run(ctx, cfg)
	t.close()
	err = errors.Join(err, t.sumUp(conversation, err), logs.Close())
	return explainConnect(err, network, address)
}

// target returns whom the arguments mean: what they leave out, the configuration says.
func target(settings *config.Config, network string, args []string) (string, error) {
	if isUnix(network) {
		return args[0], nil
	}
	return term.Target(settings, args)
}

func isUnix(network string) bool { return strings.HasPrefix(network, "unix") }

// lookUp says which addresses of a name are tried, and refuses what is none. Of several,
// one that has a server shows itself over TCP by answering; over UDP all seem to be there,
// until one refuses a datagram.
func (f *connectFlags) lookUp(ctx context.Context, cfg *connect.Config) error {
	if isUnix(cfg.Network) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.DialTimeout)
	defer cancel()
	family := f.family.Of(cfg.Source.Addr())
	all, err := family.Lookup(ctx, cfg.Address)
	if err != nil && !term.IsUnknownHost(err) {
		return err
	}
	if err != nil {
		return &connect.Error{Op: connect.OpConnect, Network: cfg.Network, Address: cfg.Address, Attempts: 1, Err: err}
	}
	if cfg.Network == "tcp" {
		cfg.Family = family.Network("")
		return nil
	}
	cfg.Address, cfg.Others = all[0].String(), all[1:]
	return nil
}

// config checks the flags and makes of them what connect.Run wants.
func (f *connectFlags) config(cmd *cobra.Command, network, address string) (connect.Config, error) {
	cfg := connect.Config{
		Network: network, Address: address, DialTimeout: defaultDialTimeout, IdleTimeout: f.timeout, Retries: f.retry, CRLF: f.crlf,
	}
	if f.timeout > 0 {
		cfg.DialTimeout = f.timeout
	}
	switch {
	case f.timeout < 0 || f.timeout > maxTimeout:
		return cfg, term.Usagef("--timeout %v is not between 0 and 24h", f.timeout)
	case f.retry < 0 || f.retry > maxRetries:
		return cfg, term.Usagef("--retry %d is not between 0 and %d", f.retry, maxRetries)
	case f.payload == "" && cmd.Flags().Changed("payload"):
		return cfg, term.Usagef("--payload is empty")
	case f.payload != "" && f.crlf:
		return cfg, term.Usagef("--crlf is about the input; a --payload says \\r\\n itself, as in text:hello\\r\\n")
	case f.payload == "" && (cmd.Flags().Changed("size") || cmd.Flags().Changed("count") || f.every != 0):
		return cfg, term.Usagef("--size, --count and --interval are about a --payload, which is missing")
	case f.every < 0 || f.every > maxTimeout:
		return cfg, term.Usagef("--interval %v is not between 0 and 24h", f.every)
	}
	if err := f.usePayload(&cfg); err != nil {
		return cfg, err
	}
	if f.every > 0 && !cmd.Flags().Changed("count") {
		cfg.Count = math.MaxUint64
	}
	var err error
	if cfg.Source, err = parseSource(f.source); err != nil {
		return cfg, err
	}
	if cfg.Socket, err = f.socket.Options(); err != nil {
		return cfg, err
	}
	cfg.TLS, err = f.tls.Config()
	return cfg, err
}

// parseSource reads ADDR, ADDR:PORT, :PORT or PORT.
func parseSource(text string) (netip.AddrPort, error) {
	if text == "" {
		return netip.AddrPort{}, nil
	}
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err == nil {
		return netip.AddrPortFrom(addr, 0), nil
	}
	if port, err := strconv.ParseUint(strings.TrimPrefix(text, ":"), 10, 16); err == nil {
		return netip.AddrPortFrom(netip.Addr{}, uint16(port)), nil
	}
	source, err := netip.ParseAddrPort(text)
	if err != nil {
		return source, term.Usagef("--source %s: write ADDR, ADDR:PORT, [IPv6]:PORT or :PORT, with an address of this host", text)
	}
	return source, nil
}

func (f *connectFlags) usePayload(cfg *connect.Config) error {
	if f.payload == "" {
		return nil
	}
	payload, err := payload.Parse(f.payload, f.size)
	if err != nil {
		return term.Usagef("%w", err)
	}
	stamp := f.payload == "stamp"
	switch {
	case f.count == 0:
		return term.Usagef("--count 0 sends nothing")
	case cfg.Network == "udp" && payload.Len() > maxDatagram:
		return term.Usagef("the payload has %d bytes, a datagram at most %d", payload.Len(), maxDatagram)
	case cfg.Network != "udp" && stamp:
		return term.Usagef("STAMP packets go over UDP: wirelab connect udp --payload stamp")
	}
	cfg.Count, cfg.Reflections, cfg.Interval = f.count, stamp, f.every
	cfg.Message = func(dst []byte, n uint64, now time.Time) []byte { return payload.Append(dst, 0, n, now) }
	return nil
}

// describeConversation sums up a conversation in one line.
func describeConversation(c connect.Conversation) string {
	unit := "message"
	if c.Network == "udp" || c.Network == "unixgram" {
		unit = "datagram"
	}
	answers := ""
	if c.Late > 0 {
		answers += fmt.Sprintf(", %d late", c.Late)
	}
	if c.Duplicates > 0 {
		answers += ", " + term.Counted(c.Duplicates, "duplicate")
	}
	if r := c.RoundTrip; r.Max > 0 {
		answers += fmt.Sprintf("; %d of %d answered (%s lost), round trip min/mean/max/deviation %s/%s/%s/%s (%s stamps)",
			c.Answered, c.MessagesOut, term.Percent(float64(c.MessagesOut-c.Answered-c.Late)/float64(c.MessagesOut)),
			micros(r.Min), micros(r.Mean), micros(r.Max), micros(r.Deviation), r.Stamps)
	}
	return fmt.Sprintf("sent %s in %s, received %s in %s%s, in %s",
		term.Bytes(c.BytesOut), term.Counted(c.MessagesOut, unit),
		term.Bytes(c.BytesIn), term.Counted(c.MessagesIn, unit), answers, term.Duration(c.Duration))
}

func micros(d time.Duration) string { return human.Micros(clock.Microseconds(d)) }
