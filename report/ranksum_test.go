package report

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Values from the tables of Mann and Whitney (1947), and for ties from counting by hand.
func TestRankSumKnownValues(t *testing.T) {
	tests := []struct {
		name string
		a, b []float64
		want float64
	}{
		{"apart, 3 and 3", []float64{1, 2, 3}, []float64{4, 5, 6}, 2. / 20},
		{"apart, 5 and 5", []float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10}, 2. / 252},
		{"apart, 4 and 6", []float64{1, 2, 3, 4}, []float64{6, 7, 8, 9, 10, 11}, 2. / 210},
		{"one step", []float64{1, 2, 4}, []float64{3, 5, 6}, 4. / 20},
		{"all equal", []float64{7, 7, 7}, []float64{7, 7}, 1},
		{"the same", []float64{1, 2, 3}, []float64{1, 2, 3}, 1},
		{"ties", []float64{1, 1}, []float64{1, 2}, 1},
		{"nothing", nil, []float64{1}, 1},
	}
	for _, tt := range tests {
		if got := rankSum(tt.a, tt.b); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// few draws samples that have ties.
func few(t *rapid.T, name string, most int) []float64 {
	return rapid.SliceOfN(rapid.Map(rapid.IntRange(-4, 4), func(n int) float64 { return float64(n) }), 1, most).Draw(t, name)
}

// dealt counts in how many ways of dealing out ranks the sum is as far off as want:
// the definition of the test, too slow for use.
func dealt(ranks []int, n, sum int, distance func(int) int, want int) (as, all int) {
	switch {
	case n < 0 || n > len(ranks):
		return 0, 0
	case len(ranks) == 0:
		if distance(sum) >= want {
			return 1, 1
		}
		return 0, 1
	}
	with, allWith := dealt(ranks[1:], n-1, sum+ranks[0], distance, want)
	without, allWithout := dealt(ranks[1:], n, sum, distance, want)
	return with + without, allWith + allWithout
}

func TestExactRankSumIsByDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := few(t, "a", 6), few(t, "b", 6)
		ranks := doubledRanks(a, b)
		sum, total := 0, 0
		for i, r := range ranks {
			total += r
			if i < len(a) {
				sum += r
			}
		}
		distance := func(s int) int { return max(s*len(ranks)-len(a)*total, len(a)*total-s*len(ranks)) }
		as, all := dealt(ranks, len(a), 0, distance, distance(sum))
		if got, want := rankSum(a, b), float64(as)/float64(all); math.Abs(got-want) > 1e-12 {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

func TestRankSumProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := few(t, "a", 60), few(t, "b", 60)
		p := rankSum(a, b)
		if !(p > 0 && p <= 1+1e-12) {
			t.Fatalf("p = %v", p)
		}
		if other := rankSum(b, a); math.Abs(other-p) > 1e-9 {
			t.Fatalf("%v one way, %v the other", p, other)
		}
		// Only the order counts.
		grown := func(values []float64) []float64 {
			out := slices.Clone(values)
			for i := range out {
				out[i] = math.Exp(out[i])
			}
			return out
		}
		if other := rankSum(grown(a), grown(b)); other != p {
			t.Fatalf("%v after a change that keeps the order, %v before", other, p)
		}
	})
}

// The two ways to compute it meet where one takes over from the other.
func TestNormalRankSumIsNearTheExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(rapid.Float64Range(0, 100), 20, 25).Draw(t, "a")
		b := rapid.SliceOfN(rapid.Float64Range(0, 100), 20, 25).Draw(t, "b")
		ranks := doubledRanks(a, b)
		sum := 0
		for _, r := range ranks[:len(a)] {
			sum += r
		}
		exact, normal := exactRankSum(ranks, len(a), sum), normalRankSum(ranks, len(a), sum)
		if math.Abs(exact-normal) > 0.02 {
			t.Fatalf("exactly %v, normally %v", exact, normal)
		}
	})
}

// Of samples that differ in nothing, at most as many seem to differ as the bound says.
func TestRankSumKeepsItsLevel(t *testing.T) {
	values := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	below, all := 0, 0
	for mask := range 1 << len(values) {
		var a, b []float64
		for i, v := range values {
			if mask>>i&1 == 1 {
				a = append(a, v)
			} else {
				b = append(b, v)
			}
		}
		if len(a) != 5 {
			continue
		}
		all++
		if rankSum(a, b) < significance {
			below++
		}
	}
	if share := float64(below) / float64(all); share > significance || below == 0 {
		t.Errorf("%d of %d", below, all)
	}
}

func TestQuartiles(t *testing.T) {
	tests := []struct {
		samples []float64
		want    Quartiles
	}{
		{[]float64{5}, Quartiles{5, 5, 5, 1}},
		{[]float64{4, 1, 3, 2}, Quartiles{1.75, 2.5, 3.25, 4}},
		{[]float64{1, 2, 3, 4, 5}, Quartiles{2, 3, 4, 5}},
	}
	for _, tt := range tests {
		if got := *NewQuartiles(tt.samples); got != tt.want {
			t.Errorf("%v: %+v, want %+v", tt.samples, got, tt.want)
		}
	}
}
