package discipline

import (
	"math"
	"time"
)

// A Steered is a clock that does exactly what it is ordered to.
type Steered struct {
	Reading                 // when it was last moved
	Frequency float64       // ppb above the natural frequency
	slew      time.Duration // still to be gained
	slewUntil time.Duration // raw
}

// At returns the clock's time at a raw time, not before the last.
func (c *Steered) At(raw time.Duration) time.Duration {
	passed := raw - c.Raw
	gain := math.Round(float64(passed) * c.Frequency / 1e9)
	if span := c.slewUntil - c.Raw; span > 0 {
		gain += math.Round(float64(c.slew) * min(1, float64(passed)/float64(span)))
	}
	return c.Clock + passed + time.Duration(gain)
}

// Move takes the clock to a raw time, with what is left of a slew.
func (c *Steered) Move(raw time.Duration) {
	now := c.At(raw)
	if span := c.slewUntil - c.Raw; span > 0 {
		c.slew -= time.Duration(math.Round(float64(c.slew) * min(1, float64(raw-c.Raw)/float64(span))))
	}
	c.Raw, c.Clock = raw, now
}

// Obey begins what an order says.
func (c *Steered) Obey(o Order) {
	c.Frequency = o.Frequency
	c.Clock += o.Step
	c.slew, c.slewUntil = o.Slew, c.Raw+o.SlewOver
}
