package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"wirelab/load"
)

// writeReport writes how a load went, good or not, and then its figures, each line
// with its name.
func writeReport(b *strings.Builder, p palette, head string, good bool, lines [][2]string) {
	if good {
		head = p.green(head)
	} else {
		head = p.red(head)
	}
	b.WriteString(head + "\n\n")
	for _, line := range lines {
		fmt.Fprintf(b, "%-11s %s\n", line[0], line[1])
	}
}

func (a *app) printLoad(r *load.Report) error {
	if a.json() {
		return a.printJSON(r)
	}
	p := a.colors(a.stdout)
	var b strings.Builder
	writeReport(&b, p, loadHeadline(r), r.Verify() == nil, loadLines(r))
	for _, t := range []*table{loadTimes(r), loadCurve(r)} {
		if len(t.rows) == 0 {
			continue
		}
		b.WriteString("\n")
		if err := t.write(&b, 0, p); err != nil {
			return err
		}
	}
	if r.ResponseUS != nil {
		b.WriteString("\n" + loadTwoTimes)
	}
	_, err := fmt.Fprint(a.stdout, b.String())
	return err
}

// loadTwoTimes says how the times of an open loop differ.
const loadTwoTimes = "response counts from when a message was to be sent, service from when it was.\n"

// loadHeadline says whether all was verified.
func loadHeadline(r *load.Report) string {
	s := fmt.Sprintf("%s of %s verified", formatCount(r.Verified()), counted(r.Messages, "answer"))
	switch {
	case r.Flooded():
		s = fmt.Sprintf("%s of %s sent", formatCount(r.Sent), counted(r.Messages, "message"))
	case r.Search != nil:
		s = oneLine(r.Search.Limit) + searchOutcome(r)
	}
	if r.Interrupted {
		s += " (interrupted)"
	}
	return s
}

// searchOutcome says at what rates a limit holds.
func searchOutcome(r *load.Report) string {
	switch {
	case r.Search.RatePerS > 0:
		return " holds up to " + formatRate(r.Search.RatePerS) + " messages/s"
	case len(r.Curve) == 0:
		return ": no rate was tried to its end"
	}
	return " holds at no rate that was tried"
}

// loadLines are the counts of a report, those that say nothing left out.
func loadLines(r *load.Report) [][2]string {
	lines := [][2]string{
		{"target", loadTarget(r)},
		{"clients", loadClients(r)},
		{"payload", cut(oneLine(r.Payload), 40) + ", " + formatBytes(uint64(r.SizeBytes))},
		{"sent", formatCount(r.Sent) + ", " + formatBytes(r.BytesSent)},
	}
	if !r.Flooded() {
		lines = append(lines,
			[2]string{"received", loadReceived(r)},
			[2]string{"lost", formatCount(r.Lost)})
		if where := loadWhere(r); r.Lost > 0 && where != "" {
			lines = append(lines, [2]string{"  where", where})
		}
		lines = append(lines, [2]string{"mismatched", formatCount(r.Mismatched)})
	}
	if r.FirstMismatch != nil {
		lines = append(lines, [2]string{"  first", oneLine(r.FirstMismatch.String())})
	}
	if r.Unexpected > 0 {
		lines = append(lines, [2]string{"unexpected", counted(r.Unexpected, "byte") + " that nobody asked for"})
	}
	if r.UnreadBytes > 0 {
		lines = append(lines, [2]string{"unread", formatBytes(r.UnreadBytes) + " that the server's host did not take"})
	}
	lines = append(lines, [2]string{"errors", loadErrors(r.Errors)})
	elapsed := formatDuration(time.Duration(r.ElapsedS * float64(time.Second)))
	lines = append(lines, [2]string{"elapsed", elapsed + ", " + loadRate(r)})
	if r.RatePerS > 0 {
		lines = append(lines, [2]string{"generator", loadGenerator(r)})
	}
	return append(lines, loadNotes(r)...)
}

// loadNotes are what is to be known before a report is believed.
func loadNotes(r *load.Report) [][2]string {
	var lines [][2]string
	if s := r.LateSends; s != nil {
		lines = append(lines, [2]string{"late sends", loadLate(s)})
	}
	if refused := r.Messages - min(r.Sent, r.Messages); refused > 0 && r.LateSends != nil {
		lines = append(lines, [2]string{"not sent", formatCount(refused) + " whose time had come: " + loadNotSent(r)})
	}
	for i, limit := range r.ClientLimits {
		name := ""
		if i == 0 {
			name = "LIMITED"
		}
		lines = append(lines, [2]string{name, cut("by this client: "+oneLine(limit), 68)})
	}
	if n := r.Generator.ClockSteps; n > 0 {
		step := formatMicros(r.Generator.ClockStepUS)
		lines = append(lines, [2]string{"clock", "was set by " + step + " meanwhile; only offsets depend on it"})
	}
	if r.Errors["no local port left"] > 0 {
		lines = append(lines, [2]string{"hint", "more ports: --source 127.0.0.2-127.0.0.20, or several targets"})
	}
	if o := r.OffsetUS; o != nil {
		lines = append(lines, [2]string{"offset", loadOffset(o, r.StampSource)})
	}
	return lines
}

func loadTarget(r *load.Report) string {
	s := r.Network + " " + oneLine(r.Target)
	if n := len(r.Targets); n > 1 {
		s += fmt.Sprintf(" and %d more", n-1)
	}
	if r.Sources != "" {
		s += ", from " + cut(oneLine(r.Sources), 40)
	}
	return s
}

// loadWhere says at which end datagrams were lost.
func loadWhere(r *load.Report) string {
	if got := r.Receiver; got != nil {
		return fmt.Sprintf("%s questions overflowed the server's buffer, %s lost elsewhere",
			formatCount(got.DroppedByKernel), formatCount(got.LostElsewhere))
	}
	return cut(oneLine(r.ReceiverUnknown), 67)
}

// loadNotSent says why messages of an open loop were not sent.
func loadNotSent(r *load.Report) string {
	if n := r.LateSends.NotBegun; n > 0 {
		return formatCount(n) + " this client came to too late"
	}
	if r.Loss != nil && r.Loss.SenderRefused > 0 {
		return formatCount(r.Loss.SenderRefused) + " refused by this host"
	}
	if len(r.Errors) > 0 {
		return "their clients had failed"
	}
	if s := r.LateSends; s.HeldByWindow > s.HeldBack/2 {
		return fmt.Sprintf("--outstanding %d was reached", r.Outstanding)
	}
	return "the server was too slow"
}

func loadRate(r *load.Report) string {
	switch {
	case r.Flooded():
		return fmt.Sprintf("%s messages/s, %s/s", formatRate(r.RatePerS), formatBytes(uint64(r.BytesPerS)))
	case r.RequestedPerS > 0:
		text := fmt.Sprintf("%s answers/s of %s/s wanted", formatRate(r.RatePerS), formatRate(r.RequestedPerS))
		if r.RampS > 0 {
			text += " after " + formatDuration(time.Duration(r.RampS*float64(time.Second)))
		}
		return text
	}
	return formatCount(uint64(r.RatePerS+0.5)) + " answers/s"
}

func loadGenerator(r *load.Report) string {
	what := "an answer"
	if r.Flooded() {
		what = "a message"
	}
	return formatMicros(r.CPUUS) + " of processor time " + what
}

func loadLate(s *load.LateSends) string {
	text := fmt.Sprintf("%s (%.2g%%) over %s, p99 %s", formatCount(s.Late), 100*s.Share, formatMicros(s.OverUS), formatMicros(s.P99))
	if s.HeldBack > 0 {
		text += ", " + formatCount(s.HeldBack) + " held back"
	}
	return text
}

// loadCurve is the table of what a search has tried, in the order of the rates.
func loadCurve(r *load.Report) *table {
	t := newTable(">rate/s", ">answers/s", ">p50", ">p99", ">not answered", "")
	steps := slices.SortedStableFunc(slices.Values(r.Curve), func(a, b load.RateStep) int { return cmp.Compare(a.RatePerS, b.RatePerS) })
	micros := func(us *float64) string {
		if us == nil {
			return "-"
		}
		return formatMicros(*us)
	}
	for _, s := range steps {
		verdict := "not held"
		if s.Held {
			verdict = "held"
		}
		if s.ClientLimited {
			verdict += ", limited"
		}
		t.row(formatRate(s.RatePerS), formatRate(s.AnswersPerS), micros(s.P50), micros(s.P99), formatCount(s.Missing), verdict)
	}
	return t
}

func loadClients(r *load.Report) string {
	s := formatCount(uint64(r.Clients))
	if r.Connected < uint64(r.Clients) {
		s = fmt.Sprintf("%s of %s connected", formatCount(r.Connected), s)
	}
	s = fmt.Sprintf("%s, on %s", s, counted(uint64(r.Loops), "event loop"))
	if r.Connections > uint64(r.Clients) {
		s += ", " + formatCount(r.Connections) + " connections made"
	}
	return s
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
	row("response", r.ResponseUS)
	row("service", r.ServiceUS)
	row("connect", r.ConnectUS)
	if r.OffsetUS != nil {
		row("offset", &r.OffsetUS.Quantiles)
	}
	row("forward", r.ForwardUS)
	row("backward", r.BackwardUS)
	return t
}
