package discipline

import (
	"math"
	"time"
)

const (
	unexpected    = 5                // standard deviations that a measurement may be off
	restless      = 1e-8             // what any crystal may wander in a second, whatever it did so far
	fewSamples    = 3                // that say little about the frequency
	wildFrequency = 1e-3             // of a clock that something is wrong with, a ratio
	suspectsAgree = 3                // measurements that confirm a jump
	maxSuspects   = 8                // that may disagree before everything is forgotten
	leapSecond    = time.Second      // by which UTC jumps
	leastJump     = time.Microsecond // of the clock, that can explain anything
)

// take judges a measurement: it is what was expected, or a jump that something
// explains, or suspect. clockJump is by how much the clock has left its orders
// since the source's last sample: a suspended machine shows in it.
func (s *source) take(m measurement, clockJump time.Duration, leapPassed bool) {
	if len(s.kept) == 0 {
		s.add(m)
		return
	}
	off, tolerance := s.surprise(m)
	switch {
	case off.Abs() <= tolerance:
		s.suspect = nil
		s.add(m)
	case s.explained(off, tolerance, clockJump, leapPassed):
		s.suspect = nil
		m.loose = true
		s.add(m)
	default:
		s.doubt(m)
	}
}

// surprise returns how far a measurement is from what the fit foretells, and how
// far it may be.
func (s *source) surprise(m measurement) (off, tolerance time.Duration) {
	expected, deviation := s.expected(m.raw)
	least, gap := s.leastDelay()
	age := (m.raw - s.kept[len(s.kept)-1].raw).Seconds()
	deviation = math.Hypot(deviation, restless*math.Sqrt(age*age*age/3))
	if len(s.kept) < fewSamples {
		deviation += age * wildFrequency
	}
	excess := math.Abs((m.delay - least).Seconds()) + gap
	return m.server - expected, fromSeconds(unexpected*(deviation+resolution)+excess) + m.dispersion
}

// explained reports whether a jump is known to have happened: the clock has
// jumped against raw time, or a leap second was announced and has passed.
func (s *source) explained(off, tolerance, clockJump time.Duration, leapPassed bool) bool {
	if clockJump.Abs() >= leastJump && (off-clockJump).Abs() <= tolerance+clockJump.Abs()/100 {
		return true
	}
	if !leapPassed {
		return false
	}
	switch s.last.Leap {
	case LeapInsert:
		return (off + leapSecond).Abs() <= tolerance
	case LeapDelete:
		return (off - leapSecond).Abs() <= tolerance
	}
	return false
}

// doubt keeps a measurement that nothing explains. If those that follow agree
// with it, the source's time has jumped.
func (s *source) doubt(m measurement) {
	s.suspect = append(s.suspect, m)
	latest := s.suspect[max(0, len(s.suspect)-suspectsAgree):]
	switch {
	case len(latest) == suspectsAgree && s.agree(latest):
		s.jump(latest)
	case len(s.suspect) == maxSuspects: // nothing fits: what was known is worth nothing
		s.prior = frequency{s.fit.frequency().value, priorFrequency}
		s.kept = nil
		s.jump(latest[suspectsAgree-1:])
	}
}

// jump takes suspect measurements as the source's new time.
func (s *source) jump(confirmed []measurement) {
	confirmed[0].loose = true
	for _, m := range confirmed {
		s.add(m)
	}
	s.suspect = nil
}

// agree reports whether suspects are off by the same.
func (s *source) agree(suspects []measurement) bool {
	first, firstTolerance := s.surprise(suspects[0])
	for _, m := range suspects[1:] {
		if off, tolerance := s.surprise(m); (off - first).Abs() > tolerance+firstTolerance {
			return false
		}
	}
	return true
}
