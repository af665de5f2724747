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

// Templates are measured by the benchmarks of package packet, since no other
// program has anything like them: what was promised is a rate.
var templatePromises = [...]templateResult{
	{benchmark: "BenchmarkFill", what: "fill a template: 60 bytes, address and port vary, two checksums", promised: 30},
	{benchmark: "BenchmarkAppend", what: "build a packet from its compiled description", promised: 1},
	{benchmark: "BenchmarkScanVerify", what: "find the headers of a frame and judge its checksums", promised: 0},
	{benchmark: "BenchmarkSummary", what: "find the headers of a frame and say in one line what it is", promised: 0},
}

// A templateResult is one of those rates, in millions a second on one core.
type templateResult struct {
	benchmark, what string
	promised        float64
	rates           []float64
}

func (t *templateResult) median() float64 { return spreadOf(t.rates).median }

// measureTemplates runs the benchmarks, each rounds times.
func (b *bench) measureTemplates(ctx context.Context) ([]templateResult, error) {
	results := slices.Clone(templatePromises[:])
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^Benchmark(Fill|Append|ScanVerify|Summary)$",
		"-cpu", "1", "-benchtime", "200ms", "-count", strconv.Itoa(b.rounds), "./packet")
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test: %w: %s", err, bytes.TrimSpace(out))
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		for i := range results {
			if len(words) >= 4 && words[0] == results[i].benchmark && words[3] == "ns/op" {
				ns, err := strconv.ParseFloat(words[2], 64)
				if err != nil {
					return nil, err
				}
				results[i].rates = append(results[i].rates, 1e3/ns)
			}
		}
	}
	for _, r := range results {
		if len(r.rates) != b.rounds {
			return nil, fmt.Errorf("%s was measured %d times, not %d", r.benchmark, len(r.rates), b.rounds)
		}
	}
	return results, nil
}

// writeTemplates writes the rates.
func writeTemplates(text *strings.Builder, results []templateResult) {
	if results == nil {
		return
	}
	fmt.Fprintf(text, `
## Packets

Millions a second on one core, without allocation; median of %d rounds.

| | M/s | Promised | |
|---|---|---|---|
`, len(results[0].rates))
	for _, r := range results {
		promised, held := "", ""
		if r.promised > 0 {
			promised, held = fmt.Sprintf("≥ %.0f", r.promised), holds(r.median() >= r.promised)
		}
		fmt.Fprintf(text, "| %s | %.1f | %s | %s |\n", r.what, r.median(), promised, held)
	}
}
