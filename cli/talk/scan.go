package talk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/internal/human"
	"wirelab/load/scan"
	"wirelab/wire"
)

// scanFlags are the flags of connect tcp --scan.
type scanFlags struct {
	on          bool
	parallel    int
	allowPublic bool
}

const (
	defaultParallel    = 256 // ports at once
	maxParallel        = 4096
	defaultScanTimeout = time.Second
)

func (f *scanFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.on, "scan", false, "say which ports are open, of HOST:PORT,FROM-TO")
	flags.IntVar(&f.parallel, "parallel", defaultParallel, "with --scan: try so many `ports` at once")
	flags.BoolVar(&f.allowPublic, "allow-public", false, "with --scan: scan public addresses too")
}

// scanReport is what --scan -o json prints.
type scanReport struct {
	Schema   string        `json:"schema"` // "wirelab.scan/1"
	Host     string        `json:"host"`
	Address  string        `json:"address"`
	Asked    int           `json:"ports_asked"`
	Open     int           `json:"open"`
	Closed   int           `json:"closed"`
	Filtered int           `json:"filtered"`
	Elapsed  float64       `json:"elapsed_s"`
	Ports    []scannedPort `json:"ports"` // all that are not closed
}

type scannedPort struct {
	Port      uint16     `json:"port"`
	State     scan.State `json:"state"`
	ConnectUS int64      `json:"connect_us,omitempty"` // of an open port
	Error     string     `json:"error,omitempty"`      // why it is filtered, unless by silence
}

// runScan scans ports of one host.
func (a *app) runScan(cmd *cobra.Command, target string, f *connectFlags) error {
	host, cfg, err := f.scanConfig(cmd.Context(), target)
	if err != nil {
		return err
	}
	progress := a.Progress(term.Plan{Label: "scan of " + host, Unit: "ports", Total: uint64(len(cfg.Ports))})
	cfg.Progress = func(done int) { progress.Update(uint64(done)) }
	begun := time.Now()
	results, err := scan.Run(cmd.Context(), cfg)
	progress.Clear()
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("scan of %s: %w", host, err)
	}
	r := newScanReport(host, cfg, results, time.Since(begun))
	if failed := a.printScan(r); failed != nil || err != nil {
		return errors.Join(failed, err)
	}
	if r.Open == 0 {
		return term.FailedCheck(fmt.Errorf("no port is open of the %d asked for", r.Asked))
	}
	return nil
}

// scanConfig makes of HOST:PORTS and the flags what scan.Run wants.
func (f *connectFlags) scanConfig(ctx context.Context, target string) (host string, cfg scan.Config, err error) {
	colon := strings.LastIndexByte(target, ':')
	if colon < 0 || f.payload != "" || f.hex || f.crlf || f.retry > 0 {
		return "", cfg, term.Usagef("--scan takes HOST:PORTS, as in 127.0.0.1:1-1024, and nothing that is sent")
	}
	host = strings.Trim(target[:colon], "[]")
	cfg = scan.Config{Timeout: cmp.Or(f.timeout, defaultScanTimeout), AtOnce: f.scan.parallel}
	if cfg.Ports, err = scan.ParsePorts(target[colon+1:]); err != nil {
		return "", cfg, term.Usagef("%w", err)
	}
	source, err := f.scanFrom(&cfg)
	if err != nil {
		return "", cfg, err
	}
	all, err := f.family.Of(source).Lookup(ctx, net.JoinHostPort(host, "1"))
	if err != nil {
		return "", cfg, term.ExplainHost(err)
	}
	cfg.Host = all[0].Addr()
	if !f.scan.allowPublic && !wire.Harmless(cfg.Host) {
		return "", cfg, term.Usagef("%s is a public address (%s): it is scanned only with --allow-public", host, cfg.Host)
	}
	return host, cfg, nil
}

// scanFrom makes the scan's dialer, and returns the address that it connects from.
func (f *connectFlags) scanFrom(cfg *scan.Config) (source netip.Addr, err error) {
	options, err := f.socket.Options()
	if err != nil {
		return source, err
	}
	from, err := parseSource(f.source)
	if err != nil || from.Port() != 0 {
		return source, cmp.Or(err, term.Usagef("--source %s: a scan needs many ports of its own; give the address alone", f.source))
	}
	cfg.Dialer.Control = options.Control
	if from.Addr().IsValid() {
		cfg.Dialer.LocalAddr = net.TCPAddrFromAddrPort(from)
	}
	return from.Addr(), nil
}

func newScanReport(host string, cfg scan.Config, results []scan.Result, elapsed time.Duration) scanReport {
	r := scanReport{Schema: "wirelab.scan/1", Host: host, Address: cfg.Host.String(), Asked: len(cfg.Ports), Elapsed: elapsed.Seconds(), Ports: []scannedPort{}}
	for _, p := range results {
		one := scannedPort{Port: p.Port, State: p.State}
		switch p.State {
		case scan.Open:
			r.Open++
			one.ConnectUS = p.Took.Microseconds()
		case scan.Filtered:
			r.Filtered++
			if p.Err != nil {
				one.Error = p.Err.Error()
			}
		default:
			r.Closed++
			continue
		}
		r.Ports = append(r.Ports, one)
	}
	return r
}

// printScan prints the open ports, each with the time of its handshake, and what the others are.
func (a *app) printScan(r scanReport) error {
	if a.JSON {
		return a.PrintJSON(r)
	}
	tab := term.NewTable(">PORT", "STATE", ">CONNECT")
	shown := 0
	for _, p := range r.Ports {
		if p.State == scan.Open {
			tab.Row(p.Port, p.State, human.Micros(float64(p.ConnectUS)))
			shown++
		}
	}
	if shown > 0 {
		if err := tab.Write(a.Stdout, term.Room(a.Stdout), a.Colors(a.Stdout)); err != nil {
			return err
		}
	}
	unasked := ""
	if rest := r.Asked - r.Open - r.Closed - r.Filtered; rest > 0 {
		unasked = ", " + strconv.Itoa(rest) + " not tried"
	}
	filtered := ""
	if r.Filtered > 0 {
		filtered = " (" + filteredPorts(r) + ")"
	}
	_, err := fmt.Fprintf(a.Stdout, "%s: %d open, %d closed, %d filtered%s%s, in %s\n", r.Host, r.Open, r.Closed, r.Filtered, filtered, unasked,
		term.Duration(time.Duration(r.Elapsed*float64(time.Second))))
	return err
}

// filteredPorts returns the filtered ports as ranges, not too many.
func filteredPorts(r scanReport) string {
	var ranges []string
	first, last := 0, -1
	flush := func() {
		switch {
		case last < 0:
		case first == last:
			ranges = append(ranges, strconv.Itoa(first))
		default:
			ranges = append(ranges, fmt.Sprintf("%d-%d", first, last))
		}
	}
	for _, p := range r.Ports {
		if p.State != scan.Filtered {
			continue
		}
		if int(p.Port) != last+1 || last < 0 {
			flush()
			first = int(p.Port)
		}
		last = int(p.Port)
	}
	flush()
	const most = 10
	if len(ranges) > most {
		return strings.Join(ranges[:most], ",") + ",…"
	}
	return strings.Join(ranges, ",")
}
