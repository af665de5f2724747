package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// verdict returns the cells that say what was promised of a ratio and whether it
// holds; both are empty where nothing was.
func verdict(limit float64, kept bool, format string) (promised, held string) {
	if limit == 0 {
		return "", ""
	}
	return fmt.Sprintf(format, limit), holds(kept)
}

// holds says whether a promise was kept.
func holds(kept bool) string {
	if kept {
		return "holds"
	}
	return "**does not hold**"
}

func ratioCell(s spread) string {
	return fmt.Sprintf("**%.3f** (%.3f–%.3f)", s.median, s.low, s.high)
}

// spreadCell writes a median and its ends with that format.
func spreadCell(s spread, format string) string {
	return fmt.Sprintf(format+" ("+format+"–"+format+")", s.median, s.low, s.high)
}

func writePairs(text *strings.Builder, pairs []pair) {
	if len(pairs) == 0 {
		return
	}
	fmt.Fprintf(text, `
## Server CPU for a TCP echo

%d bytes to and fro, closed loop, all connections busy, every byte compared but in the rows marked *, whose generator only counts. Microseconds of the server's CPU for each request, user and system;
median (least–most) of %d rounds, in which both servers take turns. The ratio is that of the two in the same round.

| Connections | Server | us/request | requests/s | Against | us/request | requests/s | Ratio | Promised | |
|---|---|---|---|---|---|---|---|---|---|
`, pairs[0].load.Size, len(pairs[0].subjects))
	for _, p := range pairs {
		ratio := p.ratio()
		promised, held := verdict(p.limit, ratio.median <= p.limit, "≤ %.2f")
		fmt.Fprintf(text, "| %d%s | %s | %s | %.0f | %s | %s | %.0f | %s | %s | %s |\n", p.load.Connections, p.load.mark(),
			p.subject, cpuCell(p.subjects), spreads(p.subjects, sample.requestsPerSecond).median,
			p.baseline, cpuCell(p.baselines), spreads(p.baselines, sample.requestsPerSecond).median,
			ratioCell(ratio), promised, held)
	}
}

func cpuCell(samples []sample) string {
	return spreadCell(spreads(samples, sample.cpuPerRequest), "%.2f")
}

func writeTails(text *strings.Builder, t *tails) {
	if t == nil || len(t.samples) == 0 {
		return
	}
	fmt.Fprintf(text, `
## Tail of latencies at half of the saturating rate

%d bytes to and fro on %d connections, open loop: %d requests a second in all, half of what the fastest of the others (%s) reaches in a
closed loop. The first second begins when all have connected at once, the other figures are of the %v after it. Latency in microseconds from the time
at which a request was due, as the generator in C sees it; median (least–most) of the rounds, in which all servers take turns. The ratios are those of
the p99 to the one of the best of the others in the same round: %s, and in the first second %s. What is promised is promised of both. Late
is the share of requests that the generator itself sent over 1 ms after they were due: those wait for a processor, whoever has it.

| Server | p50 | p99 | Ratio | p99 of the first second | Ratio | Late | Promised | |
|---|---|---|---|---|---|---|---|---|
`, messageSize, tailConnections, t.rate, t.rated, tailTime, t.best(tail.p99), t.best(tail.firstP99))
	ours, others := tailPeers()
	for _, name := range append(ours, others...) {
		if len(t.samples[name]) > 0 {
			writeTail(text, t, name, slices.Contains(ours, name))
		}
	}
}

func writeTail(text *strings.Builder, t *tails, name string, ours bool) {
	limit := 0.0
	if ours && t.best(tail.p99) != "" {
		limit = 1
	}
	samples, ratio, firstRatio := t.samples[name], t.ratio(name, tail.p99), t.ratio(name, tail.firstP99)
	promised, held := verdict(limit, max(ratio.median, firstRatio.median) <= limit, "≤ %.2f")
	fmt.Fprintf(text, "| %s | %s | %s | %s | %s | %s | %.2f %% | %s | %s |\n", name, spreadCell(spreads(samples, tail.p50), "%.0f"),
		spreadCell(spreads(samples, tail.p99), "%.0f"), ratioCell(ratio), spreadCell(spreads(samples, tail.firstP99), "%.0f"), ratioCell(firstRatio),
		spreads(samples, tail.late).median, promised, held)
}

func writeHeld(text *strings.Builder, all []held) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(text, `
## Memory of silent connections

Resident memory of the server in MB (10^6 bytes), and bytes that each connection added to the idle server, median (least–most) of %d rounds; with
connections that never said anything, and with connections that had one message answered a second before. What is promised is promised of both.

| Connections | Server | never spoke | each | spoke once | each | Threads | Promised | |
|---|---|---|---|---|---|---|---|---|
`, holdingRounds)
	for _, h := range all {
		silent, spoken := h.each(h.silent), h.each(h.spoken)
		threads := spreads(h.spoken, func(s sample) float64 { return float64(s.Server.Threads) })
		promised, kept := verdict(float64(h.limit), max(silent.median, spoken.median) <= float64(h.limit), "≤ %.0f each")
		if h.total > 0 {
			most := max(h.resident(h.silent).median, h.resident(h.spoken).median)
			promised, kept = verdict(float64(h.total)/1e6, most <= float64(h.total), "≤ %.0f MB")
		}
		fmt.Fprintf(text, "| %d | %s | %.1f | %s | %.1f | %s | %.0f | %s | %s |\n", h.connections, h.peer,
			h.resident(h.silent).median/1e6, spreadCell(silent, "%.0f"), h.resident(h.spoken).median/1e6, spreadCell(spoken, "%.0f"),
			threads.median, promised, kept)
	}
}

func writeFloods(text *strings.Builder, f *floods) {
	if f == nil || len(f.samples) == 0 {
		return
	}
	fmt.Fprintf(text, `
## UDP, one way

Datagrams of %d bytes on 127.0.0.1, each sender to its own kind of receiver, as fast as it can for %v; median (least–most) of the rounds, in which
all take turns. The ratio is that of datagrams sent a second, in the same round. Of ours, each datagram sent is accounted for: it arrived, or
the receiver's kernel dropped it, or it was lost elsewhere. sockperf does not say what arrived.

| Sender | datagrams/s | arrived | Ratio | to | Promised | |
|---|---|---|---|---|---|---|
`, messageSize, floodTime)
	promises := map[string]struct {
		limit  float64
		others []string
	}{
		"wirelab, GSO and GRO": {20, []string{"iperf3"}},
		"wirelab, without":     {1.1, []string{"iperf3", "sockperf"}},
	}
	for _, c := range contenders() {
		samples := f.samples[c.name]
		if len(samples) == 0 {
			continue
		}
		arrived := "not known"
		if !samples[0].Unknown {
			arrived = fmt.Sprintf("%.1f %%", 100*spreads(samples, flood.received).median)
		}
		ratioText, best, promised, held := "", "", "", ""
		if p, ok := promises[c.name]; ok {
			var ratio spread
			if ratio, best = f.ratio(c.name, p.others...); best != "" {
				ratioText = spreadCell(ratio, "%.2f")
				promised, held = verdict(p.limit, ratio.median >= p.limit, "≥ %.1f")
			}
		}
		fmt.Fprintf(text, "| %s | %s | %s | %s | %s | %s | %s |\n", c.name,
			spreadCell(spreads(samples, flood.perSecond), "%.0f"), arrived, ratioText, best, promised, held)
	}
}

func writeCosts(text *strings.Builder, c *costs) {
	if c == nil {
		return
	}
	fmt.Fprintf(text, `
## CPU of the load generator

1000 connections, closed loop, against %s, every byte compared. Microseconds of the generator's CPU for each request, with all that the process
did from its start to its end; median (least–most) of %d rounds, in which both take turns.

| Generator | us/request | Against | us/request | Ratio | Promised | |
|---|---|---|---|---|---|---|
`, costServer, len(c.ours))
	for _, row := range []struct {
		name string
		ours []cost
	}{{"wirelab load, a loop a core", c.ours}, {"wirelab load, one loop", c.oneLoop}} {
		ratio := ratios(row.ours, cost.perRequest, c.theirs, cost.perRequest)
		fmt.Fprintf(text, "| %s | %s | C epoll, one loop | %s | %s | ≤ %.2f | %s |\n", row.name,
			spreadCell(spreads(row.ours, cost.perRequest), "%.2f"), spreadCell(spreads(c.theirs, cost.perRequest), "%.2f"),
			ratioCell(ratio), costLimit, holds(ratio.median <= costLimit))
	}
}

// writeMissing names what was not measured, for a table that lacks a row looks
// like one that never had it.
func writeMissing(text *strings.Builder, r *results) {
	all := slices.Clone(r.missing)
	add := func(of string, failed map[string]error) {
		for _, name := range slices.Sorted(maps.Keys(failed)) {
			all = append(all, missing{of + ", " + name, failed[name]})
		}
	}
	if r.tails != nil {
		add("tail of latencies", r.tails.missing)
	}
	if r.floods != nil {
		add("UDP", r.floods.missing)
	}
	if len(all) == 0 {
		return
	}
	text.WriteString("\n## Not measured\n\n")
	for _, m := range all {
		why := []rune(strings.Join(strings.Fields(m.why.Error()), " "))
		fmt.Fprintf(text, "- %s: %s\n", m.what, string(why[:min(len(why), 400)]))
	}
}
