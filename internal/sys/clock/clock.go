// Package clock is the door to the kernel's clocks: reading several of them at one
// instant, the state that adjtimex(2) knows, and steering CLOCK_REALTIME.
//
// Reading needs no privilege, steering CAP_SYS_TIME. Nothing here keeps state: what
// the kernel was told stays until it is told otherwise, also when the process ends.
package clock

import "time"

// A Reading is the clocks at one instant.
type Reading struct {
	Raw       time.Duration // CLOCK_MONOTONIC_RAW: no daemon touches it, sleep stops it
	Monotonic time.Duration // CLOCK_MONOTONIC: never set, but steered in its rate
	Boot      time.Duration // CLOCK_BOOTTIME: CLOCK_MONOTONIC and the time asleep
	Real      time.Duration // CLOCK_REALTIME, since 1970
	// Apart is how far apart in time they were read: each is that of the instant
	// within half of it.
	Apart time.Duration
}

// The limits of the kernel.
const (
	MaxFrequency = 500e3 // ppb, of SetFrequency
	// unsynchronised is the error above which the kernel says that a clock is not
	// synchronised.
	unsynchronised = 16 * time.Second
)

// A State is what the kernel knows of its clock.
type State struct {
	Frequency      float64       // ppb that a daemon has ordered
	Tick           time.Duration // length of a tick; 10 ms, unless a daemon has changed it
	Offset         time.Duration // that the kernel's own loop is about to slew
	MaxError       time.Duration // grows by 500 ppm until a daemon sets it anew
	EstimatedError time.Duration
	Unsynchronised bool          // nobody claims that the clock is right
	Loop           bool          // the kernel's own loop (PLL or FLL) is in use
	PPS            bool          // a pulse per second disciplines it
	Insert, Delete bool          // a leap second is due at the end of the day
	TAI            time.Duration // TAI less UTC; 0: unknown
}

// A Sync is what the kernel is told about the quality of its clock, for everyone who
// asks it.
type Sync struct {
	MaxError, EstimatedError time.Duration // MaxError of 16 s or more: not synchronised
	Insert, Delete           bool          // a leap second at the end of this day
}
