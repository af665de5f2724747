package discipline

import (
	"math"
	"time"
)

// What decides when a source is asked again. Doubts are in standard deviations of a usual
// measurement.
const (
	doubt      = 0.75 // how uncertain the clock may become
	greatDoubt = 1.3  // when it is asked whatever was spent
	fewDoubt   = 8    // how many samples it takes to believe what the fit says of its errors
	credits    = 5    // requests that may be made early, before they must be earned
	earning    = 3    // credits earned while the crystal begins to drown the noise
	slowest    = 255  // seconds in which a credit is earned at least
	longest    = 1.4  // polls, in the time that earns a credit: to save up more is no use
)

// nextPoll returns how long the source need not be asked: until what is known of
// its time has become too uncertain. A good measurement is made use of for
// long, a bad one is soon followed by another.
func (s *source) nextPoll(least, most time.Duration) time.Duration {
	if len(s.suspect) > 0 {
		return least
	}
	if s.fit.n < 3 {
		return s.afford(least, least)
	}
	return s.afford(s.useful(least, most, doubt), s.useful(least, most, greatDoubt))
}

// useful returns when the source's time will have become so uncertain, in standard
// deviations of a usual measurement.
func (s *source) useful(least, most time.Duration, doubt float64) time.Duration {
	limit := square(doubt*s.typical) / (1 + fewDoubt/float64(s.fit.n))
	enough := func(poll time.Duration) bool {
		_, variance := s.fit.phase(poll.Seconds())
		return variance <= limit
	}
	if !enough(least) {
		return least
	}
	if enough(most) {
		return most
	}
	low, high := least, most
	for high-low > low/64+1 {
		if middle := time.Duration(math.Sqrt(float64(low) * float64(high))); enough(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// afford spends a credit on the poll that begins, and lengthens it, to most, where
// none is left. Credits are earned with time: so many in the time in which a crystal of
// that wander strays by as much as a measurement. To ask more often teaches little.
func (s *source) afford(wanted, most time.Duration) time.Duration {
	wander := math.Sqrt(s.fit.wander() * usualWander) // half believed, it is hard to tell
	interval := min(math.Cbrt(square(s.typical)/wander)/earning, slowest)
	s.credits = min(credits, s.credits+s.poll.Seconds()/interval) - 1
	wanted = min(wanted, fromSeconds(longest*interval))
	return max(wanted, min(most, fromSeconds((1-s.credits)*interval)))
}

// retry returns when to ask again after requests that nobody answered: once or
// twice soon, since a single loss says little, then ever less often.
func (s *source) retry(least, most time.Duration) time.Duration {
	if s.lost <= 2 {
		return max(least, s.poll/2)
	}
	return min(most, max(least, s.poll)<<min(s.lost-2, 16))
}
