package time

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"wirelab/cli/term"
	"wirelab/clock/measure"
)

// printMeasure shows a report: one host with all its figures, of several a table.
func (a *app) printMeasure(r *measure.Report) error {
	if a.JSON {
		return a.PrintJSON(r)
	}
	p := a.Colors(a.Stdout)
	if r.Host != nil {
		_, err := fmt.Fprint(a.Stdout, hostText(p, r.Host))
		return err
	}
	if err := hostTable(r).Write(a.Stdout, term.Room(a.Stdout), p); err != nil {
		return err
	}
	_, err := fmt.Fprint(a.Stdout, agreementText(r))
	return err
}

// nanos writes a difference with its sign, in the unit that fits.
func nanos(ns int64) string {
	if ns < 0 {
		return magnitude(ns)
	}
	return "+" + magnitude(ns)
}

// magnitude writes nanoseconds in the unit that fits.
func magnitude(ns int64) string {
	if ns > -10_000 && ns < 10_000 {
		return fmt.Sprintf("%d ns", ns)
	}
	return term.Micros(float64(ns) / 1e3)
}

func hostText(p term.Palette, h *measure.Host) string {
	var b strings.Builder
	if h.Taken == 0 {
		term.WriteReport(&b, p, fmt.Sprintf("%s: no answer to %s", h.Name, term.Counted(uint64(h.Sent), "request")), false, lossLines(h))
		return b.String()
	}
	head := fmt.Sprintf("%s: %s ± %s", h.Name, nanos(h.Offset), magnitude(h.Bound))
	switch {
	case max(h.Offset, -h.Offset) <= h.Bound:
		head += ": no difference that can be told"
	case h.Offset > 0:
		head += ", its clock is ahead"
	default:
		head += ", its clock is behind"
	}
	lines := [][2]string{
		{"offset", fmt.Sprintf("median %s, from %s to %s, jitter %s", nanos(h.Offsets.Median), nanos(h.Offsets.Least), nanos(h.Offsets.Most), magnitude(h.Jitter))},
		{"delay", fmt.Sprintf("least %s, median %s, most %s", magnitude(h.Delays.Least), magnitude(h.Delays.Median), magnitude(h.Delays.Most))},
		{"there", oneWayText(&h.Forward)},
		{"back", oneWayText(&h.Backward)},
		{"to UTC", utcText(h)},
		{"stamps", fmt.Sprintf("ours %s; its last: %s (mode %s)", h.Source, strings.ReplaceAll(h.T3Source, "_", " "), strings.ReplaceAll(h.Mode, "_", " "))},
	}
	lines = append(lines, clockLines(h)...)
	term.WriteReport(&b, p, head, true, append(lines, lossLines(h)...))
	for _, note := range h.Notes {
		fmt.Fprintf(&b, "%-11s %s\n", "note", note)
	}
	return b.String()
}

func oneWayText(o *measure.OneWay) string {
	return fmt.Sprintf("difference %s, delay from %s to %s: %s", nanos(o.Difference), magnitude(o.DelayLeast), magnitude(o.DelayMost), o.Meaning)
}

func utcText(h *measure.Host) string {
	if h.UTCBound == nil {
		return "unknown: the other clock is not synchronised, by its own word"
	}
	return fmt.Sprintf("this clock is behind UTC by %s ± %s, if the other host tells the truth", nanos(h.Offset), magnitude(*h.UTCBound))
}

func clockLines(h *measure.Host) [][2]string {
	c := h.Clock
	if c == nil || c.Stratum == 0 {
		return nil
	}
	return [][2]string{{"server", fmt.Sprintf("stratum %d, reference %s, leap %s, root delay %s, root dispersion %s",
		c.Stratum, c.Reference, c.Leap, magnitude(c.RootDelay), magnitude(c.RootDispersion))}}
}

// lossLines say what became of requests that gave no sample.
func lossLines(h *measure.Host) [][2]string {
	lines := [][2]string{{"exchanges", fmt.Sprintf("%s, %s, %s lost; %s", term.Counted(uint64(h.Sent), "request"),
		term.Counted(uint64(h.Received), "answer"), term.Percent(h.Loss), term.Counted(uint64(h.Taken), "sample"))}}
	if h.Refused > 0 {
		lines = append(lines, [2]string{"refused", fmt.Sprintf("%s; the last because %s", term.Counted(uint64(h.Refused), "datagram"), term.OneLine(h.Reason))})
	}
	for _, why := range sorted(h.LeftOut) {
		lines = append(lines, [2]string{"left out", fmt.Sprintf("%d: %s", h.LeftOut[why], why)})
	}
	for _, text := range sorted(h.Errors) {
		lines = append(lines, [2]string{"failed", fmt.Sprintf("%d: %s", h.Errors[text], term.OneLine(text))})
	}
	return lines
}

func sorted(counts map[string]int) []string {
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func hostTable(r *measure.Report) *term.Table {
	t := term.NewTable("HOST", ">OFFSET", ">BOUND", ">TO UTC", ">DELAY", ">JITTER", ">LOSS", "MODE", "STAMPS", "VERDICT")
	for _, h := range r.Hosts {
		if h.Taken == 0 {
			t.Row(h.Name, "-", "-", "-", "-", "-", term.Percent(h.Loss), "-", "-", h.Verdict)
			continue
		}
		utc := "-"
		if h.UTCBound != nil {
			utc = "± " + magnitude(*h.UTCBound)
		}
		t.Row(h.Name, nanos(h.Offset), "± "+magnitude(h.Bound), utc, magnitude(h.Delay), magnitude(h.Jitter), term.Percent(h.Loss),
			h.Mode, h.Source, h.Verdict)
	}
	return t
}

func agreementText(r *measure.Report) string {
	var b strings.Builder
	if a := r.Agreement; a != nil && a.Majority {
		fmt.Fprintf(&b, "\nMost clocks agree on an offset between %s and %s.\n", nanos(a.Low), nanos(a.High))
	} else {
		fmt.Fprint(&b, "\nNo more than half of the clocks agree: there is no telling which is right.\n")
	}
	for _, h := range r.Hosts {
		for _, note := range h.Notes {
			fmt.Fprintf(&b, "%s: %s\n", h.Name, note)
		}
		for _, text := range sorted(h.Errors) {
			fmt.Fprintf(&b, "%s: %s\n", h.Name, term.OneLine(text))
		}
	}
	return b.String()
}

// A sampleView shows samples as they are taken: with --watch each, else how many.
type sampleView struct {
	app      *app
	watch    bool
	several  bool
	mu       sync.Mutex // hosts are measured at the same time
	progress *term.Progress
	taken    uint64
	latest   []int64 // offsets, of a single host
	drawn    bool
}

func (a *app) newSampleView(hosts []measure.Config, watch bool) *sampleView {
	plan := term.Plan{Label: "time measure", Unit: "samples"}
	for _, h := range hosts {
		plan.Total += uint64(h.Count)
	}
	return &sampleView{app: a, watch: watch, several: len(hosts) > 1, progress: a.Progress(plan)}
}

func (v *sampleView) sample(h *measure.Host, s measure.Sample) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.taken++
	if !v.watch {
		v.progress.Update(v.taken)
		return
	}
	v.show(h, s)
}

// sparkWidth is how many samples the sparkline shows.
const sparkWidth = 32

func (v *sampleView) show(h *measure.Host, s measure.Sample) {
	if v.app.JSON {
		_ = v.app.PrintEvent(struct {
			Event string `json:"event"`
			Name  string `json:"name"`
			measure.Sample
			Schema string `json:"schema"`
		}{"sample", h.Name, s, term.EventSchema})
		return
	}
	line := fmt.Sprintf("%s  %12s ± %-9s delay %-9s %s", time.Unix(0, s.T4).Format("15:04:05.000"), nanos(s.Offset), magnitude(s.Bound), magnitude(s.Delay), s.Source)
	if v.several {
		fmt.Fprintf(v.app.Stdout, "%s  %s\n", line, h.Name)
		return
	}
	v.latest = append(v.latest, s.Offset)
	if len(v.latest) > sparkWidth {
		v.latest = v.latest[1:]
	}
	line += "  " + sparkline(v.latest)
	if !term.IsTerminal(v.app.Stdout) {
		fmt.Fprintln(v.app.Stdout, line)
		return
	}
	fmt.Fprint(v.app.Stdout, "\r\x1b[K", term.Cut(line, term.Width(v.app.Stdout)-1))
	v.drawn = true
}

func (v *sampleView) end() {
	v.progress.Clear()
	if v.drawn {
		fmt.Fprint(v.app.Stdout, "\n\n")
	}
}

// sparkline draws values as bars between the least and the greatest of them.
func sparkline(values []int64) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	least, most := slices.Min(values), slices.Max(values)
	var b strings.Builder
	for _, v := range values {
		at := len(bars) / 2
		if most > least {
			at = int(math.Round((float64(v) - float64(least)) / (float64(most) - float64(least)) * float64(len(bars)-1)))
		}
		b.WriteRune(bars[at])
	}
	return b.String()
}
