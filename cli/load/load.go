package load

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
	"wirelab/cli/term"
	"wirelab/load"
	"wirelab/load/payload"
)

func (a *app) newLoadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "load",
		Short: "Put a server under load with many clients, and measure it",
		Long: "Runs many clients at once against a server. Each sends a message, verifies every\n" +
			"byte of the answer, and sends the next; or, with --rate, messages have their times\n" +
			"whatever the answers do. The report says what was lost, what differed, how long\n" +
			"answers took, and whether this generator itself was the limit.",
		Example: "  wirelab load tcp --clients 500 --messages 200 --size 512\n" +
			"  wirelab load udp --clients 4 --payload stamp",
	}
	cmd.AddCommand(
		a.newLoadNetworkCommand(&cobra.Command{
			Use:   "tcp [HOST:PORT...]",
			Short: "Load a TCP server, or several",
			Long: "Connects all clients first, then measures. A client whose connection fails, or whose\n" +
				"answer takes longer than --timeout, connects anew after a pause and goes on; with\n" +
				"--fail-fast it ends. The exit status is 1 when a byte differs, an answer is missing,\n" +
				"or a connection failed.\n\n" + paceHelp + throughputHelp + payloadHelp,
			Example: "  wirelab load tcp --clients 500 --messages 200 --size 512\n" +
				"  wirelab load tcp --clients 50 --rate 20000 --duration 10s --ramp 2s\n" +
				"  wirelab load tcp --clients 50 --search 'p99<2ms'\n" +
				"  wirelab load tcp 127.0.0.1:12345 --clients 4 --flood --duration 5s -o json\n" +
				"  wirelab load tcp --clients 100 --reconnect 1 --source 127.0.0.2-127.0.0.20\n" +
				"  wirelab load tcp --throughput --clients 8 --reverse --interval 1s\n" +
				"  wirelab load tcp --clients 50 --duration 10s --interval 1s --tls-insecure",
		}),
		a.newLoadNetworkCommand(&cobra.Command{
			Use:   "udp [HOST:PORT...]",
			Short: "Load a UDP server",
			Long: "A datagram that is not answered within --timeout is lost, and its client goes on\n" +
				"with the next. With the payloads seq, random and stamp, late and repeated answers\n" +
				"are told apart; late ones are not verified. The exit status is 1 when a byte differs\n" +
				"or no answer came in time.\n" +
				"A wirelab server is asked before and after the run what it counted, to say where\n" +
				"datagrams were lost; another server gets a few datagrams more that it need not know.\n\n" +
				paceHelp + payloadHelp + fastHelp,
			Example: "  wirelab load udp --clients 100 --messages 1000 --timeout 200ms\n" +
				"  wirelab load udp --clients 10 --rate 20000 --duration 10s\n" +
				"  wirelab load udp --clients 1 --payload stamp\n" +
				"  wirelab load udp --fast --duration 5s",
		}),
		a.newLoadEnginesCommand(),
	)
	return cmd
}

const paceHelp = `With --rate two times are reported. Service is what the server took: from the moment
a message was really sent. Response is what a user waits: from the moment it was to be
sent, even if a slow server or this generator held it back.

`

const payloadHelp = `Payloads:
  seq          begins with client and message number
  pattern      printable characters, always the same
  random:SEED  bytes that follow from the seed, different in every message
  text:WORDS   these bytes; \n, \xFF and so on are understood
  hex:0a0bff   these bytes
  file:PATH    the bytes of a file
  time         seconds since 1970 as a line: for timediff servers
  stamp        a STAMP packet (RFC 8762): reports offset and one-way differences
`

// loadFlags are the flags of `wirelab load`.
type loadFlags struct {
	clients  int
	messages uint64
	size     int
	duration time.Duration
	payload  string
	timeout  time.Duration
	loops    int
	family   term.Family
	interval time.Duration
	percents []float64
	shape    bool
	tls      term.TLSFlags
	socket   term.SocketFlags
	save     term.SaveFlag
	pace     paceFlags
}

func (f *loadFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVarP(&f.clients, "clients", "c", 10, "`number` of clients at once")
	flags.Uint64VarP(&f.messages, "messages", "m", 100, "`number` of messages that each client sends; with --duration alone, no limit")
	flags.IntVarP(&f.size, "size", "s", 0, "`bytes` of a message (default 64, or what the payload has)")
	flags.DurationVarP(&f.duration, "duration", "d", 0, "`time` after which no message is sent, such as 10s")
	flags.StringVarP(&f.payload, "payload", "p", "seq", "`what` messages hold, see above")
	flags.DurationVarP(&f.timeout, "timeout", "t", 5*time.Second, "the most `time` that a connect or an answer may take")
	flags.IntVar(&f.loops, "loops", 0, "`number` of event loops, each on a thread of its own (default one a core, half of them for a server on this host)")
	flags.DurationVar(&f.interval, "interval", 0, "show what came of each `time`, such as 1s, as soon as it is over")
	flags.Float64SliceVar(&f.percents, "percentiles", nil, "report these `percentiles` too, such as 99.5,99.99")
	flags.BoolVar(&f.shape, "histogram", false, "show how latencies are distributed")
	f.family.Add(cmd)
	f.pace.add(cmd)
	f.socket.Add(cmd, cmd.Name() == "tcp")
	if cmd.Name() == "tcp" {
		f.tls.Add(cmd)
	}
	f.save.Add(cmd)
	term.AddLogs(cmd)
}

// newLoadNetworkCommand completes a command for the network that its name says.
func (a *app) newLoadNetworkCommand(cmd *cobra.Command) *cobra.Command {
	var flags loadFlags
	flags.add(cmd)
	var fast fastFlags
	var through throughputFlags
	if cmd.Name() == "udp" {
		fast.add(cmd)
	} else {
		through.add(cmd)
	}
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := errors.Join(fast.check(cmd), through.check(cmd)); err != nil {
			return err
		}
		switch {
		case cmd.Flags().Changed("interval") && flags.interval <= 0:
			return term.Usagef("--interval must be longer than nothing")
		case fast.on:
			return a.runFastLoad(cmd, flags, fast, args)
		case through.on:
			return a.runThroughput(cmd, flags, through, args)
		}
		return a.runLoad(cmd, flags, args)
	}
	return cmd
}

func (a *app) runLoad(cmd *cobra.Command, flags loadFlags, args []string) error {
	cfg, err := term.Await(cmd.Context(), func() (load.Config, error) { return flags.config(cmd) })
	if err != nil {
		return err
	}
	settings, all, err := a.prepareLoad(cmd, flags.family, args, load.MaxTargets)
	if err != nil {
		return err
	}
	cfg.Targets = all
	if cfg.TLS, err = flags.tlsConfig(settings, args); err != nil {
		return err
	}
	return term.Perform(a.Console, cmd, &flags.save, term.Measurement[*load.Report]{
		Run: func(ctx context.Context) (*load.Report, error) {
			logs := a.OpenClientLogs(settings)
			defer logs.Close()
			cfg.Log = logs.Component("client")
			report, err := a.measureLoad(ctx, &flags.pace, cfg)
			return report, explainLoad(err, cfg.Network, all[0].String(), "")
		},
		Print: func(r *load.Report) error {
			if err := a.printRun(r); err != nil || a.JSON || !flags.shape {
				return err
			}
			return a.printHistogram(r)
		},
		Verdict: loadVerdict,
	})
}

// printRun prints the report of a run, unless nothing listened: then the verdict says
// all that there is to say.
func (a *app) printRun(r *load.Report) error {
	if !a.JSON && nothingListens(r) {
		return nil
	}
	return a.printLoad(r)
}

// measureLoad runs cfg, or the search that the flags ask for, and shows progress.
func (a *app) measureLoad(ctx context.Context, flags *paceFlags, cfg load.Config) (*load.Report, error) {
	processors := cfg.FixLoops()
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), processors))
	if flags.limit != nil {
		return a.runSearch(ctx, flags, cfg)
	}
	line := a.Progress(loadPlan(cfg))
	defer line.Clear()
	cfg.Progress = func(p load.Progress) {
		if cfg.Flood {
			line.UpdateIn(p.Sent, p.Elapsed)
		} else {
			line.UpdateIn(p.Received, p.Elapsed)
		}
	}
	cfg.Report = func(p load.Part) {
		line.Clear()
		a.printInterval(p, p.FromS, p.ToS, partText(&p, cfg.Flood))
	}
	return load.Run(ctx, cfg)
}

// config returns what the flags ask for, without target and log.
func (f *loadFlags) config(cmd *cobra.Command) (load.Config, error) {
	cfg := load.Config{Network: cmd.Name(), Clients: f.clients, Duration: f.duration, Timeout: f.timeout, Loops: f.loops}
	var err error
	if cfg.Payload, cfg.Messages, err = f.content(cmd); err != nil {
		return cfg, err
	}
	if cmd.Flags().Changed("timeout") && f.timeout <= 0 {
		return cfg, term.Usagef("--timeout must be longer than nothing")
	}
	cfg.Interval, cfg.Percentiles = f.interval, f.percents
	if cfg.Socket, err = f.socket.Options(); err != nil {
		return cfg, err
	}
	return cfg, f.pace.apply(cmd, &cfg)
}

// content returns what is sent, and how often at most; 0: until the duration ends.
func (f *loadFlags) content(cmd *cobra.Command) (content *payload.Payload, messages uint64, err error) {
	if content, err = payload.Parse(f.payload, f.size); err != nil {
		return nil, 0, term.Usagef("%w", err)
	}
	if cmd.Flags().Changed("size") && f.size == 0 {
		return nil, 0, term.Usagef("--size must be at least 1 byte")
	}
	if f.duration != 0 && !cmd.Flags().Changed("messages") {
		return content, 0, nil
	}
	return content, f.messages, nil
}

// tlsConfig returns what the flags about TLS ask for, nil without TLS. The name to verify
// is that of the first target.
func (f *loadFlags) tlsConfig(settings *config.Config, args []string) (*tls.Config, error) {
	c, err := f.tls.Config()
	if c == nil || err != nil {
		return nil, err
	}
	address, err := term.Target(settings, args[:min(len(args), 1)])
	if err != nil {
		return nil, err
	}
	return c.Client(address), nil
}

func loadPlan(cfg load.Config) term.Plan {
	unit := "answers"
	if cfg.Flood {
		unit = "messages"
	}
	return term.Plan{
		Label: "load " + cfg.Network, Unit: unit, Until: cfg.Duration,
		Total: cfg.Messages * uint64(max(cfg.Clients, 0)),
	}
}

// loadVerdict returns the error that ends the command as the report deserves.
func loadVerdict(ctx context.Context, r *load.Report) error {
	failed := r.Verify()
	if failed != nil && nothingListens(r) {
		handler := ""
		if r.Flooded() {
			handler = "discard"
		}
		failed = term.RefusedError{Err: failed, Network: r.Network, Address: r.Target, Handler: handler}
	}
	return term.Verdict(ctx, r.Interrupted, failed)
}

// nothingListens reports whether all went wrong because the one target refused. A
// flood has no answers even if all is well, and of several targets one may be up.
func nothingListens(r *load.Report) bool {
	reached := r.Received > 0 || r.Network == "tcp" && r.Connected > 0
	return !reached && len(r.Targets) <= 1 && r.Errors["connection refused"] > 0
}

// prepareLoad returns the settings and the targets, of which there may be so many.
func (a *app) prepareLoad(cmd *cobra.Command, family term.Family, args []string, most int) (*config.Config, []netip.AddrPort, error) {
	settings, err := a.Settings(cmd)
	if err != nil {
		return nil, nil, err
	}
	all, err := family.Targets(cmd.Context(), settings, cmd.Name(), args, most)
	return settings, all, err
}

// explainLoad says why a load could not be run, and what to do. The handler is that
// of a server that takes it; empty: the usual one.
func explainLoad(err error, network, target, handler string) error {
	switch {
	case errors.Is(err, load.ErrConfig):
		return term.Usagef("%w", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return term.FailedCheck(term.RefusedError{Err: err, Network: network, Address: target, Handler: handler})
	}
	return err
}
