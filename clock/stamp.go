// Package clock holds wirelab's notion of time between machines: where a stamp
// was taken, the wire formats that carry stamps (STAMP, NTP), and what can and
// cannot be concluded from four of them.
package clock

import (
	"strconv"
	"time"
)

// Source says who read the clock for a stamp. Stamps of different sources
// must not be mixed in one exchange without saying so: a user-space send stamp
// is tens of microseconds earlier than the kernel's.
type Source uint8

// The places where a stamp can be taken, from the least to the most exact, and
// those that are not known.
const (
	User     Source = iota // read by this process, before the send or after the receive
	Kernel                 // set by the kernel as the packet passed its network stack
	Hardware               // set by the network interface
	Remote                 // told by another host, which does not say who read its clock
)

func (s Source) String() string {
	switch s {
	case Kernel:
		return "kernel"
	case Hardware:
		return "hardware"
	case Remote:
		return "remote"
	}
	return "user"
}

// Stamp is a moment on this host's CLOCK_REALTIME and who read it. Its Time
// carries no monotonic reading, so that differences are those of the wall clock.
type Stamp struct {
	Time   time.Time
	Source Source
}

// Sub returns how much later s is than o by the wall clock.
func (s Stamp) Sub(o Stamp) time.Duration { return s.Time.Round(0).Sub(o.Time.Round(0)) }

// Now reads the clock here, as a user-space stamp.
func Now() Stamp { return Stamp{Time: time.Now().Round(0), Source: User} }

// Microseconds returns d as reports have it.
func Microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// AppendMicroseconds writes d in microseconds with its sign and three decimals.
func AppendMicroseconds(out []byte, d time.Duration) []byte {
	if d >= 0 {
		out = append(out, '+')
	}
	return strconv.AppendFloat(out, Microseconds(d), 'f', 3, 64)
}
