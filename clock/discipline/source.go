package discipline

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// window is how many samples of a source the fit sees.
const window = 96

// A measurement is a sample as a source keeps it.
type measurement struct {
	raw        time.Duration
	server     time.Duration // the source's time minus raw time
	delay      time.Duration
	dispersion time.Duration
	loose      bool // time jumped before it
}

// A source is one server: its latest measurements and what follows from them.
type source struct {
	name    string
	kept    []measurement // the oldest first
	suspect []measurement // that the fit did not expect; it is not decided whose fault it is
	last    Sample        // the latest, whatever became of it
	lost    int           // requests without an answer since the last sample
	poll    time.Duration
	fit     fit
	prior   frequency
	credits float64 // requests that it may be asked beyond the usual rate
	typical float64 // standard deviation of a usual measurement, seconds
}

// seconds of raw time since the oldest measurement.
func (s *source) seconds(raw time.Duration) float64 { return (raw - s.kept[0].raw).Seconds() }

// add takes a measurement into the window and fits anew.
func (s *source) add(m measurement) {
	if len(s.kept) == window {
		s.kept = slices.Delete(s.kept, 0, 1)
	}
	s.kept = append(s.kept, m)
	s.refit()
}

func (s *source) refit() {
	points := s.points()
	s.fit = newFit(points, s.prior)
	deviations := make([]float64, len(points))
	for i, p := range points {
		deviations[i] = math.Sqrt(p.variance(p.excess))
	}
	s.typical = median(deviations)
}

// points turns the window into what is fitted.
func (s *source) points() []point {
	least, gap := s.leastDelay()
	points := make([]point, len(s.kept))
	for i, m := range s.kept {
		points[i] = point{
			at:     s.seconds(m.raw),
			server: (m.server - s.kept[0].server).Seconds(),
			excess: (m.delay - least).Seconds() + gap,
			oneWay: (m.delay - least).Seconds() + gap/math.Sqrt(float64(len(s.kept))),
			noise:  square(m.dispersion.Seconds()) + square(resolution) + square(gap)/12,
			loose:  m.loose,
		}
	}
	return points
}

// resolution is the least error of a measurement, in seconds: that of reading two
// clocks at what is taken for one instant.
const resolution = 50e-9

// leastDelay returns the least delay of the window, and by how many seconds the
// path could probably do better: of n delays whose excess is the sum of two
// exponentials, the least exceeds the possible by about 0.63 of the mean
// excess divided by the root of n, and if one way has it all by the n-th part of the mean.
func (s *source) leastDelay() (least time.Duration, gap float64) {
	least = s.kept[0].delay
	for _, m := range s.kept {
		least = min(least, m.delay)
	}
	sum := 0.0
	for _, m := range s.kept {
		sum += (m.delay - least).Seconds()
	}
	n := float64(len(s.kept))
	gap = 0.63 * sum / n / math.Sqrt(n)
	if len(s.kept) < 4 { // too few to know: part of the delay itself
		gap = max(gap, least.Seconds()/4/n)
	}
	return least, gap
}

// expected returns where the source's time minus raw time should be, in the
// measurements' terms, and the standard deviation of that.
func (s *source) expected(raw time.Duration) (time.Duration, float64) {
	value, variance := s.fit.phase(s.seconds(raw) - s.fit.at)
	return s.kept[0].server + fromSeconds(value), math.Sqrt(variance)
}

// distance is the root distance of RFC 5905 at a moment: by how much the source
// may be off UTC, as we see it.
func (s *source) distance(raw time.Duration) time.Duration {
	return s.last.RootDelay/2 + s.last.RootDispersion + s.bound(raw)
}

// bound returns by how much the fit may be off the source's own clock: for the
// measurement that says most, half its delay, how far the fit is from it, and
// what both clocks may have drifted apart since.
func (s *source) bound(raw time.Duration) time.Duration {
	now, deviation := s.expected(raw)
	rate := s.fit.frequency()
	best := time.Duration(math.MaxInt64)
	for i := len(s.kept) - 1; i >= 0; i-- {
		m := s.kept[i]
		age := (raw - m.raw).Seconds()
		then := now - fromSeconds(rate.value*age)
		drift := fromSeconds(strayed(age, rate.deviation, restless))
		best = min(best, m.delay/2+m.dispersion+max(then-m.server, m.server-then)+drift)
		if m.loose {
			break
		}
	}
	return best + fromSeconds(deviation)
}

// strayed returns how many seconds a clock may be off after t seconds, of which the
// frequency is known to a standard deviation and wanders so much in a second.
func strayed(t, deviation, wander float64) float64 {
	return t*(3*deviation+driftTolerance) + 2*wander*math.Sqrt(t*t*t/3)
}

// driftTolerance is what a disciplined frequency is trusted to, as a ratio.
const driftTolerance = 1e-8

// refusal says why the source's latest sample disqualifies it, "" if nothing does.
func (s *source) refusal(raw, maxDistance time.Duration) string {
	switch distance := s.distance(raw); {
	case s.last.Leap == LeapUnknown:
		return "it says that it is not synchronised (leap 3)"
	case s.last.Stratum == 0 || s.last.Stratum > 15:
		return fmt.Sprintf("its stratum is %d: not synchronised", s.last.Stratum)
	case distance > maxDistance:
		return fmt.Sprintf("its root distance is %v, the limit is %v", rounded(distance), maxDistance)
	}
	return ""
}

func square(x float64) float64 { return x * x }

func fromSeconds(s float64) time.Duration {
	return time.Duration(math.Round(max(-maxSpan, min(maxSpan, s*1e9))))
}

// median returns that of values, which it sorts; of none 0.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// rounded cuts a duration to what a person reads.
func rounded(d time.Duration) time.Duration {
	unit := time.Nanosecond
	for d.Abs()/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}
