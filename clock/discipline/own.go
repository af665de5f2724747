package discipline

import (
	"math"
	"time"
)

// steered is the clock as it is if it does what it was ordered to.
type steered struct {
	Reading
	frequency float64 // ppb
	slew      time.Duration
	slewUntil time.Duration // raw
}

// at returns the clock's time at a raw time, not before the last.
func (c *steered) at(raw time.Duration) time.Duration {
	passed := raw - c.Raw
	gain := math.Round(float64(passed) * c.frequency / 1e9)
	if span := c.slewUntil - c.Raw; span > 0 {
		gain += math.Round(float64(c.slew) * min(1, float64(passed)/float64(span)))
	}
	return c.Clock + passed + time.Duration(gain)
}

// move takes the clock to a raw time, with what is left of a slew.
func (c *steered) move(raw time.Duration) {
	now := c.at(raw)
	if span := c.slewUntil - c.Raw; span > 0 {
		c.slew -= time.Duration(math.Round(float64(c.slew) * min(1, float64(raw-c.Raw)/float64(span))))
	}
	c.Raw, c.Clock = raw, now
}

// obey begins what an order says.
func (c *steered) obey(o Order) {
	c.frequency = o.Frequency
	c.Clock += o.Step
	c.slew, c.slewUntil = o.Slew, c.Raw+o.SlewOver
}
