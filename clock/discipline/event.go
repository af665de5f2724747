package discipline

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// A Reading is two clocks read at the same instant.
type Reading struct {
	Raw   time.Duration // a clock that nobody steers, CLOCK_MONOTONIC_RAW
	Clock time.Duration // the steered clock, since 1970
}

// A Start is what the loop must know before the first sample.
type Start struct {
	Reading
	Frequency    float64       // ppb that the clock runs above its natural frequency now
	MaxFrequency float64       // ppb, > 0: the most that may be ordered, slews included
	MinPoll      time.Duration // > 0: the least time between two requests to a source
	MaxPoll      time.Duration // >= MinPoll
	Step         bool          // the clock may be set, not only slewed
	Drift        *float64      // ppb, the frequency that was right when the loop last ran
	// Passive says that orders are not carried out: the loop only says what it would do.
	Passive bool
	// StepAbove is the least correction that is made by a step once the clock has been
	// right. < 0: then there are no steps.
	StepAbove time.Duration
	// Panic is the largest correction that is made once the clock has been right;
	// 0: any.
	Panic time.Duration
	// MaxDistance is the largest root distance of a source; 0: DefaultMaxDistance.
	MaxDistance time.Duration
}

// DefaultMaxDistance is the root distance above which a source is not believed, as
// in RFC 5905 (MAXDIST).
const DefaultMaxDistance = 1500 * time.Millisecond

// The bounds of a Start.
const (
	maxFrequencyLimit = 100e6 // ppb: a kernel's tick can be changed by a tenth
	maxPollLimit      = 36 * time.Hour
	maxRaw            = 1 << 60 // 36 years
)

// ErrStart reports a Start that no loop can begin with.
var ErrStart = errors.New("bad start")

func (s *Start) check() error {
	switch {
	case !(s.MaxFrequency > 0 && s.MaxFrequency <= maxFrequencyLimit):
		return fmt.Errorf("%w: max_freq_ppb is %v, not between 0 and %.0f", ErrStart, s.MaxFrequency, maxFrequencyLimit)
	case !(math.Abs(s.Frequency) <= maxFrequencyLimit):
		return fmt.Errorf("%w: freq_ppb %v is beyond %.0f", ErrStart, s.Frequency, maxFrequencyLimit)
	case s.MinPoll <= 0 || s.MaxPoll < s.MinPoll || s.MaxPoll > maxPollLimit:
		return fmt.Errorf("%w: min_poll_s %v and max_poll_s %v are not 0 < min <= max <= %v", ErrStart, s.MinPoll, s.MaxPoll, maxPollLimit)
	case s.Drift != nil && !(math.Abs(*s.Drift) <= maxFrequencyLimit):
		return fmt.Errorf("%w: drift_ppb %v is beyond %.0f", ErrStart, *s.Drift, maxFrequencyLimit)
	case s.Panic < 0 || s.MaxDistance < 0:
		return fmt.Errorf("%w: negative limit", ErrStart)
	}
	return checkReading(s.Reading)
}

// A Leap is the leap indicator of NTP (RFC 5905, section 7.3).
type Leap uint8

// The leap indicators.
const (
	LeapNone    Leap = iota
	LeapInsert       // the last minute of the month has 61 seconds
	LeapDelete       // it has 59
	LeapUnknown      // the source itself is not synchronised
)

// A Sample is one exchange with a source. Its readings are of the middle of the
// exchange.
type Sample struct {
	Source string
	Reading
	// Free says that Clock was not read: Offset is that of a clock that nobody
	// steered since the start.
	Free           bool
	Offset         time.Duration // > 0: the source is ahead of the clock
	Delay          time.Duration // of the whole round trip, >= 0
	Dispersion     time.Duration // by how much stamps and their pairing may be off, >= 0
	RootDelay      time.Duration // what the source says of itself
	RootDispersion time.Duration
	Stratum        int
	Leap           Leap
}

// ErrSample reports a sample that cannot be one.
var ErrSample = errors.New("bad sample")

// maxSpan bounds offsets, delays and dispersions: sums of them stay exact.
const maxSpan = 1 << 61

func (s *Sample) check() error {
	spans := []struct {
		name  string
		value time.Duration
	}{{"delay_ns", s.Delay}, {"dispersion_ns", s.Dispersion}, {"root_delay_ns", s.RootDelay}, {"root_dispersion_ns", s.RootDispersion}}
	for _, span := range spans {
		if span.value < 0 || span.value > maxSpan {
			return fmt.Errorf("%w: %s is %d", ErrSample, span.name, span.value)
		}
	}
	switch {
	case s.Source == "":
		return fmt.Errorf("%w: no source", ErrSample)
	case s.Offset > maxSpan || s.Offset < -maxSpan:
		return fmt.Errorf("%w: offset_ns is %d", ErrSample, s.Offset)
	case s.Stratum < 0 || s.Stratum > 255:
		return fmt.Errorf("%w: stratum is %d", ErrSample, s.Stratum)
	case s.Leap > LeapUnknown:
		return fmt.Errorf("%w: leap is %d", ErrSample, s.Leap)
	}
	return checkReading(s.Reading)
}

func checkReading(r Reading) error {
	if r.Raw < -maxRaw || r.Raw > maxRaw || r.Clock < -maxSpan || r.Clock > 3*maxRaw {
		return fmt.Errorf("%w: times %d, %d", ErrSample, r.Raw, r.Clock)
	}
	return nil
}

// A State says what the loop makes of its sources.
type State string

// The states.
const (
	Acquiring State = "acquiring" // the clock is not yet right
	Locked    State = "locked"
	Holdover  State = "holdover" // no source is heard; the clock runs on by what was learned
	Refused   State = "refused"  // sources are heard but not followed; Reason says why
)

// An Order says how to steer the clock from now on and how long to wait. It
// replaces everything that the order before it said, also the rest of a slew.
type Order struct {
	Frequency float64       // ppb above the natural frequency
	Slew      time.Duration // to be gained, beyond Frequency
	SlewOver  time.Duration // of raw time
	Step      time.Duration // to be gained at once
	Poll      time.Duration // from the last request to the source to the next

	State    State
	Reason   string            // why the clock is not locked; empty if it is
	Selected []string          // the sources that are followed, the best first
	Rejected map[string]string // the others, with the reason
	Estimate time.Duration     // of the offset before this order
	Bound    time.Duration     // by how much the clock may be off UTC, Estimate included; 0: unknown
	Skew     float64           // ppb: the standard deviation of the frequency
	Wander   float64           // ppb by which the frequency may change in a second
	Leap     Leap              // what most of the selected sources announce
	// Residual is how far the loop's own clock was off at a free sample.
	Residual *time.Duration
}

// BoundAfter returns what Bound has grown to after some raw time without another
// order: by how much the frequency may be off, and what it may have changed by since.
func (o Order) BoundAfter(passed time.Duration) time.Duration {
	if o.Bound == 0 {
		return 0
	}
	return o.Bound + fromSeconds(strayed(passed.Seconds(), o.Skew/1e9, o.Wander/1e9))
}
