package discipline

import (
	"math"
	"time"
)

// Offset returns what the loop would say of a clock now, without an event: by how
// much the followed sources are ahead of it. It reports false while none are followed.
func (l *Loop) Offset(now Reading) (offset, bound time.Duration, ok bool) {
	if len(l.followed) == 0 {
		return 0, 0, false
	}
	server, _, _ := l.combined(now.Raw)
	offset = server - (now.Clock - now.Raw)
	return offset, l.bound(now.Raw, server, offset), true
}

// A Fit is what the loop has learned of one source.
type Fit struct {
	Samples   int           // that are fitted
	Suspects  int           // that nothing explains, and that others have not confirmed
	Deviation time.Duration // standard deviation of a usual sample
	Frequency float64       // ppb that the clock must run fast to keep the source's time
	Skew      float64       // ppb, the standard deviation of that
	Wander    float64       // ppb by which the frequency changes in a second
	Asymmetry float64       // share of the excess delay that shows as offset, -0.5 to 0.5
}

// Source returns what the loop knows of a source; of one that it has not heard it is
// zero.
func (l *Loop) Source(name string) Fit {
	for _, s := range l.sources {
		if s.name != name || len(s.kept) == 0 {
			continue
		}
		f := s.fit.frequency()
		return Fit{
			Samples: len(s.kept), Suspects: len(s.suspect), Deviation: fromSeconds(s.typical),
			Frequency: f.value * 1e9, Skew: f.deviation * 1e9,
			Wander: math.Sqrt(s.fit.wander()) * 1e9, Asymmetry: s.fit.asymmetry(),
		}
	}
	return Fit{}
}
