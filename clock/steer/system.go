package steer

import (
	"sync"
	"time"

	"wirelab/clock/discipline"
	kernel "wirelab/internal/sys/clock"
)

// ReadSystem reads this host's clocks.
func ReadSystem() (Reading, error) {
	r, err := kernel.Read()
	if err != nil {
		return Reading{}, err
	}
	return Reading{Reading: discipline.Reading{Raw: r.Raw, Clock: r.Real}, Real: r.Real, Boot: r.Boot, Error: r.Apart}, nil
}

// System is this host's CLOCK_REALTIME.
type System struct {
	steer bool

	mu        sync.Mutex
	frequency float64     // ppb, that holds when no slew goes on
	slew      *time.Timer // ends a slew; nil: none
}

// NewSystem returns the system clock, to be steered or only read. The error is
// sys.ErrNotPermitted where it is to be steered and may not be.
func NewSystem(steer bool) (*System, error) {
	if steer {
		if err := kernel.MaySteer(); err != nil {
			return nil, err
		}
	}
	state, err := kernel.ReadState()
	if err != nil {
		return nil, err
	}
	return &System{steer: steer, frequency: state.Frequency}, nil
}

// Frequency returns the ppb that the kernel runs above the natural frequency, apart
// from slews.
func (s *System) Frequency() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frequency
}

// Read reads the host's clocks.
func (s *System) Read() (Reading, error) { return ReadSystem() }

// Obey steers the clock. A slew is a frequency for a while: it ends by a timer here,
// or with Close.
func (s *System) Obey(o discipline.Order) error {
	if !s.steer {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endSlew()
	s.frequency = o.Frequency
	if o.Step != 0 {
		if err := kernel.Step(o.Step); err != nil {
			return err
		}
	}
	rate := o.Frequency
	if o.SlewOver > 0 {
		rate += float64(o.Slew) / float64(o.SlewOver) * 1e9
		s.beginSlew(o.SlewOver)
	}
	if err := kernel.SetFrequency(rate); err != nil {
		return err
	}
	return s.declare(o)
}

// declare tells the kernel, and so everyone who asks it, how good the clock is.
func (s *System) declare(o discipline.Order) error {
	if o.State != discipline.Locked && o.State != discipline.Holdover {
		return nil // its own error grows by itself
	}
	sync := kernel.Sync{MaxError: o.Bound, EstimatedError: o.Estimate.Abs()}
	if lastDayOfMonth(time.Now()) {
		sync.Insert, sync.Delete = o.Leap == discipline.LeapInsert, o.Leap == discipline.LeapDelete
	}
	return kernel.SetSync(sync)
}

// lastDayOfMonth reports whether a leap second that is announced is due at the end of
// this day.
func lastDayOfMonth(t time.Time) bool {
	return t.UTC().AddDate(0, 0, 1).Day() == 1
}

// beginSlew sees to it that a slew ends.
func (s *System) beginSlew(over time.Duration) {
	var timer *time.Timer
	timer = time.AfterFunc(over, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.slew != timer {
			return // another order has come since
		}
		s.slew = nil
		// Who could begin a slew can end it.
		_ = kernel.SetFrequency(s.frequency)
	})
	s.slew = timer
}

// endSlew forgets a slew that is going on.
func (s *System) endSlew() {
	if s.slew != nil {
		s.slew.Stop()
		s.slew = nil
	}
}

// Close ends a slew, leaves the clock at its last frequency, and tells the kernel that
// nobody keeps it right any more.
func (s *System) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.steer {
		return nil
	}
	s.endSlew()
	if err := kernel.SetFrequency(s.frequency); err != nil {
		return err
	}
	return kernel.SetSync(kernel.Sync{MaxError: time.Minute})
}
