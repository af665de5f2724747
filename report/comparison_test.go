package report

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// sampled is a report of one figure with these samples.
func sampled(t testing.TB, samples ...float64) *Saved {
	t.Helper()
	return saved(t, object{"schema": "x/1", "v_us": object{"median": NewQuartiles(samples).Median, "samples": samples}})
}

func TestVerdicts(t *testing.T) {
	long := func(from, step float64, n int) (all []float64) {
		for i := range n {
			all = append(all, from+step*float64(i%10))
		}
		return all
	}
	tests := []struct {
		name string
		a, b []float64
		want Verdict
	}{
		{"apart", long(10, 0.1, 5), long(20, 0.1, 5), Differs},
		{"apart, the other way", long(20, 0.1, 5), long(10, 0.1, 5), Differs},
		{"the same", long(10, 0.1, 10), long(10, 0.1, 10), Within},
		{"apart, but few", long(10, 0.1, 4), long(20, 0.1, 60), TooFew},
		// The test alone would call this real: it is, and less than a tenth of the spread.
		{"a trifle, of many", long(10, 1, 2000), long(10.4, 1, 2000), Within},
		{"more than the spread, of many", long(10, 1, 2000), long(16, 1, 2000), Differs},
		// The quartiles alone would call this a difference.
		{"chance, of few", []float64{1, 2, 3, 9, 9}, []float64{4, 5, 6, 7, 1}, Within},
		{"all equal", long(5, 0, 9), long(5, 0, 9), Within},
	}
	for _, tt := range tests {
		c, err := Compare(sampled(t, tt.a...), sampled(t, tt.b...))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Figures[0]; got.Verdict != tt.want {
			t.Errorf("%s: %s (p %v, %+v, %+v), want %s", tt.name, got.Verdict, got.P, got.SpreadA, got.SpreadB, tt.want)
		}
	}
}

// Samples of one distribution, whatever its shape, seldom seem to differ.
func TestDifferencesOfNothingAreRare(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() float64{
		"even": random.Float64, "normal": random.NormFloat64,
		"heavy tail": func() float64 { return 1 / (1 - random.Float64()) },
		"ties":       func() float64 { return float64(random.IntN(4)) },
	} {
		const trials = 200
		found := 0
		for range trials {
			a, b := make([]float64, 12), make([]float64, 12)
			for i := range a {
				a[i], b[i] = draw(), draw()
			}
			var d Difference
			d.SpreadA, d.SpreadB = NewQuartiles(a), NewQuartiles(b)
			if d.judge(a, b); d.Verdict == Differs {
				found++
			}
		}
		if found > trials*3/100 { // a hundredth is expected at most
			t.Errorf("%s: %d of %d differ", name, found, trials)
		}
	}
}

func TestVerdictIsTheSameBothWays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := few(rt, "a", 30), few(rt, "b", 30)
		one, err := Compare(sampled(t, a...), sampled(t, b...))
		if err != nil {
			rt.Fatal(err)
		}
		other, err := Compare(sampled(t, b...), sampled(t, a...))
		if err != nil {
			rt.Fatal(err)
		}
		if one.Figures[0].Verdict != other.Figures[0].Verdict {
			rt.Fatalf("%s one way, %s the other", one.Figures[0].Verdict, other.Figures[0].Verdict)
		}
	})
}

func TestCompare(t *testing.T) {
	a := saved(t, json.RawMessage(`{"schema":"x/1","payload":"seq","a_only":1,"n":4,"zero":0,"text":"t"}`))
	b := saved(t, json.RawMessage(`{"schema":"x/1","payload":"random","n":6,"zero":3,"b_only":2,"text":"t"}`))
	b.Machine.Cores = 64
	c, err := Compare(a, b)
	if err != nil {
		t.Fatal(err)
	}
	wantLabels := []LabelDifference{{"payload", "seq", "random"}, {"machine.cores", "1", "64"}}
	if diff := cmp.Diff(wantLabels, c.Labels); diff != "" {
		t.Error(diff)
	}
	num := func(v float64) *float64 { return &v }
	wantFigures := []Difference{
		{Name: "a_only", A: num(1), Verdict: OnlyA},
		{Name: "n", A: num(4), B: num(6), Ratio: num(1.5), Verdict: NotSampled},
		{Name: "zero", A: num(0), B: num(3), Verdict: NotSampled},
		{Name: "b_only", B: num(2), Verdict: OnlyB},
	}
	if diff := cmp.Diff(wantFigures, c.Figures); diff != "" {
		t.Error(diff)
	}
}

// What only one report has cannot differ from anything, however many samples it has.
func TestCompareOneSide(t *testing.T) {
	one := saved(t, json.RawMessage(`{"schema":"x/1","v":{"median":1,"samples":[1,1,1,1,1,1]},
		"results":[{"name":"flood/1/uring","engine":"uring","us":2},{"name":"flood/1/epoll","engine":"epoll","us":2}]}`))
	other := saved(t, json.RawMessage(`{"schema":"x/1","results":[{"name":"flood/1/epoll","engine":"epoll","us":2},{"name":"idle/9/epoll","us":7}]}`))
	c, err := Compare(one, other)
	if err != nil {
		t.Fatal(err)
	}
	verdicts := make(map[string]Verdict)
	for _, d := range c.Figures {
		verdicts[d.Name] = d.Verdict
	}
	want := map[string]Verdict{"v": OnlyA, "flood/1/uring.us": OnlyA, "flood/1/epoll.us": NotSampled, "idle/9/epoll.us": OnlyB}
	if diff := cmp.Diff(want, verdicts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]string{{"flood/1/uring"}, {"idle/9/epoll"}}, [][]string{c.OnlyA, c.OnlyB}); diff != "" {
		t.Error(diff)
	}
	for _, l := range c.Labels {
		t.Errorf("%s is a label that differs", l.Name)
	}
}

// Intervals of two lengths are no samples of the same thing.
func TestCompareIntervals(t *testing.T) {
	run := func(intervalS, from float64) *Saved {
		var intervals []object
		for i := range 12 {
			intervals = append(intervals, object{"latency_us": object{"max": from + float64(i)}})
		}
		return saved(t, object{"schema": "x/1", "latency_us": object{"max": from + 12}, "interval_s": intervalS, "intervals": intervals})
	}
	for _, tt := range []struct {
		lengthB float64
		want    Verdict
	}{{0.5, Differs}, {1, NotSampled}} {
		c, err := Compare(run(0.5, 100), run(tt.lengthB, 200))
		if err != nil {
			t.Fatal(err)
		}
		if d := c.Figures[1]; d.Name != "latency_us.max" || d.Verdict != tt.want || (d.SpreadA != nil) != (tt.want == Differs) {
			t.Errorf("intervals of 0.5 and %v s: %+v, want %s", tt.lengthB, d, tt.want)
		}
	}
}

func TestCompareOfDifferentKinds(t *testing.T) {
	_, err := Compare(saved(t, object{"schema": "x/1"}), saved(t, object{"schema": "y/1"}))
	if !errors.Is(err, ErrReport) {
		t.Error(err)
	}
}
