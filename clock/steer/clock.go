package steer

import (
	"time"

	"wirelab/clock/discipline"
)

// A Clock is one that can be read and steered. It is used by several goroutines, but
// never at once.
type Clock interface {
	// Read reads the clocks.
	Read() (Reading, error)
	// Obey carries out an order, at once; a slew goes on by itself.
	Obey(discipline.Order) error
	// Close ends a slew that is going on, and leaves the clock at the frequency that
	// was ordered last.
	Close() error
}

// A Reading is a clock at one instant.
type Reading struct {
	discipline.Reading               // the clock, and raw time as its oscillator counts it
	Real               time.Duration // CLOCK_REALTIME, in which stamps are taken, since 1970
	Boot               time.Duration // a clock that goes on while the machine sleeps
	Error              time.Duration // by how much these may belong to different instants
}
