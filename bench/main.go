// Command bench measures wirelab's servers against their peers: the same load,
// in turns, on the same machine, and what it cost the server.
//
//	go run . -wirelab ../wirelab -o RESULTS.md
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

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
	flags.StringVar(&o.only, "only", "", "measure only what has `text` in a server's name")
	flags.IntVar(&o.rounds, "rounds", 7, "how often each pair is measured")
	flags.IntVar(&o.requests, "requests", 200000, "requests in a run, over all connections")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || o.rounds < 1 || o.requests < 1 {
		return o, fmt.Errorf("unexpected arguments %q, or a number below 1", flags.Args())
	}
	o.wirelab, err = filepath.Abs(o.wirelab)
	return o, err
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
	b := &bench{built: built, rounds: o.rounds, progress: stderr}
	pairs, held, err := b.measureAll(ctx, o)
	if err != nil {
		return err
	}
	command := fmt.Sprintf("go -C bench run . -rounds %d -requests %d", o.rounds, o.requests)
	var report bytes.Buffer
	if err := writeReport(&report, thisMachine(o.wirelab, command), pairs, held); err != nil {
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
	names := []string{generator}
	for _, p := range peers() {
		names = append(names, p.program)
	}
	return names
}

// measureAll measures every comparison and holding that the options leave.
func (b *bench) measureAll(ctx context.Context, o options) ([]pair, []held, error) {
	var pairs []pair
	for _, c := range comparisons(o.requests) {
		if !strings.Contains(c.subject+"\n"+c.baseline, o.only) {
			continue
		}
		p, err := b.compare(ctx, c)
		if err != nil {
			return nil, nil, err
		}
		pairs = append(pairs, p)
	}
	var all []held
	for _, h := range holdings() {
		if !strings.Contains(h.peer, o.only) {
			continue
		}
		result, err := b.hold(ctx, h)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, result)
	}
	return pairs, all, nil
}
