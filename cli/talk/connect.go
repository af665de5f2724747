package talk

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
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
	family  term.Family

	retry          int // from here on, TCP only
	tls            bool
	tlsCA          string
	tlsFingerprint string
	tlsInsecure    bool
	tlsName        string
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
	cmd.AddCommand(a.newConnectTCPCommand(), a.newConnectUDPCommand())
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
			"Payloads: " + payload.Syntax,
		Example: "  wirelab connect tcp\n" +
			"  printf hello | wirelab connect tcp 127.0.0.1:12345\n" +
			"  wirelab connect tcp --hex --payload text:ping --count 3 --timeout 2s",
		Args: term.AtMostTarget,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runConnect(cmd, "tcp", args, &f) },
	}
	flags := cmd.Flags()
	f.add(cmd)
	flags.DurationVar(&f.timeout, "timeout", 0, "give up connecting, and end after so long a silence (connecting: 10s; silence: never)")
	flags.IntVar(&f.retry, "retry", 0, "try so many more `times` to connect while refused or unreachable")
	flags.BoolVar(&f.tls, "tls", false, "speak TLS")
	flags.StringVar(&f.tlsCA, "tls-ca", "", "trust the authorities in this PEM `file` alone")
	flags.StringVar(&f.tlsFingerprint, "tls-fingerprint", "", "accept exactly the certificate with this `SHA-256`")
	flags.BoolVar(&f.tlsInsecure, "tls-insecure", false, "accept any certificate")
	flags.StringVar(&f.tlsName, "tls-name", "", "ask for and verify this server `name` (default the host)")
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
			"answers are missing; --timeout 0 does not wait for any.\n\n" +
			"Payloads: " + payload.Syntax,
		Example: "  wirelab connect udp\n" +
			"  date +%s.%6N | wirelab connect udp 127.0.0.1:12345\n" +
			"  wirelab connect udp --payload stamp --count 5",
		Args: term.AtMostTarget,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runConnect(cmd, "udp", args, &f) },
	}
	f.add(cmd)
	cmd.Flags().DurationVar(&f.timeout, "timeout", defaultUDPTimeout, "how long to wait for an answer")
	return cmd
}

func (f *connectFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	f.family.Add(cmd)
	flags.BoolVar(&f.hex, "hex", false, "show both directions as hexadecimal and text, with times")
	flags.StringVar(&f.payload, "payload", "", "send this `payload` in place of the input")
	flags.IntVar(&f.size, "size", 0, "make the payload so many `bytes` long")
	flags.Uint64Var(&f.count, "count", 1, "send the payload so many `times`")
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
	address, err := term.Target(settings, args)
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
	logs := a.OpenLogs(settings)
	t.log = logs.Component("client")
	conversation, err := connect.Run(ctx, cfg)
	t.close()
	err = errors.Join(err, t.sumUp(conversation, err), logs.Close())
	return explainConnect(err, network, address)
}

// lookUp says which addresses of a name are tried, and refuses what is none. Of several,
// one that has a server shows itself over TCP by answering; over UDP all seem to be there,
// until one refuses a datagram.
func (f *connectFlags) lookUp(ctx context.Context, cfg *connect.Config) error {
	ctx, cancel := context.WithTimeout(ctx, cfg.DialTimeout)
	defer cancel()
	all, err := f.family.Lookup(ctx, cfg.Address)
	if err != nil && !term.IsUnknownHost(err) {
		return err
	}
	if err != nil {
		return &connect.Error{Op: connect.OpConnect, Network: cfg.Network, Address: cfg.Address, Attempts: 1, Err: err}
	}
	if cfg.Network == "tcp" {
		cfg.Family = f.family.Network("")
		return nil
	}
	cfg.Address, cfg.Others = all[0].String(), all[1:]
	return nil
}

// config checks the flags and makes of them what connect.Run wants.
func (f *connectFlags) config(cmd *cobra.Command, network, address string) (connect.Config, error) {
	cfg := connect.Config{
		Network: network, Address: address, DialTimeout: defaultDialTimeout, IdleTimeout: f.timeout, Retries: f.retry,
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
	case f.payload == "" && (cmd.Flags().Changed("size") || cmd.Flags().Changed("count")):
		return cfg, term.Usagef("--size and --count are about a --payload, which is missing")
	}
	if err := f.usePayload(&cfg); err != nil {
		return cfg, err
	}
	var err error
	cfg.TLS, err = f.tlsConfig()
	return cfg, err
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
	case cfg.Network == "tcp" && stamp:
		return term.Usagef("STAMP packets go over UDP: wirelab connect udp --payload stamp")
	}
	cfg.Count, cfg.Reflections = f.count, stamp
	cfg.Message = func(dst []byte, n uint64, now time.Time) []byte { return payload.Append(dst, 0, n, now) }
	return nil
}

// tlsConfig returns nil without TLS; each flag about it asks for it.
func (f *connectFlags) tlsConfig() (*connect.TLSConfig, error) {
	if !f.tls && !f.tlsInsecure && f.tlsCA == "" && f.tlsFingerprint == "" && f.tlsName == "" {
		return nil, nil
	}
	c := &connect.TLSConfig{Insecure: f.tlsInsecure, ServerName: f.tlsName}
	if f.tlsFingerprint != "" {
		fingerprint, err := connect.ParseFingerprint(f.tlsFingerprint)
		if err != nil {
			return nil, term.Usagef("--tls-fingerprint: %w", err)
		}
		c.Fingerprint = &fingerprint
	}
	if f.tlsCA != "" {
		pem, err := os.ReadFile(f.tlsCA)
		if err != nil {
			return nil, term.Usagef("--tls-ca: %w", err)
		}
		c.Roots = x509.NewCertPool()
		if !c.Roots.AppendCertsFromPEM(pem) {
			return nil, term.Usagef("--tls-ca: %s holds no certificate in PEM form", f.tlsCA)
		}
	}
	return c, nil
}

// describeConversation sums up a conversation in one line.
func describeConversation(c connect.Conversation) string {
	unit := "message"
	if c.Network == "udp" {
		unit = "datagram"
	}
	answers := ""
	if c.Late > 0 {
		answers += fmt.Sprintf(", %d late", c.Late)
	}
	if c.Duplicates > 0 {
		answers += ", " + term.Counted(c.Duplicates, "duplicate")
	}
	return fmt.Sprintf("sent %s in %s, received %s in %s%s, in %s",
		term.Bytes(c.BytesOut), term.Counted(c.MessagesOut, unit),
		term.Bytes(c.BytesIn), term.Counted(c.MessagesIn, unit), answers, term.Duration(c.Duration))
}
