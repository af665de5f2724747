package load

import (
	"math"
	"strings"
	"testing"
	"time"

	"wirelab/load/latency"

	"pgregory.net/rapid"
)

func TestParseLimit(t *testing.T) {
	for spec, want := range map[string]string{
		"p99<2ms": "p99<2ms", " p999 < 1500us ": "p999<1.5ms", "mean<1s": "mean<1s", "max<1h": "max<1h0m0s", "p50<1ns": "p50<1ns", "p90<3ms": "p90<3ms",
	} {
		if l, err := ParseLimit(spec); err != nil || l.String() != want {
			t.Errorf("%q: %q, %v, want %q", spec, l, err, want)
		}
	}
	for _, spec := range []string{"", "p99", "p99<", "<2ms", "p98<2ms", "p99<2", "p99>2ms", "p99<=2ms", "p99<0s", "p99<-1ms", "p99<2h", "p99<1ms<2ms"} {
		if l, err := ParseLimit(spec); err == nil {
			t.Errorf("%q is taken as %v", spec, l)
		} else if strings.Contains(err.Error(), "time:") {
			t.Errorf("%q: %v", spec, err)
		}
	}
}

func FuzzParseLimit(f *testing.F) {
	f.Add("p99<2ms")
	f.Add("max < 1h")
	f.Fuzz(func(t *testing.T, spec string) {
		l, err := ParseLimit(spec)
		if err != nil {
			return
		}
		if again, err := ParseLimit(l.String()); err != nil || again != l {
			t.Fatalf("%q is %v, and that is %v, %v", spec, l, again, err)
		}
	})
}

// A message that was not answered counts as one that took longer than any other.
func TestLimitCountsMissingAnswers(t *testing.T) {
	d := latency.NewDistribution(MaxTimeout)
	for v := range 100 {
		d.Add(time.Duration(v+1) * time.Millisecond)
	}
	tests := []struct {
		limit   string
		missing float64
		from    time.Duration
		to      time.Duration
	}{
		{"p50<1s", 0, 50 * time.Millisecond, 51 * time.Millisecond},
		{"p50<1s", 0.5, 100 * time.Millisecond, 101 * time.Millisecond},
		{"p50<1s", 0.51, math.MaxInt64, math.MaxInt64},
		{"p90<1s", 0.05, 94 * time.Millisecond, 96 * time.Millisecond},
		{"p99<1s", 0.02, math.MaxInt64, math.MaxInt64},
		{"max<1s", 0, 100 * time.Millisecond, 100 * time.Millisecond},
		{"max<1s", 0.0001, math.MaxInt64, math.MaxInt64},
		{"mean<1s", 0, 50500 * time.Microsecond, 50500 * time.Microsecond},
		{"mean<1s", 0.0001, math.MaxInt64, math.MaxInt64},
	}
	for _, test := range tests {
		l, err := ParseLimit(test.limit)
		if err != nil {
			t.Fatal(err)
		}
		if v := l.value(&d, test.missing); v < test.from || v > test.to {
			t.Errorf("%s with %v missing: %v, want from %v to %v", test.limit, test.missing, v, test.from, test.to)
		}
	}
	empty := latency.NewDistribution(MaxTimeout)
	l, _ := ParseLimit("p50<1s")
	if l.held(l.value(&empty, 1)) {
		t.Error("held without an answer")
	}
}

// Whatever the highest rate is that holds, the search comes close to it, from below
// and in few steps.
func TestSearchConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := math.Exp(rapid.Float64Range(0.1, math.Log(MaxRate)).Draw(t, "log capacity"))
		s := &rateSearch{
			search: SearchConfig{Precision: rapid.Float64Range(0.001, 0.5).Draw(t, "precision")},
			most:   MaxRate,
			broken: math.Inf(1),
		}
		steps := 0
		for rate := math.Exp(rapid.Float64Range(0, 18).Draw(t, "log first")); rate > 0; rate = s.next() {
			if steps++; steps > maxSteps {
				t.Fatalf("no end after %d steps: between %v and %v", steps, s.held, s.broken)
			}
			if rate <= capacity {
				s.held = rate
			} else {
				s.broken = rate
			}
		}
		if s.held > capacity || s.held == 0 || s.held < capacity/(1+s.search.Precision)*0.999999 && s.held < MaxRate {
			t.Fatalf("found %v of %v", s.held, capacity)
		}
	})
}
