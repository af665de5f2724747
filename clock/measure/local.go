package measure

import "time"

// A wallWatch notices when somebody sets this host's clock: CLOCK_REALTIME then moves
// against CLOCK_MONOTONIC, which nothing else does.
type wallWatch struct {
	origin time.Time
	before time.Duration // wall clock less monotonic clock
}

// stepNoise is by how much two readings of the two clocks differ by chance, when the
// process is not interrupted between them.
const stepNoise = 2 * time.Microsecond

func newWallWatch() wallWatch { return wallWatch{origin: time.Now()} }

func (w *wallWatch) read() time.Duration {
	now := time.Now()
	return now.Round(0).Sub(w.origin.Round(0)) - now.Sub(w.origin)
}

// begin takes the difference to compare with.
func (w *wallWatch) begin() { w.before = w.read() }

// stepped reports whether the clock was set since begin. An interrupted reading is
// repeated: it would have to be interrupted each time to be taken for a step.
func (w *wallWatch) stepped() bool {
	for range 5 {
		if (w.read() - w.before).Abs() <= stepNoise {
			return false
		}
	}
	before := w.before
	w.begin()
	return (w.before - before).Abs() > stepNoise
}
