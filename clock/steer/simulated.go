package steer

import (
	"math"
	"time"

	"wirelab/clock/discipline"
)

// A Simulated clock is off from the start and drifts as told, and does what it is
// ordered to. Its time is that of this host's CLOCK_MONOTONIC_RAW, so that it lives
// as a real one does and can be disciplined by real servers.
type Simulated struct {
	base   func() (Reading, error)
	drift  float64 // a ratio
	first  Reading
	steers discipline.Steered
}

// NewSimulated returns a clock that starts offset ahead of CLOCK_REALTIME, > 0, and
// whose oscillator runs so many ppb fast. base reads the host's clocks ([ReadSystem]).
func NewSimulated(base func() (Reading, error), offset time.Duration, ppb float64) (*Simulated, error) {
	first, err := base()
	if err != nil {
		return nil, err
	}
	s := &Simulated{base: base, drift: ppb / 1e9, first: first}
	s.steers.Reading = discipline.Reading{Raw: first.Raw, Clock: first.Real + offset}
	return s, nil
}

// Read reads the host's clocks, and moves this one to where it is by now.
func (s *Simulated) Read() (Reading, error) {
	r, err := s.base()
	if err != nil {
		return r, err
	}
	passed := r.Raw - s.first.Raw
	raw := r.Raw + time.Duration(math.Round(float64(passed)*s.drift))
	if raw > s.steers.Raw {
		s.steers.Move(raw)
	}
	r.Raw, r.Clock = raw, s.steers.At(raw)
	return r, nil
}

// Offset returns how far the clock is ahead of CLOCK_REALTIME: the truth that a real
// clock never tells.
func (s *Simulated) Offset() (time.Duration, error) {
	r, err := s.Read()
	return r.Clock - r.Real, err
}

// Obey steers the clock.
func (s *Simulated) Obey(o discipline.Order) error {
	if _, err := s.Read(); err != nil {
		return err
	}
	s.steers.Obey(o)
	return nil
}

// Close does nothing: the clock ends with the process.
func (s *Simulated) Close() error { return nil }
