package load

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"wirelab/cli/term"
	"wirelab/load"
	"wirelab/load/latency"
)

func (a *app) printLoad(r *load.Report) error {
	if a.JSON {
		return a.PrintJSON(r)
	}
	p := a.Colors(a.Stdout)
	var b strings.Builder
	term.WriteReport(&b, p, loadHeadline(r), r.Verify() == nil, loadLines(r))
	for _, t := range []*term.Table{loadTimes(r), loadPercentiles(r), loadTargets(r), loadCurve(r)} {
		if t.Empty() {
			continue
		}
		b.WriteString("\n")
		if err := t.Write(&b, 0, p); err != nil {
			return err
		}
	}
	if r.ResponseUS != nil {
		b.WriteString("\n" + loadTwoTimes)
	}
	_, err := fmt.Fprint(a.Stdout, b.String())
	return err
}

// loadTwoTimes says how the times of an open loop differ.
const loadTwoTimes = "response counts from when a message was to be sent, service from when it was.\n"

// loadHeadline says whether all was verified.
func loadHeadline(r *load.Report) string {
	s := fmt.Sprintf("%s of %s verified", term.Count(r.Verified()), term.Counted(r.Messages, "answer"))
	switch {
	case r.Flooded():
		s = fmt.Sprintf("%s of %s sent", term.Count(r.Sent), term.Counted(r.Messages, "message"))
	case r.Search != nil:
		s = term.OneLine(r.Search.Limit) + searchOutcome(r)
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
		return " holds up to " + term.Rate(r.Search.RatePerS) + " messages/s"
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
		{"payload", term.Cut(term.OneLine(r.Payload), 40) + ", " + term.Bytes(uint64(r.SizeBytes))},
		{"sent", term.Count(r.Sent) + ", " + term.Bytes(r.BytesSent)},
	}
	if !r.Flooded() {
		lines = append(lines,
			[2]string{"received", loadReceived(r)},
			[2]string{"lost", term.Count(r.Lost)})
		if where := loadWhere(r); r.Lost > 0 && where != "" {
			lines = append(lines, [2]string{"  where", where})
		}
		lines = append(lines, [2]string{"mismatched", term.Count(r.Mismatched)})
	}
	if r.FirstMismatch != nil {
		lines = append(lines, [2]string{"  first", term.OneLine(r.FirstMismatch.String())})
	}
	if r.Unexpected > 0 {
		lines = append(lines, [2]string{"unexpected", term.Counted(r.Unexpected, "byte") + " that nobody asked for"})
	}
	if r.UnreadBytes > 0 {
		lines = append(lines, [2]string{"unread", term.Bytes(r.UnreadBytes) + " that the server's host did not take"})
	}
	lines = append(lines, [2]string{"errors", loadErrors(r.Errors)})
	elapsed := term.Duration(time.Duration(r.ElapsedS * float64(time.Second)))
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
		lines = append(lines, [2]string{"not sent", term.Count(refused) + " whose time had come: " + loadNotSent(r)})
	}
	for i, limit := range r.ClientLimits {
		name := ""
		if i == 0 {
			name = "LIMITED"
		}
		lines = append(lines, [2]string{name, term.Cut("by this client: "+term.OneLine(limit), 68)})
	}
	if len(r.Doubts) > 0 {
		lines = append(lines, [2]string{"few samples", loadDoubts(r)})
	}
	if n := r.Generator.ClockSteps; n > 0 {
		step := term.Micros(r.Generator.ClockStepUS)
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
	s := r.Network + " " + term.OneLine(r.Target)
	if n := len(r.Targets); n > 1 {
		s += fmt.Sprintf(" and %d more", n-1)
	}
	if r.TLS {
		s += ", TLS"
	}
	if r.Sources != "" {
		s += ", from " + term.Cut(term.OneLine(r.Sources), 40)
	}
	return s
}

// loadWhere says at which end datagrams were lost.
func loadWhere(r *load.Report) string {
	if got := r.Receiver; got != nil {
		unanswered := r.Lost - min(got.Lost, r.Lost)
		if unanswered == r.Lost && r.Received == 0 {
			return "all reached the server, which answered none: is its handler discard?"
		}
		where := fmt.Sprintf("%s questions overflowed the server's buffer, %s lost elsewhere",
			term.Count(got.DroppedByKernel), term.Count(got.LostElsewhere))
		if unanswered > 0 {
			where = fmt.Sprintf("%s overflowed the server, %s lost before it, %s got no answer",
				term.Count(got.DroppedByKernel), term.Count(got.LostElsewhere), term.Count(unanswered))
		}
		return where
	}
	return term.Cut(term.OneLine(r.ReceiverUnknown), 67)
}

// loadNotSent says why messages of an open loop were not sent.
func loadNotSent(r *load.Report) string {
	if n := r.LateSends.NotBegun; n > 0 {
		return term.Count(n) + " this client came to too late"
	}
	if r.Loss != nil && r.Loss.SenderRefused > 0 {
		return term.Count(r.Loss.SenderRefused) + " refused by this host"
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
		return fmt.Sprintf("%s messages/s, %s/s", term.Rate(r.RatePerS), term.Bytes(uint64(r.BytesPerS)))
	case r.RequestedPerS > 0:
		text := fmt.Sprintf("%s answers/s of %s/s wanted", term.Rate(r.RatePerS), term.Rate(r.RequestedPerS))
		if r.RampS > 0 {
			text += " after " + term.Duration(time.Duration(r.RampS*float64(time.Second)))
		}
		return text
	}
	return term.Count(uint64(r.RatePerS+0.5)) + " answers/s"
}

func loadGenerator(r *load.Report) string {
	what := "an answer"
	if r.Flooded() {
		what = "a message"
	}
	return term.Micros(r.CPUUS) + " of processor time " + what
}

func loadLate(s *load.LateSends) string {
	text := fmt.Sprintf("%s (%.2g%%) over %s, p99 %s", term.Count(s.Late), 100*s.Share, term.Micros(s.OverUS), term.Micros(s.P99))
	if s.HeldBack > 0 {
		text += ", " + term.Count(s.HeldBack) + " held back"
	}
	return text
}

// loadCurve is the table of what a search has tried, in the order of the rates.
func loadCurve(r *load.Report) *term.Table {
	t := term.NewTable(">rate/s", ">answers/s", ">p50", ">p99", ">not answered", "")
	steps := slices.SortedStableFunc(slices.Values(r.Curve), func(a, b load.RateStep) int { return cmp.Compare(a.RatePerS, b.RatePerS) })
	micros := func(us *float64) string {
		if us == nil {
			return "-"
		}
		return term.Micros(*us)
	}
	for _, s := range steps {
		verdict := "not held"
		if s.Held {
			verdict = "held"
		}
		if s.ClientLimited {
			verdict += ", limited"
		}
		t.Row(term.Rate(s.RatePerS), term.Rate(s.AnswersPerS), micros(s.P50), micros(s.P99), term.Count(s.Missing), verdict)
	}
	return t
}

func loadClients(r *load.Report) string {
	s := term.Count(uint64(r.Clients))
	if r.Connected < uint64(r.Clients) {
		s = fmt.Sprintf("%s of %s connected", term.Count(r.Connected), s)
	}
	s = fmt.Sprintf("%s, on %s", s, term.Counted(uint64(r.Loops), "event loop"))
	if r.Connections > uint64(r.Clients) {
		s += ", " + term.Count(r.Connections) + " connections made"
	}
	if r.Retries > 0 {
		s += ", " + term.Count(r.Retries) + " of them after a failure"
	}
	return s
}

func loadReceived(r *load.Report) string {
	s := term.Count(r.Received) + ", " + term.Bytes(r.BytesReceived)
	for _, part := range []struct {
		n    uint64
		what string
	}{{r.Late, "late"}, {r.Duplicate, "repeated"}, {r.Pending, "not waited for"}} {
		if part.n > 0 {
			s += fmt.Sprintf(", %s %s", term.Count(part.n), part.what)
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
		term.Micros(max(o.Best, -o.Best)), direction, term.Micros(o.Bound), source)
}

// loadErrors lists kinds of errors, the most frequent first.
func loadErrors(errors map[string]uint64) string {
	if len(errors) == 0 {
		return "none"
	}
	kinds := slices.Sorted(maps.Keys(errors))
	slices.SortStableFunc(kinds, func(a, b string) int { return int(min(errors[b], 1<<31)) - int(min(errors[a], 1<<31)) })
	for i, kind := range kinds {
		kinds[i] = term.Count(errors[kind]) + " " + kind
	}
	return strings.Join(kinds, ", ")
}

// loadTimes is the table of what took how long.
func loadTimes(r *load.Report) *term.Table {
	t := term.NewTable("", ">min", ">mean", ">p50", ">p90", ">p95", ">p99", ">p99.9", ">max")
	row := func(name string, q *latency.Quantiles) {
		if q == nil {
			return
		}
		cells := []any{name}
		for _, v := range []float64{q.Min, q.Mean, q.P50, q.P90, q.P95, q.P99, q.P999, q.Max} {
			cells = append(cells, term.Micros(v))
		}
		if q.P95 == 0 && q.P90 != 0 { // of a report from before there was a p95
			cells[5] = "-"
		}
		t.Row(cells...)
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
