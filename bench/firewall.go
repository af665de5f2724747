package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A firewallResult is a ratio to nft, or a time, with what was promised of it.
type firewallResult struct {
	what     string
	unit     string // "": a ratio
	promised float64
	values   []float64
}

// measureFirewall loads firewalls, ours and nft in turn: as whole commands, and by the
// benchmarks of firewall/kernel and firewall/trial, which need root as well.
func (b *bench) measureFirewall(ctx context.Context) ([]firewallResult, error) {
	results, err := b.measureRules(ctx)
	if err != nil {
		return nil, err
	}
	command := firewallResult{what: "10,000 rules, whole command, to nft -f of the exported script", promised: 0.55}
	for range b.rounds {
		ratio, err := b.applyOnce(ctx)
		if err != nil {
			return nil, err
		}
		command.values = append(command.values, ratio)
	}
	return append(results, command), nil
}

// measureRules runs the benchmarks and takes what they report.
func (b *bench) measureRules(ctx context.Context) ([]firewallResult, error) {
	results := []firewallResult{
		{what: "10,000 rules, the netlink part, to nft -f", promised: 0.4},
		{what: "100,000 addresses, to nft -f", promised: 0.25},
		{what: "100,000 prefixes, to nft -f", promised: 0.3},
		{what: "change one rule of 10,000, after another by the same process", unit: " ms", promised: 45},
		{what: "change one rule of 10,000, which the kernel lists first", unit: " ms", promised: 45},
		{what: "a new flow through 1,000 pairs, to one through a single rule", promised: 1.3},
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^Benchmark(Load|ChangeOne|NewFlow)$",
		"-count", strconv.Itoa(b.rounds), "./firewall/kernel", "./firewall/trial")
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test: %w: %s", err, bytes.TrimSpace(out))
	}
	var one, many []float64 // new flows
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 4 {
			continue
		}
		perOp, _ := strconv.ParseFloat(words[2], 64)
		ratio := before(words, "ratio")
		switch name := words[0]; {
		case strings.Contains(name, "10000rules"):
			results[0].values = append(results[0].values, ratio)
		case strings.Contains(name, "100000addresses"):
			results[1].values = append(results[1].values, ratio)
		case strings.Contains(name, "100000prefixes"):
			results[2].values = append(results[2].values, ratio)
		case strings.Contains(name, "ChangeOne/remembered"):
			results[3].values = append(results[3].values, perOp/1e6)
		case strings.Contains(name, "ChangeOne/listed"):
			results[4].values = append(results[4].values, perOp/1e6)
		case strings.Contains(name, "1rule"):
			one = append(one, perOp)
		case strings.Contains(name, "1000pairs"):
			many = append(many, perOp)
		}
	}
	for i := range min(len(one), len(many)) {
		results[5].values = append(results[5].values, many[i]/one[i])
	}
	return results, nil
}

// before returns the number in front of a word.
func before(words []string, unit string) float64 {
	for i, word := range words {
		if word == unit && i > 0 {
			n, _ := strconv.ParseFloat(words[i-1], 64)
			return n
		}
	}
	return 0
}

// applyOnce applies 10,000 rules in a network namespace, then loads the exported
// script in another, and returns the ratio of the times.
func (b *bench) applyOnce(ctx context.Context) (float64, error) {
	dir, err := os.MkdirTemp("", "wirelab-firewall-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	var policy strings.Builder
	policy.WriteString("firewall:\n  in:\n")
	for i := range 10000 { // neighbours of two shapes, so that none are merged
		rule := fmt.Sprintf("accept tcp/%d from 10.%d.%d.%d", 1+i%60000, i>>16, i>>8&255, i&255)
		if i%2 == 1 {
			rule = strings.Replace(rule, "tcp", "udp", 1)
		}
		fmt.Fprintf(&policy, "    - %s\n", rule)
	}
	config, script := filepath.Join(dir, "wirelab.yaml"), filepath.Join(dir, "rules.nft")
	if err := os.WriteFile(config, []byte(policy.String()), 0o600); err != nil {
		return 0, err
	}
	text, err := exec.CommandContext(ctx, b.built[wirelab], "firewall", "export", "--config", config).Output()
	if err == nil {
		err = os.WriteFile(script, text, 0o600)
	}
	if err != nil {
		return 0, err
	}
	ours, err := timed(ctx, "unshare", "-n", b.built[wirelab], "firewall", "apply", "--yes", "--config", config, "--state", filepath.Join(dir, "state"))
	if err != nil {
		return 0, err
	}
	theirs, err := timed(ctx, "unshare", "-n", "nft", "-f", script)
	return ours.Seconds() / theirs.Seconds(), err
}

func timed(ctx context.Context, name string, args ...string) (time.Duration, error) {
	started := time.Now()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return time.Since(started), err
}

// writeFirewall writes the ratios.
func writeFirewall(text *strings.Builder, results []firewallResult) {
	if results == nil {
		return
	}
	text.WriteString("\n## Firewall\n\nRatios of times in one run, ours to nft's; below 1 ours is faster.\n\n| | Median (lowest–highest) | Promised | |\n|---|---|---|---|\n")
	for _, r := range results {
		s := spreadOf(r.values)
		fmt.Fprintf(text, "| %s | **%.2f**%s (%.2f–%.2f) | ≤ %g%s | %s |\n", r.what, s.median, r.unit, s.low, s.high, r.promised, r.unit, holds(s.median <= r.promised))
	}
}
