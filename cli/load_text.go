package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"wirelab/load"
)

func (a *app) printLoad(r *load.Report) error {
	if a.json() {
		return a.printJSON(r)
	}
	p := a.colors(a.stdout)
	head := loadHeadline(r)
	if r.Verify() == nil {
		head = p.green(head)
	} else {
		head = p.red(head)
	}
	var b strings.Builder
	b.WriteString(head + "\n\n")
	for _, line := range loadLines(r) {
		fmt.Fprintf(&b, "%-11s %s\n", line[0], line[1])
	}
	if times := loadTimes(r); len(times.rows) > 0 {
		b.WriteString("\n")
		if err := times.write(&b, 0, p); err != nil {
			return err
		}
	}
	_, err := fmt.Fprint(a.stdout, b.String())
	return err
}

// loadHeadline says whether all was verified.
func loadHeadline(r *load.Report) string {
	s := fmt.Sprintf("%s of %s verified", formatCount(r.Verified()), counted(r.Messages, "answer"))
	if r.Interrupted {
		s += " (interrupted)"
	}
	return s
}

// loadLines are the counts of a report, those that say nothing left out.
func loadLines(r *load.Report) [][2]string {
	lines := [][2]string{
		{"target", r.Network + " " + oneLine(r.Target)},
		{"clients", loadClients(r)},
		{"payload", cut(oneLine(r.Payload), 40) + ", " + formatBytes(uint64(r.SizeBytes))},
		{"sent", formatCount(r.Sent) + ", " + formatBytes(r.BytesSent)},
		{"received", loadReceived(r)},
		{"lost", formatCount(r.Lost)},
		{"mismatched", formatCount(r.Mismatched)},
	}
	if r.FirstMismatch != nil {
		lines = append(lines, [2]string{"  first", oneLine(r.FirstMismatch.String())})
	}
	if r.Unexpected > 0 {
		lines = append(lines, [2]string{"unexpected", counted(r.Unexpected, "byte") + " that nobody asked for"})
	}
	lines = append(lines, [2]string{"errors", loadErrors(r.Errors)})
	elapsed := formatDuration(time.Duration(r.ElapsedS * float64(time.Second)))
	lines = append(lines, [2]string{"elapsed", fmt.Sprintf("%s, %s answers/s", elapsed, formatCount(uint64(r.RatePerS+0.5)))})
	if r.Received > 0 {
		lines = append(lines, [2]string{"generator", formatMicros(r.CPUUS) + " of processor time an answer"})
	}
	if o := r.OffsetUS; o != nil {
		lines = append(lines, [2]string{"offset", loadOffset(o, r.StampSource)})
	}
	return lines
}

func loadClients(r *load.Report) string {
	s := formatCount(uint64(r.Clients))
	if r.Connected < uint64(r.Clients) {
		s = fmt.Sprintf("%s of %s connected", formatCount(r.Connected), s)
	}
	return fmt.Sprintf("%s, on %s", s, counted(uint64(r.Loops), "event loop"))
}

func loadReceived(r *load.Report) string {
	s := formatCount(r.Received) + ", " + formatBytes(r.BytesReceived)
	for _, part := range []struct {
		n    uint64
		what string
	}{{r.Late, "late"}, {r.Duplicate, "repeated"}, {r.Pending, "not waited for"}} {
		if part.n > 0 {
			s += fmt.Sprintf(", %s %s", formatCount(part.n), part.what)
		}
	}
	return s
}

func loadOffset(o *load.Offset, source string) string {
	direction := "ahead"
	if o.Best < 0 {
		direction = "behind"
	}
	return fmt.Sprintf("the server's clock is %s %s, within %s (%s stamps)",
		formatMicros(max(o.Best, -o.Best)), direction, formatMicros(o.Bound), source)
}

// loadErrors lists kinds of errors, the most frequent first.
func loadErrors(errors map[string]uint64) string {
	if len(errors) == 0 {
		return "none"
	}
	kinds := slices.Sorted(maps.Keys(errors))
	slices.SortStableFunc(kinds, func(a, b string) int { return int(min(errors[b], 1<<31)) - int(min(errors[a], 1<<31)) })
	for i, kind := range kinds {
		kinds[i] = formatCount(errors[kind]) + " " + kind
	}
	return strings.Join(kinds, ", ")
}

// loadTimes is the table of what took how long.
func loadTimes(r *load.Report) *table {
	t := newTable("", ">min", ">mean", ">p50", ">p90", ">p99", ">p99.9", ">max")
	row := func(name string, q *load.Quantiles) {
		if q == nil {
			return
		}
		cells := []any{name}
		for _, v := range []float64{q.Min, q.Mean, q.P50, q.P90, q.P99, q.P999, q.Max} {
			cells = append(cells, formatMicros(v))
		}
		t.row(cells...)
	}
	row("latency", r.LatencyUS)
	row("connect", r.ConnectUS)
	if r.OffsetUS != nil {
		row("offset", &r.OffsetUS.Quantiles)
	}
	row("forward", r.ForwardUS)
	row("backward", r.BackwardUS)
	return t
}
