package time

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
	"wirelab/cli/term"
	"wirelab/clock/measure"
	"wirelab/clock/ntp"
	"wirelab/clock/probe"
	"wirelab/clock/stamp"
	"wirelab/report"
)

// measureFlags are the flags of time measure.
type measureFlags struct {
	protocol    string
	count       int
	burst       int
	interval    time.Duration
	timeout     time.Duration
	bind        string
	basic       bool
	watch       bool
	allowPublic bool
	family      term.Family
	nts         ntsFlags
	save        term.SaveFlag
}

func (f *measureFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.protocol, "protocol", "", "`protocol` to ask in: stamp or ntp (default ntp for the ports 123 and 12123, else stamp)")
	flags.IntVarP(&f.count, "count", "n", 10, "`number` of samples; with --watch, no limit unless given")
	flags.IntVar(&f.burst, "burst", 1, "`number` of exchanges to a sample, back to back, of which the one of least delay counts")
	flags.DurationVarP(&f.interval, "interval", "i", 100*time.Millisecond, "`time` from one sample to the next; 2s at least for public addresses")
	flags.DurationVarP(&f.timeout, "timeout", "t", time.Second, "the most `time` that an answer may take, at most 4s")
	flags.StringVar(&f.bind, "bind", "", "`address` of this host that requests leave from")
	flags.BoolVar(&f.basic, "basic", false, "do not ask when answers really left (NTP's interleaved mode, STAMP's follow-up telemetry)")
	flags.BoolVar(&f.watch, "watch", false, "show each sample, until Ctrl-C")
	flags.BoolVar(&f.allowPublic, "allow-public", false, "ask public addresses too")
	f.family.Add(cmd)
	f.nts.add(cmd)
	f.save.Add(cmd)
}

func (a *app) newMeasureCommand() *cobra.Command {
	var flags measureFlags
	cmd := &cobra.Command{
		Use:   "measure [HOST[:PORT]...]",
		Short: "Measure how far clocks of other hosts are from this one's",
		Long: `Exchanges packets with each host and says how far its clock is ahead of this one's.
Each exchange has four stamps: T1 and T4 by this host's clock as a request leaves and the
answer comes, T2 and T3 by the other's. The kernel takes ours, on the way to the device
and from it; where it does not, the report says so.

An offset comes with its bound: half of the delay, plus the stamps' errors. Only that is
certain. A way that is always slower than the other shifts every offset, and no two-way
measurement can see it.

NTP servers that know the interleaved mode (RFC 9769) and STAMP reflectors that know
follow-up telemetry (RFC 8972), such as wirelab's own, tell with the next answer when the
last one really left. Others tell before it leaves, which makes the way back look longer.

Of several hosts, measured side by side, it says whose clocks agree, and which are
falsetickers. The exit status is 1 if one did not answer.`,
		Example: "  wirelab time measure                             # the UDP server on this host\n" +
			"  wirelab time measure 127.0.0.1:12123 --burst 4   # wirelab serve ntp\n" +
			"  wirelab time measure 10.64.37.35:123 10.64.37.36:123 10.64.37.37:123\n" +
			"  wirelab time measure 127.0.0.1:12345 --watch",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runMeasure(cmd, &flags, args) },
	}
	flags.add(cmd)
	return cmd
}

// Kinds returns the reports that these commands save, with what prints them.
func Kinds(c *term.Console) []term.SavedKind {
	a := &app{c}
	check := func(saved json.RawMessage) error {
		if err := measure.Check(saved); err != nil {
			return fmt.Errorf("%w: %w", report.ErrReport, err)
		}
		return nil
	}
	return []term.SavedKind{{
		Kind: report.Kind{Schema: measure.Schema, Check: check},
		Printer: func(saved json.RawMessage) (func() error, error) {
			r := new(measure.Report)
			if err := json.Unmarshal(saved, r); err != nil {
				return nil, fmt.Errorf("%w: %w", report.ErrReport, err)
			}
			return func() error { return a.printMeasure(r) }, nil
		},
	}}
}

func (a *app) runMeasure(cmd *cobra.Command, flags *measureFlags, args []string) error {
	hosts, err := a.measured(cmd, flags, args)
	if err != nil {
		return err
	}
	return term.Perform(a.Console, cmd, &flags.save, term.Measurement[*measure.Report]{
		Run: func(ctx context.Context) (*measure.Report, error) {
			show := a.newSampleView(hosts, flags.watch)
			defer show.end()
			for i := range hosts {
				hosts[i].OnSample = show.sample
			}
			r, err := measure.MeasureAll(ctx, hosts)
			return r, explainMeasure(err)
		},
		Print:   a.printMeasure,
		Verdict: measureVerdict,
	})
}

// measureVerdict fails if a host did not answer.
func measureVerdict(ctx context.Context, r *measure.Report) error {
	for _, h := range r.All() {
		if h.Taken == 0 && !r.Interrupted {
			return term.ErrCheckFailed
		}
	}
	return term.Verdict(ctx, r.Interrupted, nil)
}

// maxHosts is how many hosts are measured side by side.
const maxHosts = 32

// measured returns what is to be measured.
func (a *app) measured(cmd *cobra.Command, flags *measureFlags, args []string) ([]measure.Config, error) {
	cfg, err := a.Settings(cmd)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		args = []string{""}
	}
	template, err := flags.config(cmd)
	if err != nil {
		return nil, err
	}
	if len(args) > maxHosts {
		return nil, term.Usagef("%d hosts are more than this measures at a time: %d", len(args), maxHosts)
	}
	var hosts []measure.Config
	for _, arg := range args {
		host := template
		if err := resolveHost(cmd.Context(), cfg, flags, arg, &host); err != nil {
			return nil, err
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

func (f *measureFlags) config(cmd *cobra.Command) (measure.Config, error) {
	c := measure.Config{Count: f.count, Burst: f.burst, Interval: f.interval, Timeout: f.timeout, Basic: f.basic}
	if f.watch && !cmd.Flags().Changed("count") {
		c.Count = 0
	}
	switch {
	case f.count < 1:
		return c, term.Usagef("--count must be at least 1, not %d", f.count)
	case f.burst < 1 || f.burst > 64:
		return c, term.Usagef("--burst must be between 1 and 64, not %d", f.burst)
	case f.interval < 0:
		return c, term.Usagef("--interval must not be negative")
	case f.timeout <= 0 || f.timeout > ntp.MaxTimeout:
		return c, term.Usagef("--timeout must be more than 0 and at most %v: older answers say little about the time", ntp.MaxTimeout)
	}
	if f.bind != "" {
		addr, err := netip.ParseAddr(f.bind)
		if err != nil {
			return c, term.Usagef("--bind takes an address of this host, not %q", f.bind)
		}
		c.From = addr
	}
	return c, nil
}

// resolveHost finds out the address and the protocol of a host: NTP on NTP's ports, unless told.
func resolveHost(ctx context.Context, cfg *config.Config, flags *measureFlags, arg string, host *measure.Config) error {
	address, err := term.Target(cfg, []string{arg})
	if err != nil {
		return err
	}
	if host.Host, err = flags.family.Reach(ctx, "udp", address); err != nil {
		return term.ExplainHost(err)
	}
	host.Protocol = measure.STAMP
	if port := host.Host.Port(); port == ntp.Port || port == ourNTPPort() {
		host.Protocol = measure.NTP
	}
	if flags.protocol != "" {
		if host.Protocol, err = measure.ParseProtocol(flags.protocol); err != nil {
			return term.Usagef("--protocol: %w", err)
		}
		if !strings.HasSuffix(address, ":"+portOf(arg)) { // the argument has none
			host.Host = netip.AddrPortFrom(host.Host.Addr(), usualPort(host.Protocol, cfg))
		}
	}
	host.Name = arg
	if arg == "" {
		host.Name = host.Host.String()
	}
	if probe.Public(host.Host.Addr()) && !flags.allowPublic {
		return term.Usagef("%s is a public address: ask it with --allow-public, once in 2 seconds at most", host.Host.Addr())
	}
	if flags.nts.on {
		return flags.nts.establish(ctx, address, host, flags.protocol == "")
	}
	return nil
}

// portOf returns what follows the last colon of HOST:PORT; "none" without one.
func portOf(arg string) string {
	if i := strings.LastIndexByte(arg, ':'); i >= 0 && !strings.HasSuffix(arg, "]") {
		if _, err := netip.ParseAddr(arg); err != nil {
			return arg[i+1:]
		}
	}
	return "none"
}

// usualPort is where a server of the protocol is that was named without a port.
func usualPort(p measure.Protocol, cfg *config.Config) uint16 {
	if p == measure.NTP {
		return ntp.Port
	}
	return cfg.Client.Port
}

// ourNTPPort is where wirelab's own NTP server listens unless told.
func ourNTPPort() uint16 {
	key, _ := config.Lookup("server.ntp.port")
	port, _ := strconv.ParseUint(key.Default(), 10, 16)
	return uint16(port)
}

// explainMeasure says what to do about hosts of which none answered.
func explainMeasure(err error) error {
	var kiss *ntp.KissError
	switch {
	case err == nil || errors.As(err, &kiss):
		return err
	case errors.Is(err, syscall.ECONNREFUSED):
		var asked *probe.AskError
		if errors.As(err, &asked) {
			return fmt.Errorf("nothing listens at %s; wirelab serve udp answers STAMP, wirelab serve ntp NTP", asked.Peer)
		}
	case errors.Is(err, stamp.ErrEcho):
		return fmt.Errorf("%w; wirelab serve udp --handler timediff is one", err)
	case errors.Is(err, probe.ErrNoAnswer):
		return fmt.Errorf("%w; is the server there, and is it one of the --protocol?", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w; --bind takes an address of this host (see: ip address)", err)
	}
	return err
}
