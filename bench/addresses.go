package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// addressPromise is how much of the time of `ip -batch` a change of 1,000 addresses
// and 1,000 routes may take: parsed, planned, made, read back and compared.
const addressPromise = 0.3

// An addressResult is what the benchmark of package address measured, in turns with
// ip-batch: seconds of both, and their ratio.
type addressResult struct{ ours, theirs, ratios []float64 }

// measureAddresses runs that benchmark, rounds times. It needs a network namespace.
func (b *bench) measureAddresses(ctx context.Context) (*addressResult, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkThousand$", "-benchtime", "3x", "-count", strconv.Itoa(b.rounds), "./address")
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test: %w: %s", err, bytes.TrimSpace(out))
	}
	r := &addressResult{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		for unit, into := range map[string]*[]float64{"ours-s/op": &r.ours, "ip-s/op": &r.theirs, "ratio": &r.ratios} {
			i := slices.Index(words, unit)
			if i < 1 {
				continue
			}
			value, err := strconv.ParseFloat(words[i-1], 64)
			if err != nil {
				return nil, err
			}
			*into = append(*into, value)
		}
	}
	if len(r.ratios) != b.rounds {
		return nil, fmt.Errorf("it was measured %d times, not %d: %s", len(r.ratios), b.rounds, bytes.TrimSpace(out))
	}
	return r, nil
}

// writeAddresses writes the times and their ratio.
func writeAddresses(text *strings.Builder, r *addressResult) {
	if r == nil {
		return
	}
	ratio := spreadOf(r.ratios)
	fmt.Fprintf(text, `
## Addresses

1,000 addresses and 1,000 routes on one link; median of %d rounds.

| wirelab, s | ip -batch, s | Ratio | Promised | |
|---|---|---|---|---|
| %.3f | %.3f | %s | ≤ %.2f | %s |
`, len(r.ratios), spreadOf(r.ours).median, spreadOf(r.theirs).median, ratioCell(ratio), addressPromise, holds(ratio.median <= addressPromise))
}
