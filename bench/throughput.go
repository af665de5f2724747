package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const throughputTime = 2 * time.Second

// throughputLimit is the least that ours is to reach by what iperf3 does in turn.
const throughputLimit = 1.0

// A throughputCase is how bytes go over TCP.
type throughputCase struct {
	connections int
	reverse     bool // the server sends
}

func throughputCases() []throughputCase {
	return []throughputCase{{1, false}, {1, true}, {8, false}, {8, true}}
}

func (c throughputCase) direction() string {
	if c.reverse {
		return "from the server"
	}
	return "to the server"
}

// carried is what one run carried, in bit/s.
type carried float64

func (c carried) perSecond() float64 { return float64(c) }

// throughputs are the runs of one case, ours and those of iperf3 in the same rounds.
type throughputs struct {
	throughputCase
	ours, iperf []carried
}

// measureThroughput measures all cases, in each of which both take turns.
func (b *bench) measureThroughput(ctx context.Context) ([]throughputs, error) {
	path, err := exec.LookPath("iperf3")
	if err != nil {
		return nil, err
	}
	var all []throughputs
	for _, c := range throughputCases() {
		sum := throughputs{throughputCase: c}
		sample := func(into *[]carried, run func(context.Context, throughputCase) (carried, error), name string) func(int) error {
			return func(round int) error {
				v, err := run(ctx, c)
				*into = append(*into, v)
				fmt.Fprintf(b.progress, "round %d of %d, throughput, %d connections %s, %s: %.2f Gbit/s\n", round, b.rounds, c.connections, c.direction(), name, v/1e9)
				return err
			}
		}
		iperf := func(ctx context.Context, c throughputCase) (carried, error) { return b.iperf(ctx, path, c) }
		if err := b.turns(ctx, sample(&sum.ours, b.throughput, "wirelab"), sample(&sum.iperf, iperf, "iperf3")); err != nil {
			return all, err
		}
		all = append(all, sum)
	}
	return all, nil
}

// between starts a server, and runs a client until it has said what was carried.
func (b *bench) between(ctx context.Context, path, server, client string) ([]byte, error) {
	dir := filepath.Dir(b.built[closedLoop])
	srv, err := startProgram(ctx, peer{name: path, arguments: strings.Fields(server)}, path, dir)
	if err != nil {
		return nil, err
	}
	defer srv.stop()
	arguments := peer{arguments: strings.Fields(client)}
	cmd := exec.CommandContext(ctx, path, arguments.argumentsFor(srv.port)...)
	cmd.Dir = dir
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, firstWords(err, output))
	}
	return output, nil
}

func (b *bench) throughput(ctx context.Context, c throughputCase) (carried, error) {
	client := fmt.Sprintf("load tcp 127.0.0.1:{port} --throughput --clients %d --duration %v -o json", c.connections, throughputTime)
	if c.reverse {
		client += " --reverse"
	}
	output, err := b.between(ctx, b.built[wirelab], "serve tcp --bind 127.0.0.1 --port {port} --handler throughput", client)
	if err != nil {
		return 0, err
	}
	return parseThroughput(output)
}

func parseThroughput(output []byte) (carried, error) {
	type way struct {
		Sent     uint64  `json:"sent_bytes"`
		Received uint64  `json:"received_bytes"`
		BitsPerS float64 `json:"bits_per_s"`
	}
	var r struct{ Up, Down way }
	if err := json.Unmarshal(output, &r); err != nil {
		return 0, err
	}
	if r.Up.Sent != r.Up.Received || r.Down.Sent != r.Down.Received || r.Up.Sent+r.Down.Sent == 0 {
		return 0, errors.New("both ends do not count the same")
	}
	return carried(r.Up.BitsPerS + r.Down.BitsPerS), nil
}

func (b *bench) iperf(ctx context.Context, path string, c throughputCase) (carried, error) {
	client := "-c 127.0.0.1 -p {port} -J -t " + strconv.Itoa(int(throughputTime.Seconds())) + " -P " + strconv.Itoa(c.connections)
	if c.reverse {
		client += " -R"
	}
	output, err := b.between(ctx, path, "-s -B 127.0.0.1 -p {port}", client)
	if err != nil {
		return 0, err
	}
	return parseIperfThroughput(output)
}

func parseIperfThroughput(output []byte) (carried, error) {
	var r struct {
		End struct {
			Received struct {
				BitsPerS float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		}
		Error string
	}
	if err := json.Unmarshal(output, &r); err != nil {
		return 0, err
	}
	if r.Error != "" || r.End.Received.BitsPerS == 0 {
		return 0, fmt.Errorf("iperf3 carried nothing: %s", r.Error)
	}
	return carried(r.End.Received.BitsPerS), nil
}

func writeThroughput(text *strings.Builder, all []throughputs) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(text, `
## Throughput over TCP

Bytes one way over 127.0.0.1 for %v, 128 KiB at once, between two processes; Gbit/s that were received, median (least–most) of the rounds, in which both take turns. Both
copy what they receive. The ratio is that of the two in the same round.

| Connections | Direction | wirelab | iperf3 | Ratio | Promised | |
|---|---|---|---|---|---|---|
`, throughputTime)
	gigabits := func(runs []carried) string {
		return spreadCell(spreads(runs, func(c carried) float64 { return c.perSecond() / 1e9 }), "%.2f")
	}
	for _, t := range all {
		ratio := ratios(t.ours, carried.perSecond, t.iperf, carried.perSecond)
		promised, held := verdict(throughputLimit, ratio.median >= throughputLimit, "≥ %.1f")
		fmt.Fprintf(text, "| %d | %s | %s | %s | %s | %s | %s |\n", t.connections, t.direction(), gigabits(t.ours), gigabits(t.iperf), ratioCell(ratio), promised, held)
	}
}
