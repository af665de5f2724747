package discipline

import (
	"math"
	"time"
)

// doubt is how uncertain the clock may become before a source is asked again, in
// standard deviations of a usual measurement.
const (
	doubt   = 0.7
	credits = 5
	credit  = 6
)

// nextPoll returns how long the source need not be asked: until what is known of
// its time has become too uncertain. A good measurement is made use of for
// long, a bad one is soon followed by another.
func (s *source) nextPoll(least, most time.Duration) time.Duration {
	if len(s.suspect) > 0 {
		return least
	}
	wanted := least
	if s.fit.n >= 3 {
		wanted = s.useful(least, most)
	}
	return max(least, min(most, s.afford(wanted)))
}

// useful returns when the source's time will have become too uncertain.
func (s *source) useful(least, most time.Duration) time.Duration {
	limit := square(doubt * s.typical)
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

// afford spends a credit on the poll that begins, and lengthens it where none is
// left. Credits grow with time, one in the interval in which the crystal
// begins to drown the noise of measurements: asking more often teaches little.
func (s *source) afford(wanted time.Duration) time.Duration {
	interval := math.Cbrt(square(s.typical)/s.fit.wander()) / credit
	s.credits = min(credits, s.credits+s.poll.Seconds()/interval) - 1
	return max(wanted, fromSeconds((1-s.credits)*interval))
}

// retry returns when to ask again after requests that nobody answered: once or
// twice soon, since a single loss says little, then ever less often.
func (s *source) retry(least, most time.Duration) time.Duration {
	if s.lost <= 2 {
		return max(least, s.poll/2)
	}
	return min(most, max(least, s.poll)<<min(s.lost-2, 16))
}
