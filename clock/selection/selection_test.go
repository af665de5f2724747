package selection

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMajority(t *testing.T) {
	const ms = time.Millisecond
	honest := []Interval{Around(0, 10*ms), Around(3*ms, 10*ms), Around(-4*ms, 10*ms)}
	tests := []struct {
		name      string
		intervals []Interval
		want      []bool
		ok        bool
	}{
		{"none", nil, nil, false},
		{"one", honest[:1], []bool{true}, true},
		{"two that agree", honest[:2], []bool{true, true}, true},
		{"two that do not", []Interval{Around(0, ms), Around(9*ms, ms)}, []bool{true, false}, false},
		{"two of five lie, each for itself", append(slices.Clone(honest), Around(time.Second, ms), Around(-time.Hour, ms)), []bool{true, true, true, false, false}, true},
		{"two of five agree on a lie", append(slices.Clone(honest), Around(time.Second, ms), Around(time.Second, ms)), []bool{true, true, true, false, false}, true},
		{"three of five lie, each for itself", append(slices.Clone(honest[:2]), Around(time.Second, ms), Around(-time.Hour, ms), Around(time.Hour, ms)), nil, false},
		{"intervals that touch", []Interval{{0, ms}, {ms, 2 * ms}}, []bool{true, true}, true},
	}
	for _, tt := range tests {
		_, got, ok := Majority(tt.intervals)
		if ok != tt.ok || tt.want != nil && ok && !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, %t; want %v, %t", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

// Of stretches that as many share the narrowest counts, the first if they are alike.
func TestMajorityTakesTheNarrowest(t *testing.T) {
	for want, intervals := range map[Interval][]Interval{
		{100, 110}: {{0, 200}, {20, 50}, {100, 110}},
		{20, 25}:   {{0, 200}, {20, 25}, {100, 110}},
		{20, 30}:   {{0, 200}, {20, 30}, {100, 110}},
		{-90, -60}: {{-200, 0}, {-90, -60}, {-50, -10}},
	} {
		if got, _, ok := Majority(intervals); got != want || !ok {
			t.Errorf("%v: %v, %t", intervals, got, ok)
		}
	}
}

// While fewer than half lie, the true time is in what the majority shares, or the
// liars are as plausible as the honest; whoever is honest is never alone out.
func TestMajorityHoldsTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const truth = 0
		honest := rapid.IntRange(1, 9).Draw(t, "honest")
		liars := rapid.IntRange(0, honest-1).Draw(t, "liars")
		var all []Interval
		for range honest {
			distance := time.Duration(rapid.Int64Range(0, 1000).Draw(t, "distance"))
			off := time.Duration(rapid.Int64Range(-int64(distance), int64(distance)).Draw(t, "off"))
			all = append(all, Around(truth+off, distance))
		}
		for range liars {
			all = append(all, Around(time.Duration(rapid.Int64Range(5000, 9000).Draw(t, "lie")), time.Microsecond))
		}
		common, truechimers, ok := Majority(all)
		if !ok || common.Low > truth || common.High < truth {
			t.Fatalf("%v: common %v, %t", all, common, ok)
		}
		for i := range all {
			if truechimers[i] != (i < honest) {
				t.Fatalf("%v: clock %d is believed: %t", all, i, truechimers[i])
			}
		}
	})
}
