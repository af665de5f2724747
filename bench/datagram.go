package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A contender sends datagrams one way to a receiver of its own kind, as fast as it
// can, and says how many it sent.
type contender struct {
	name     string
	program  string   // of the sender and the receiver; found in PATH unless it is ours
	receiver []string // arguments; {port} stands for the receiver's
	sender   []string
	parse    func(output []byte) (flood, error)
}

// A flood is what a sender says of a run.
type flood struct {
	Sent     uint64
	Received uint64 // 0: not known
	Elapsed  time.Duration
	Unknown  bool // what became of what was sent
}

func (f flood) perSecond() float64 { return float64(f.Sent) / f.Elapsed.Seconds() }

// received returns the share of what was sent that arrived.
func (f flood) received() float64 { return float64(f.Received) / float64(f.Sent) }

const floodTime = 2 * time.Second

// contenders returns the senders to measure, ours first.
func contenders() []contender {
	seconds := strconv.Itoa(int(floodTime.Seconds()))
	size := strconv.Itoa(messageSize)
	ours := func(name, receiver, sender string) contender {
		return contender{
			name: name, program: wirelab, parse: parseFast,
			receiver: strings.Fields("serve udp --bind 127.0.0.1 --port {port} --handler discard " + receiver),
			sender:   strings.Fields("load udp 127.0.0.1:{port} --fast --duration " + seconds + "s --size " + size + " -o json " + sender),
		}
	}
	return []contender{
		ours("wirelab, GSO and GRO", "", ""),
		ours("wirelab, without", "--gro=false --gso=false", "--gso=false --gro=false"),
		{
			"iperf3", "iperf3", strings.Fields("-s -B 127.0.0.1 -p {port}"),
			strings.Fields("-c 127.0.0.1 -p {port} -u -b 0 -J -t " + seconds + " -l " + size), parseIperf,
		},
		{
			"sockperf", "sockperf", strings.Fields("server -i 127.0.0.1 -p {port}"),
			strings.Fields("throughput -i 127.0.0.1 -p {port} -t " + seconds + " -m " + size), parseSockperf,
		},
	}
}

// parseFast reads the report of `wirelab load udp --fast`. Each datagram must be
// accounted for.
func parseFast(output []byte) (flood, error) {
	var r struct {
		Sent     uint64  `json:"sent"`
		ElapsedS float64 `json:"elapsed_s"`
		Receiver *struct {
			Distinct        uint64 `json:"distinct"`
			DroppedByKernel uint64 `json:"dropped_by_kernel"`
			LostElsewhere   uint64 `json:"lost_elsewhere"`
		} `json:"receiver"`
	}
	if err := json.Unmarshal(output, &r); err != nil {
		return flood{}, err
	}
	f := flood{Sent: r.Sent, Elapsed: time.Duration(r.ElapsedS * float64(time.Second)), Unknown: r.Receiver == nil}
	if r.Receiver != nil {
		f.Received = r.Receiver.Distinct
		if sum := r.Receiver.Distinct + r.Receiver.DroppedByKernel + r.Receiver.LostElsewhere; sum != r.Sent {
			return f, fmt.Errorf("of %d datagrams sent, %d are accounted for", r.Sent, sum)
		}
	}
	return f, f.check()
}

func parseIperf(output []byte) (flood, error) {
	type sum struct {
		Seconds float64 `json:"seconds"`
		Packets uint64  `json:"packets"`
		Lost    uint64  `json:"lost_packets"`
	}
	var r struct {
		End struct {
			Sent     sum `json:"sum_sent"`
			Received sum `json:"sum_received"`
		} `json:"end"`
		Error string `json:"error"`
	}
	if err := json.Unmarshal(output, &r); err != nil {
		return flood{}, err
	}
	if r.Error != "" {
		return flood{}, errors.New(r.Error)
	}
	end := r.End
	f := flood{Sent: end.Sent.Packets, Elapsed: time.Duration(end.Sent.Seconds * float64(time.Second))}
	f.Received = end.Received.Packets - min(end.Received.Lost, end.Received.Packets)
	return f, f.check()
}

// parseSockperf reads "Total of 290932 messages sent in 1.000 sec".
func parseSockperf(output []byte) (flood, error) {
	words := regexp.MustCompile(`Total of ([0-9]+) messages sent in ([0-9.]+) sec`).FindSubmatch(output)
	if words == nil {
		return flood{}, errors.New("no total in what it printed")
	}
	sent, err := strconv.ParseUint(string(words[1]), 10, 64)
	seconds, errSeconds := strconv.ParseFloat(string(words[2]), 64)
	f := flood{Sent: sent, Elapsed: time.Duration(seconds * float64(time.Second)), Unknown: true}
	return f, errors.Join(err, errSeconds, f.check())
}

func (f flood) check() error {
	if f.Sent == 0 || f.Elapsed <= 0 {
		return errors.New("nothing was sent")
	}
	return nil
}

// floods are what was measured, by contender.
type floods struct {
	samples map[string][]flood
	missing map[string]error
}

// measureFloods measures all contenders in turn.
func (b *bench) measureFloods(ctx context.Context) (*floods, error) {
	all := &floods{samples: make(map[string][]flood), missing: make(map[string]error)}
	var sides []func(int) error
	for _, c := range contenders() {
		sides = append(sides, func(round int) error { return b.sampleFlood(ctx, all, c, round) })
	}
	return all, b.turns(ctx, sides...)
}

// sampleFlood adds a sample of a contender. One that fails is not tried again.
func (b *bench) sampleFlood(ctx context.Context, all *floods, c contender, round int) error {
	if all.missing[c.name] != nil {
		return nil
	}
	f, err := b.flood(ctx, c)
	if err != nil {
		all.missing[c.name] = err
		delete(all.samples, c.name)
		return ctx.Err()
	}
	all.samples[c.name] = append(all.samples[c.name], f)
	fmt.Fprintf(b.progress, "round %d of %d, UDP, %s: %.0f datagrams/s\n", round, b.rounds, c.name, f.perSecond())
	return nil
}

// flood runs the receiver and then the sender of a contender.
func (b *bench) flood(ctx context.Context, c contender) (flood, error) {
	path := b.built[c.program]
	if c.program != wirelab {
		var err error
		if path, err = exec.LookPath(c.program); err != nil {
			return flood{}, err
		}
	}
	receiver := peer{name: c.name, arguments: c.receiver, datagrams: true}
	srv, err := startProgram(ctx, receiver, path, filepath.Dir(b.built[closedLoop]))
	if err != nil {
		return flood{}, err
	}
	defer srv.stop()
	sender := peer{arguments: c.sender}
	cmd := exec.CommandContext(ctx, path, sender.argumentsFor(srv.port)...)
	cmd.Dir = filepath.Dir(b.built[closedLoop])
	output, err := cmd.Output()
	if err != nil {
		return flood{}, fmt.Errorf("%w: %s", err, firstWords(err, output))
	}
	return c.parse(output)
}

// firstWords returns the beginning of what a program said before it failed.
func firstWords(err error, output []byte) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		output = exit.Stderr
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(output)), "\n")
	return line
}

// ratio returns the datagrams a second of one contender by those of the best of
// others in the same round, and which that is.
func (a *floods) ratio(name string, others ...string) (spread, string) {
	best, most := "", math.Inf(-1)
	for _, other := range others {
		if s := spreads(a.samples[other], flood.perSecond); s.median > most {
			best, most = other, s.median
		}
	}
	if best == "" || len(a.samples[name]) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}, best
	}
	return ratios(a.samples[name], flood.perSecond, a.samples[best], flood.perSecond), best
}
