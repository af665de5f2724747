package report

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// ComparisonSchema names the shape of a Comparison as JSON.
const ComparisonSchema = "wirelab.compare/1"

// A Comparison sets two reports of the same kind against each other.
type Comparison struct {
	Schema  string            `json:"schema"`
	Kind    string            `json:"kind"`    // schema of the reports
	Labels  []LabelDifference `json:"labels"`  // that differ: settings, and the machine
	Figures []Difference      `json:"figures"` // all, in the order of A; then those that only B has

	// Parts that only one report has, such as "pingpong/64/epoll": in Figures, whose names
	// begin with theirs, but not in Labels.
	OnlyA []string `json:"only_in_a,omitempty"`
	OnlyB []string `json:"only_in_b,omitempty"`
}

// A LabelDifference is a text that is not the same in both.
type LabelDifference struct {
	Name string `json:"name"`
	A    string `json:"a"`
	B    string `json:"b"`
}

// A Verdict says what can be said of the difference of two figures.
type Verdict string

// The verdicts.
const (
	Differs    Verdict = "differs"         // by more than the spread of the samples
	Within     Verdict = "within_spread"   // of the samples
	TooFew     Verdict = "too_few_samples" // on one side at least, to say anything
	NotSampled Verdict = "not_sampled"     // the figures are all there is
	OnlyA      Verdict = "only_in_a"       // B has no such figure
	OnlyB      Verdict = "only_in_b"       // A has no such figure
)

// A Difference is a figure in A and in B.
type Difference struct {
	Name    string     `json:"name"`
	A       *float64   `json:"a"` // nil: A has no such figure
	B       *float64   `json:"b"`
	Ratio   *float64   `json:"ratio"` // B by A; nil if one is missing or A is 0
	SpreadA *Quartiles `json:"a_spread,omitempty"`
	SpreadB *Quartiles `json:"b_spread,omitempty"`
	P       *float64   `json:"p_value,omitempty"` // of the rank-sum test; nil unless there are samples enough
	Verdict Verdict    `json:"verdict"`
}

// A difference is called one when a chance of significance at most would produce
// it from samples of one distribution; five on each side can show that.
const (
	significance  = 0.01
	fewestSamples = 5
)

// Compare compares two reports, figure by figure.
//
// Figures differ when two things hold of their samples. By the Mann–Whitney
// rank-sum test, chance would tell them apart so clearly less than once in a hundred
// times; and the median of each lies outside of the middle half of the other. The
// first alone would, with many samples, find differences that are real and do not
// matter beside the spread; the second alone would, with few, find them where there
// are none. Samples of one run are more alike than those of two: nothing here knows what
// the machine did besides in one of them, only repeating both in turn shows that.
// Intervals are samples only if those of both runs are equally long: a greatest or a high
// quantile grows with the time that it is of.
//
// The error is of kind ErrReport: reports of different kinds have nothing to compare.
func Compare(a, b *Saved) (*Comparison, error) {
	if a.Kind() != b.Kind() {
		return nil, fmt.Errorf("%w: one is a %s and the other a %s; compare two of one kind", ErrReport, a.Kind(), b.Kind())
	}
	fa, err := readFigures(a.Report)
	if err != nil {
		return nil, err
	}
	fb, err := readFigures(b.Report)
	if err != nil {
		return nil, err
	}
	if fa.intervalLength() == fb.intervalLength() {
		if err := errors.Join(fa.addIntervals(), fb.addIntervals()); err != nil {
			return nil, err
		}
	}
	c := &Comparison{Schema: ComparisonSchema, Kind: a.Kind(), Labels: []LabelDifference{}, Figures: []Difference{}}
	c.OnlyA, c.OnlyB = without(fa.parts, fb.parts), without(fb.parts, fa.parts)
	c.compareLabels(append(fa.labelsBeside(c.OnlyA), a.Machine.labels()...), append(fb.labelsBeside(c.OnlyB), b.Machine.labels()...))
	for i := range fa.figures {
		var other *Figure
		if at, ok := fb.index[fa.figures[i].Name]; ok {
			other = &fb.figures[at]
		}
		c.Figures = append(c.Figures, difference(&fa.figures[i], other))
	}
	for i := range fb.figures {
		if _, ok := fa.index[fb.figures[i].Name]; !ok {
			c.Figures = append(c.Figures, difference(nil, &fb.figures[i]))
		}
	}
	return c, nil
}

// without returns those of all that others are not.
func without(all, others []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(others, name) })
}

// labelsBeside returns the labels that belong to none of these parts.
func (f *figures) labelsBeside(parts []string) []Label {
	return slices.DeleteFunc(slices.Clone(f.labels), func(l Label) bool { return PartOf(l.Name, parts) != "" })
}

// PartOf returns which of the parts a figure or a label of that name belongs to; "" if
// to none.
func PartOf(name string, parts []string) string {
	for i, r := range name {
		if r == '.' && slices.Contains(parts, name[:i]) {
			return name[:i]
		}
	}
	return ""
}

// labels returns what there is to know of a machine. Reports need not be of one
// machine, but whoever compares them should know.
func (m *Machine) labels() []Label {
	return []Label{
		{"machine.cpu", m.CPU}, {"machine.cores", fmt.Sprint(m.Cores)}, {"machine.os", m.OS + "/" + m.Arch},
		{"machine.kernel", m.Kernel}, {"machine.go", m.Go}, {"machine.wirelab", m.Wirelab},
	}
}

func (c *Comparison) compareLabels(a, b []Label) {
	find := func(labels []Label, name string) string {
		if i := slices.IndexFunc(labels, func(l Label) bool { return l.Name == name }); i >= 0 {
			return labels[i].Value
		}
		return ""
	}
	for _, l := range a {
		if other := find(b, l.Name); other != l.Value {
			c.Labels = append(c.Labels, LabelDifference{l.Name, l.Value, other})
		}
	}
	for _, l := range b {
		if !slices.ContainsFunc(a, func(o Label) bool { return o.Name == l.Name }) {
			c.Labels = append(c.Labels, LabelDifference{l.Name, "", l.Value})
		}
	}
}

// difference compares a figure of A with that of B; one may be nil.
func difference(a, b *Figure) Difference {
	var d Difference
	var samplesA, samplesB []float64
	if a != nil {
		d.Name, d.A, samplesA = a.Name, &a.Value, a.Samples
	}
	if b != nil {
		d.Name, d.B, samplesB = b.Name, &b.Value, b.Samples
	}
	if a != nil && b != nil && a.Value != 0 {
		if ratio := b.Value / a.Value; !math.IsInf(ratio, 0) {
			d.Ratio = &ratio
		}
	}
	if len(samplesA) > 0 {
		d.SpreadA = NewQuartiles(samplesA)
	}
	if len(samplesB) > 0 {
		d.SpreadB = NewQuartiles(samplesB)
	}
	switch {
	case a == nil:
		d.Verdict = OnlyB
	case b == nil:
		d.Verdict = OnlyA
	default:
		d.judge(samplesA, samplesB)
	}
	return d
}

// judge sets the verdict, and what it rests on.
func (d *Difference) judge(a, b []float64) {
	switch {
	case len(a) == 0 && len(b) == 0:
		d.Verdict = NotSampled
		return
	case len(a) < fewestSamples || len(b) < fewestSamples:
		d.Verdict = TooFew
		return
	}
	p := rankSum(a, b)
	d.P, d.Verdict = &p, Within
	if p < significance && !d.SpreadA.contain(d.SpreadB.Median) && !d.SpreadB.contain(d.SpreadA.Median) {
		d.Verdict = Differs
	}
}
