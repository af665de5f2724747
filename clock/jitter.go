package clock

import "time"

// Jitter is the interarrival jitter of RFC 3550, section 6.4.1: how much the time
// from a packet's send stamp to its receive stamp changes from one packet to the
// next, smoothed with gain 1/16. A constant clock difference cancels out. The zero
// Jitter is ready for the first packet.
type Jitter struct {
	started  bool
	previous time.Duration
	smoothed float64 // nanoseconds
}

// Add takes a packet's receive stamp less its send stamp.
func (j *Jitter) Add(transit time.Duration) {
	if !j.started {
		j.started, j.previous = true, transit
		return
	}
	change := float64(transit) - float64(j.previous) // which a Duration may not hold
	j.previous = transit
	j.smoothed += (max(change, -change) - j.smoothed) / 16
}

// Value returns the jitter; 0 before the second packet.
func (j *Jitter) Value() time.Duration { return time.Duration(min(j.smoothed, 1<<62)) }
