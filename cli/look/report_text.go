package look

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"wirelab/cli/term"
	"wirelab/report"
)

// A savedHead is a saved report with what it is called here.
type savedHead struct {
	letter, name string
	saved        *report.Saved
}

// printHeads says of each report what it is, when it was saved, and where.
func (a *app) printHeads(heads ...savedHead) error {
	var b strings.Builder
	for _, h := range heads {
		lines := []string{h.name + savedAt(h.saved)}
		for _, line := range []string{h.saved.Command, machineText(&h.saved.Machine)} {
			if line != "" {
				lines = append(lines, line)
			}
		}
		indent := ""
		if h.letter != "" {
			indent = "   "
			lines[0] = h.letter + "  " + lines[0]
		}
		for i, line := range lines {
			if i > 0 {
				line = indent + line
			}
			b.WriteString(term.Fitted(term.OneLine(line), a.Stdout) + "\n")
		}
	}
	_, err := fmt.Fprintln(a.Stdout, b.String())
	return err
}

// savedAt says when a report was saved, if it does.
func savedAt(s *report.Saved) string {
	if s.SavedAt.IsZero() {
		return ""
	}
	return ", saved " + s.SavedAt.Local().Format("2006-01-02 15:04:05")
}

// machineText describes a machine, as far as it is known.
func machineText(m *report.Machine) string {
	known := []string{m.CPU, "", m.Kernel, m.Go}
	if m.Cores > 0 {
		known[1] = term.Counted(uint64(m.Cores), "core")
	}
	return strings.Join(slices.DeleteFunc(known, func(s string) bool { return s == "" }), ", ")
}

// savedPrinter returns what prints a report as the command did that saved it, if
// this wirelab knows its kind, and else its figures. The error is that of a report that
// makes no sense; nothing is printed before that is known.
func (a *app) savedPrinter(s *report.Saved) (func() error, error) {
	for _, kind := range a.reports {
		if kind.Schema == s.Kind() {
			return kind.Printer(s.Report)
		}
	}
	figures, labels, err := s.Figures()
	return func() error { return a.printFigures(figures, labels) }, err
}

func (a *app) printFigures(figures []report.Figure, labels []report.Label) error {
	t := term.NewTable("", "")
	t.Whole = true
	for _, l := range labels {
		t.Row(figureName(l.Name), l.Value)
	}
	for _, f := range figures {
		t.Row(figureName(f.Name), formatFigure(f.Name, f.Value))
	}
	return t.Write(a.Stdout, term.Room(a.Stdout), a.Colors(a.Stdout))
}

// mostLabel bounds a text of a comparison: no run has one so long.
const mostLabel = 1000

// printComparison prints what differs, every figure that has samples, and what only
// one report has.
func (a *app) printComparison(c *report.Comparison, heads ...savedHead) error {
	if err := a.printHeads(heads...); err != nil {
		return err
	}
	var sections []string
	if len(c.Labels) > 0 {
		sections = append(sections, a.tableText(labelTable(c.Labels)))
	}
	groups := figureGroups(c)
	for _, g := range groups {
		sections = append(sections, a.groupText(&g))
	}
	if only := oneSided(c); only != "" {
		sections = append(sections, only)
	} else if len(groups) == 0 {
		sections = append(sections, "No figure has samples, and none differs.\n")
	}
	_, err := fmt.Fprint(a.Stdout, strings.Join(sections, "\n"))
	return err
}

// tableText returns a table as wide as stdout has room for.
func (a *app) tableText(t *term.Table) string {
	var b strings.Builder
	_ = t.Write(&b, term.Room(a.Stdout), a.Colors(a.Stdout)) // a Builder takes everything
	return b.String()
}

func labelTable(labels []report.LabelDifference) *term.Table {
	t := term.NewTable("NOT THE SAME", "A", "B")
	t.Whole = true // what is different may be at the end
	for _, l := range labels {
		t.Row(figureName(l.Name), term.Cut(l.A, mostLabel), term.Cut(l.B, mostLabel))
	}
	return t
}

func (a *app) groupText(g *figureGroup) string {
	if g.name == "" {
		return a.tableText(g.table())
	}
	return a.Colors(a.Stdout).Bold(term.OneLine(g.name)) + "\n" + a.tableText(g.table())
}

// oneSided names the parts that only one report has, each in a line; their figures have
// nothing beside them.
func oneSided(c *report.Comparison) string {
	var b strings.Builder
	for _, name := range c.OnlyA {
		b.WriteString("only in A: " + term.OneLine(name) + "\n")
	}
	for _, name := range c.OnlyB {
		b.WriteString("only in B: " + term.OneLine(name) + "\n")
	}
	return b.String()
}

// A figureGroup is the figures of one part of a report.
type figureGroup struct {
	name    string // "" or such as "pingpong/64/epoll"
	figures []report.Difference
}

// figureGroups deals out the figures that are worth showing, in their order. What
// has a name of its own in a report has a slash in it.
func figureGroups(c *report.Comparison) []figureGroup {
	var groups []figureGroup
	for _, d := range c.Figures {
		if !worthShowing(d) || report.PartOf(d.Name, c.OnlyA) != "" || report.PartOf(d.Name, c.OnlyB) != "" {
			continue
		}
		name := ""
		if part, rest, found := strings.Cut(d.Name, "."); found && strings.Contains(part, "/") {
			name, d.Name = part, rest
		}
		if len(groups) == 0 || groups[len(groups)-1].name != name {
			groups = append(groups, figureGroup{name: name})
		}
		g := &groups[len(groups)-1]
		g.figures = append(g.figures, d)
	}
	return groups
}

func (g *figureGroup) table() *term.Table {
	t := term.NewTable("FIGURE", ">A", ">±", ">B", ">±", ">B/A", ">P", "DIFFERENCE")
	t.Whole = true
	names := g.names()
	for i, d := range g.figures {
		t.Row(names[i], formatSide(d.Name, d.A), formatSpread(d.SpreadA), formatSide(d.Name, d.B), formatSpread(d.SpreadB),
			formatRatio(d.Ratio), formatChance(d.P), verdictText(d))
	}
	return t
}

// names returns the names of the figures in words, and the paths of those that have
// the same words.
func (g *figureGroup) names() []string {
	times := make(map[string]int)
	for _, d := range g.figures {
		times[figureName(d.Name)]++
	}
	names := make([]string, len(g.figures))
	for i, d := range g.figures {
		if names[i] = figureName(d.Name); times[names[i]] > 1 {
			names[i] = d.Name
		}
	}
	return names
}

// worthShowing reports whether a figure has samples, or is not the same in both.
func worthShowing(d report.Difference) bool {
	return d.SpreadA != nil || d.SpreadB != nil || d.A == nil || d.B == nil || *d.A != *d.B
}

// figureName makes words of the path of a figure, without its unit.
func figureName(path string) string {
	for _, unit := range []string{"_per_request", "_per_datagram", "_per_connection", "_us", "_per_s", "_ns", "_s"} {
		path = strings.ReplaceAll(strings.TrimSuffix(path, unit), unit+".", ".")
	}
	return strings.NewReplacer(".", " ", "_", " ").Replace(path)
}

// formatFigure writes a value in the unit that its name says.
func formatFigure(name string, v float64) string {
	unit := func(u string) bool { return strings.HasSuffix(name, u) || strings.Contains(name, u+".") }
	switch {
	case unit("_us"), strings.Contains(name, "_us_per_"):
		return formatFine(v)
	case unit("_ns"):
		return formatFine(v / 1e3)
	case unit("_per_s") && v >= 1e6:
		return term.Scaled(v, []string{"/s", "k/s", "M/s", "G/s"})
	case unit("_per_s"):
		return formatNumber(v) + "/s"
	case unit("_s"):
		return term.Micros(v * 1e6)
	case strings.Contains(name, "bytes") && v >= 0 && v == math.Trunc(v) && v < 1<<63:
		return term.Bytes(uint64(v))
	}
	return formatNumber(v)
}

// formatFine writes microseconds, and what is shorter in nanoseconds.
func formatFine(us float64) string {
	if us != 0 && math.Abs(us) < 0.9995 {
		return fmt.Sprintf("%.3g ns", us*1e3)
	}
	return term.Micros(us)
}

// formatNumber writes a count as a whole number and what is none with three digits.
func formatNumber(v float64) string {
	switch {
	case v < 0:
		return "-" + formatNumber(-v)
	case v >= 1e18:
		return fmt.Sprintf("%.3g", v)
	case v >= 1e9:
		return term.Scaled(v, []string{"", "k", "M", "G"})
	case v == math.Trunc(v) || v >= 999.5:
		return term.Count(uint64(v + 0.5))
	}
	return fmt.Sprintf("%.3g", v)
}

func formatSide(name string, v *float64) string {
	if v == nil {
		return "-"
	}
	return formatFigure(name, *v)
}

// formatSpread writes half of the width of the middle half relative to the median.
func formatSpread(q *report.Quartiles) string {
	if q == nil || q.Samples < 2 || q.Median == 0 {
		return ""
	}
	return term.Percent((q.Q3 - q.Q1) / 2 / math.Abs(q.Median))
}

func formatRatio(r *float64) string {
	switch {
	case r == nil:
		return ""
	case math.Abs(*r) >= 99.95:
		return formatNumber(math.Round(*r))
	}
	return fmt.Sprintf("%.3f", *r)
}

func formatChance(p *float64) string {
	switch {
	case p == nil:
		return ""
	case *p < 0.001:
		return "<.001"
	}
	return strings.TrimPrefix(fmt.Sprintf("%.3f", *p), "0")
}

func verdictText(d report.Difference) string {
	switch d.Verdict {
	case report.Differs:
		return "DIFFERS"
	case report.Within:
		return "within spread"
	case report.TooFew:
		return "few samples"
	case report.OnlyA:
		return "only in A"
	case report.OnlyB:
		return "only in B"
	}
	return ""
}
