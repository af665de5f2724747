// Package selection decides which of several clocks can be believed.
//
// Nobody can tell whether one clock is right. But each says how far it may be
// off, which makes an interval that holds the true time if the clock is honest
// (a truechimer). The intervals of honest clocks have a moment in common; where
// most of the intervals meet, the rest are falsetickers. This is Marzullo's
// algorithm as NTP uses it (RFC 5905, section 11.2.1).
//
// The limits are those of a vote. Of five clocks two may lie, however they do
// it. Three liars who disagree make the vote fail; three who agree win it, here
// as in every program.
package selection

import (
	"cmp"
	"slices"
	"time"
)

// An Interval is what a clock says of the true time, relative to any origin that
// all share. Low <= High.
type Interval struct {
	Low, High time.Duration
}

// Around returns the interval of a clock that is off by at most distance >= 0.
func Around(offset, distance time.Duration) Interval {
	return Interval{offset - distance, offset + distance}
}

// overlaps reports whether the intervals have a moment in common.
func (i Interval) overlaps(j Interval) bool { return i.Low <= j.High && j.Low <= i.High }

// An edge is where an interval begins (+1) or ends (-1).
type edge struct {
	at   time.Duration
	step int
}

// Majority returns the moments that the most intervals share, and which of the
// intervals meet them. It reports false if those are not more than half: then
// there is no telling who is right. If several stretches are shared by the
// same number, the narrowest counts.
func Majority(intervals []Interval) (common Interval, truechimers []bool, ok bool) {
	edges := make([]edge, 0, 2*len(intervals))
	for _, i := range intervals {
		edges = append(edges, edge{i.Low, 1}, edge{i.High, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(b.step, a.step)) // intervals that touch meet
	})
	depth, deepest := 0, 0
	for k, e := range edges {
		depth += e.step
		if e.step < 0 {
			continue
		}
		stretch := Interval{e.at, edges[k+1].at}
		if depth > deepest || depth == deepest && stretch.High-stretch.Low < common.High-common.Low {
			deepest, common = depth, stretch
		}
	}
	truechimers = make([]bool, len(intervals))
	for k, i := range intervals {
		truechimers[k] = deepest > 0 && i.overlaps(common)
	}
	return common, truechimers, 2*deepest > len(intervals)
}
