// Command bench measures wirelab's servers against their peers: the same load,
// in turns, on the same machine, and what it cost the server.
//
//	go run . -wirelab ../wirelab -o RESULTS.md
package main

import (
	"bytes"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

// notes is what cannot be measured anew: what was tried, and where the bounds are.
//
//go:embed NOTES.md
var notes string

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	wirelab  string
	output   string
	only     string
	rounds   int
	requests int
}

func parse(arguments []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.wirelab, "wirelab", "../wirelab", "the `program` to measure, as make build makes it")
	flags.StringVar(&o.output, "o", "", "write the report to `file` instead of standard output")
	flags.StringVar(&o.only, "only", "", "measure only what has `text` in a server's name; or tail, udp, throughput, generator, relay, packets, firewall, addresses")
	flags.IntVar(&o.rounds, "rounds", 7, "how often each pair is measured")
	flags.IntVar(&o.requests, "requests", 150000, "requests in a run, over all connections")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || o.rounds < 1 || o.requests < 1 {
		return o, fmt.Errorf("unexpected arguments %q, or a number below 1", flags.Args())
	}
	o.wirelab, err = filepath.Abs(o.wirelab)
	return o, err
}

// command returns what measures the same again.
func (o options) command() string {
	command := fmt.Sprintf("go -C bench run . -rounds %d -requests %d", o.rounds, o.requests)
	if o.only != "" {
		command += fmt.Sprintf(" -only %q", o.only)
	}
	return command
}

func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) error {
	o, err := parse(arguments, stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "wirelab-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	built, err := build(ctx, dir, o.wirelab, allPrograms())
	if err != nil {
		return err
	}
	b := &bench{built: built, rounds: o.rounds, requests: o.requests, only: o.only, progress: stderr}
	all, err := b.measureAll(ctx)
	if err != nil {
		return err
	}
	var report bytes.Buffer
	if err := writeReport(&report, thisMachine(built, o.command()), all, notes); err != nil {
		return err
	}
	if o.output != "" {
		return os.WriteFile(o.output, report.Bytes(), 0o644)
	}
	_, err = stdout.Write(report.Bytes())
	return err
}

// allPrograms names what every peer needs.
func allPrograms() []string {
	names := []string{closedLoop, plainLoop, openLoop}
	for _, p := range peers() {
		names = append(names, p.program)
	}
	return names
}

// results are all that was measured. What could not be is in missing.
type results struct {
	pairs       []pair
	tails       *tails
	held        []held
	floods      *floods
	costs       *costs
	throughputs []throughputs
	relays      *relays
	missing     []missing

	templates []templateResult
	firewall  []firewallResult
	addresses *addressResult
}

// missing is a measurement that came to nothing, and why.
type missing struct {
	what string
	why  error
}

// wanted reports whether the options leave something of that name.
func (b *bench) wanted(names ...string) bool {
	return strings.Contains(strings.Join(names, "\n"), b.only)
}

// comparePairs measures the pairs of TCP servers that the options leave.
func (b *bench) comparePairs(ctx context.Context, r *results, miss func(error, ...string)) {
	for _, c := range comparisons(b.requests) {
		if b.wanted(c.subject, c.baseline) && ctx.Err() == nil {
			p, err := b.compare(ctx, c)
			miss(err, fmt.Sprintf("%d connections, %s", c.load.Connections, c.subject), c.baseline)
			if err == nil {
				r.pairs = append(r.pairs, p)
			}
		}
	}
}

// measureAll measures all that the options leave. What cannot be measured here, for
// want of a kernel's feature or of a program, is missing in the results; the error is
// that of ctx.
func (b *bench) measureAll(ctx context.Context) (*results, error) {
	r := &results{}
	miss := func(err error, what ...string) {
		if err != nil {
			fmt.Fprintf(b.progress, "not measured: %s: %v\n", strings.Join(what, " against "), err)
			r.missing = append(r.missing, missing{strings.Join(what, " against "), err})
		}
	}
	b.comparePairs(ctx, r, miss)
	var err error
	if b.wanted("tail") && ctx.Err() == nil {
		r.tails, err = b.measureTails(ctx)
		miss(err, "tail of latencies")
	}
	for _, h := range holdings() {
		if b.wanted(h.peer) && ctx.Err() == nil {
			held, err := b.hold(ctx, h)
			miss(err, fmt.Sprintf("%d silent connections, %s", h.connections, h.peer))
			if err == nil {
				r.held = append(r.held, held)
			}
		}
	}
	if b.wanted("udp") && ctx.Err() == nil {
		r.floods, err = b.measureFloods(ctx)
		miss(err, "UDP senders")
	}
	if b.wanted("throughput") && ctx.Err() == nil {
		r.throughputs, err = b.measureThroughput(ctx)
		miss(err, "throughput")
	}
	if b.wanted("generator") && ctx.Err() == nil {
		r.costs, err = b.measureCosts(ctx)
		miss(err, "load generators")
		if err != nil {
			r.costs = nil
		}
	}
	if b.wanted("relay") && ctx.Err() == nil {
		r.relays, err = b.measureRelays(ctx)
		miss(err, "wirelab relay", "socat")
	}
	if b.wanted("packets") && ctx.Err() == nil {
		r.templates, err = b.measureTemplates(ctx)
		miss(err, "packets")
	}
	if b.wanted("firewall") && ctx.Err() == nil {
		r.firewall, err = b.measureFirewall(ctx)
		miss(err, "firewall")
	}
	if b.wanted("addresses") && ctx.Err() == nil {
		r.addresses, err = b.measureAddresses(ctx)
		miss(err, "addresses")
	}
	return r, ctx.Err()
}
