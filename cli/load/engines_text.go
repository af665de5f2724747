package load

import (
	"fmt"
	"strings"
	"time"

	"wirelab/cli/term"
	"wirelab/load/engines"
)

func (a *app) printEngines(r *engines.Report) error {
	if a.JSON {
		return a.PrintJSON(r)
	}
	var b strings.Builder
	rounds := term.Counted(uint64(max(r.Rounds, 0)), "round")
	if r.Interrupted {
		rounds = "the rounds so far (interrupted)"
	}
	fmt.Fprintf(&b, "%s, %s a run, median of %s", term.Bytes(uint64(max(r.SizeBytes, 0))),
		term.Duration(time.Duration(r.DurationS*float64(time.Second))), rounds)
	b.WriteString("\nCPU and SWITCHES are the server's, for each request; ± is the farthest round\n")
	for _, s := range r.Skipped {
		b.WriteString(term.Fitted(term.OneLine(fmt.Sprintf("%s is not measured: %s", s.Engine, s.Reason)), a.Stdout) + "\n")
	}
	p := a.Colors(a.Stdout)
	for _, group := range engineGroups(r) {
		b.WriteString("\n" + p.Bold(engineHeading(group[0])) + "\n")
		if err := engineResults(group, r.SizeBytes).Write(&b, term.Room(a.Stdout), p); err != nil {
			return err
		}
		for _, e := range group {
			if e.Error != "" {
				b.WriteString(term.Fitted(term.OneLine(e.Engine+": "+e.Error), a.Stdout) + "\n")
			}
		}
	}
	_, err := fmt.Fprint(a.Stdout, b.String())
	return err
}

// engineGroups returns the results of each trial, in the order of their first.
func engineGroups(r *engines.Report) [][]engines.Result {
	var groups [][]engines.Result
	index := make(map[engines.Trial]int)
	for _, e := range r.Results {
		t := engines.Trial{Mode: e.Mode, Connections: e.Connections}
		i, have := index[t]
		if !have {
			i = len(groups)
			index[t] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], e)
	}
	return groups
}

func engineHeading(e engines.Result) string {
	names := map[engines.Mode]string{engines.PingPong: "Ping-pong", engines.Flood: "Flood", engines.Idle: "Idle"}
	return fmt.Sprintf("%s, %s", names[e.Mode], term.Counted(uint64(max(e.Connections, 0)), "connection"))
}

// engineColumn is a figure of engines, with its spread beside it or without.
type engineColumn struct {
	heading string
	figure  func(engines.Result) *engines.Measured
	format  func(float64) string
	spread  bool
}

// engineColumns returns what is shown of a mode. A flood's messages of that size are
// for a server nothing but bytes: what it costs is shown for a megabyte.
func engineColumns(mode engines.Mode, size int) []engineColumn {
	count := func(v float64) string { return term.Count(uint64(max(v, 0) + 0.5)) }
	volume := func(v float64) string { return term.Bytes(uint64(max(v, 0))) }
	requests := func(e engines.Result) *engines.Measured { return e.RequestsPerS }
	cpu := func(e engines.Result) *engines.Measured { return e.CPUUS }
	switches := func(e engines.Result) *engines.Measured { return e.Switches }
	perMB := func(format func(float64) string) func(float64) string {
		return func(v float64) string { return format(v * 1e6 / float64(max(size, 1))) }
	}
	switch mode {
	case engines.Flood:
		return []engineColumn{
			{"MESSAGES/S", requests, count, true},
			{"BYTES/S", func(e engines.Result) *engines.Measured { return e.BytesPerS }, volume, false},
			{"CPU/MB", cpu, perMB(term.Micros), true},
			{"SWITCHES/MB", switches, perMB(formatShare), false},
		}
	case engines.Idle:
		return []engineColumn{
			{"BYTES EACH", func(e engines.Result) *engines.Measured { return e.Resident }, count, true},
			{"THREADS", func(e engines.Result) *engines.Measured { return e.Threads }, count, false},
		}
	}
	return []engineColumn{
		{"REQUESTS/S", requests, count, true},
		{"P50", func(e engines.Result) *engines.Measured { return e.P50US }, term.Micros, false},
		{"P99", func(e engines.Result) *engines.Measured { return e.P99US }, term.Micros, true},
		{"CPU", cpu, term.Micros, true},
		{"SWITCHES", switches, formatShare, false},
	}
}

// formatShare writes how many of something there were for each of another.
func formatShare(v float64) string { return fmt.Sprintf("%.2f", v) }

func engineResults(group []engines.Result, size int) *term.Table {
	columns := engineColumns(group[0].Mode, size)
	headings := []string{"ENGINE"}
	for _, c := range columns {
		headings = append(headings, ">"+c.heading)
		if c.spread {
			headings = append(headings, ">±")
		}
	}
	t := term.NewTable(headings...)
	for _, e := range group {
		cells := []any{e.Engine}
		for _, c := range columns {
			value, spread := "-", ""
			if m := c.figure(e); m != nil {
				value = c.format(m.Median)
				if len(m.Samples) > 1 {
					spread = term.Percent(m.Deviation())
				}
			}
			cells = append(cells, value)
			if c.spread {
				cells = append(cells, spread)
			}
		}
		t.Row(cells...)
	}
	return t
}
