package discipline

import (
	"math"
	"time"
)

const (
	usualSlew = 8 * time.Second // in which a correction is made if the clock can do it
	leastSlew = time.Second / 8
	longSlew  = 8 * time.Second // a correction that takes longer is a step, where steps are allowed
	leastStep = time.Millisecond
	mostSlew  = 2 * maxPollLimit // that is ordered at once: there is another order before
)

// correct orders the correction of the clock, at the frequency that o has.
func (l *Loop) correct(o *Order, correction time.Duration) {
	room := l.start.MaxFrequency - math.Abs(o.Frequency)
	if room < l.start.MaxFrequency/100 {
		room = l.start.MaxFrequency / 100 // the frequency gives way
		o.Frequency = math.Copysign(l.start.MaxFrequency-room, o.Frequency)
	}
	over := fromSeconds(math.Abs(float64(correction)) / room)
	if l.maySet(correction) && over > longSlew {
		o.Step = correction
		return
	}
	if over > mostSlew {
		correction, over = time.Duration(math.Copysign(room/1e9*float64(mostSlew), float64(correction))), mostSlew
	}
	o.Slew, o.SlewOver = correction, max(over, leastSlew, min(usualSlew, o.Poll/2))
	if correction == 0 {
		o.SlewOver = 0
	}
}

// maySet reports whether the clock may be set by a correction of that size.
func (l *Loop) maySet(correction time.Duration) bool {
	if l.locked && (l.start.StepAbove < 0 || correction.Abs() < l.start.StepAbove) {
		return false
	}
	return l.start.Step && correction.Abs() >= leastStep
}
