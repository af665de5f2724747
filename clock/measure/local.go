package measure

import (
	"math"
	"time"

	"wirelab/internal/sys/clock"
)

// A wallWatch notices when somebody sets this host's clock, or changes its rate. When it is
// set, CLOCK_REALTIME moves against CLOCK_MONOTONIC, which nothing else makes it do; rates are
// asked of the kernel.
type wallWatch struct {
	origin time.Time
	before time.Duration // wall clock less monotonic clock
	rate   rate
}

// A rate is how fast the clock runs, as somebody has ordered.
type rate struct {
	known bool
	ppb   float64 // beside the natural rate
}

const (
	// stepNoise is by how much two readings of the two clocks differ by chance, when the
	// process is not interrupted between them.
	stepNoise = 2 * time.Microsecond
	// fastest is how fast a clock runs that makes up for its crystal alone; beyond, it is
	// being slewed.
	fastest = 450e3 // ppb
)

func newWallWatch() wallWatch { return wallWatch{origin: time.Now()} }

func (w *wallWatch) read() time.Duration {
	now := time.Now()
	return now.Round(0).Sub(w.origin.Round(0)) - now.Sub(w.origin)
}

// steady returns a reading that the next one agrees with: it was not interrupted.
func (w *wallWatch) steady() time.Duration {
	last := w.read()
	for range 10 {
		next := w.read()
		if (next - last).Abs() <= stepNoise/2 {
			return next
		}
		last = next
	}
	return last
}

func readRate() rate {
	s, err := clock.ReadState()
	if err != nil {
		return rate{} // no kernel that could be asked
	}
	const usualTick = 10 * time.Millisecond // of USER_HZ, 100 a second
	return rate{true, s.Frequency + float64(s.Tick-usualTick)/float64(usualTick)*1e9}
}

// begin takes what to compare with.
func (w *wallWatch) begin() { w.before, w.rate = w.steady(), readRate() }

// stepped reports whether the clock was set since begin.
func (w *wallWatch) stepped() bool { return (w.steady() - w.before).Abs() > stepNoise }

// slewed reports whether the clock's rate was changed since begin, or is one that no
// clock has for long.
func (w *wallWatch) slewed() bool {
	now := readRate()
	return now.known && (w.rate.known && now.ppb != w.rate.ppb || math.Abs(now.ppb) > fastest)
}
