package simulate

import (
	"math"
	"math/rand/v2"
	"time"

	"wirelab/clock/discipline"
)

// The origins of the simulated clocks.
const (
	rawOrigin   = 1000 * time.Second
	clockOrigin = 1_790_000_000 * time.Second
)

// A world is a machine with its clock, in true time. Seconds and ratios.
type world struct {
	scenario Scenario
	random   *rand.Rand
	now      float64 // true time
	raw      float64 // what the raw clock has gained on its origin
	gained   float64 // what the steered clock has gained on raw time
	natural  float64 // by which the oscillator runs fast, a ratio
	ordered  float64 // frequency, a ratio
	slew     float64 // rate, a ratio
	slewLeft float64 // raw seconds
}

func newWorld(s Scenario, seed uint64) *world {
	return &world{
		scenario: s, random: rand.New(rand.NewPCG(seed, 0)),
		gained: s.Offset.Seconds(), natural: s.Frequency / 1e9,
	}
}

// tick is how often the frequency wanders and the clock is judged, in seconds.
const tick = 1.0

// advance moves the world by at most a tick, in which nothing else happens.
func (w *world) advance(dt float64) {
	w.now += dt
	if w.suspended() {
		w.gained += dt // the kernel sets the clock by the one that ran on
		return
	}
	raw := dt * (1 + w.natural)
	w.raw += raw
	slewed := min(raw, w.slewLeft)
	w.gained += raw*w.ordered + slewed*w.slew
	w.slewLeft -= slewed
}

func (w *world) suspended() bool {
	from := w.scenario.SuspendedAt.Seconds()
	return w.now > from && w.now <= from+w.scenario.Suspended.Seconds()
}

// wander changes the frequency as a second does.
func (w *world) wander() { w.natural += w.scenario.Wander / 1e9 * w.random.NormFloat64() }

// obey steers the clock.
func (w *world) obey(o discipline.Order) {
	w.ordered = o.Frequency / 1e9
	w.gained += o.Step.Seconds()
	w.slew, w.slewLeft = 0, 0
	if o.SlewOver > 0 {
		w.slew, w.slewLeft = o.Slew.Seconds()/o.SlewOver.Seconds(), o.SlewOver.Seconds()
	}
}

// reading reads the clocks as they were or will be by dt seconds from now.
func (w *world) reading(dt float64) discipline.Reading {
	raw := w.raw + dt*(1+w.natural)
	gained := w.gained + dt*w.ordered
	if w.slewLeft > 0 {
		gained += dt * w.slew
	}
	return discipline.Reading{Raw: rawOrigin + nanoseconds(raw), Clock: clockOrigin + nanoseconds(raw+gained)}
}

// server returns what the servers' clocks have gained on their origin: the true time
// and what they have jumped by.
func (w *world) server() float64 {
	if w.scenario.ServerStep != 0 && w.now >= w.scenario.StepAt.Seconds() {
		return w.now + w.scenario.ServerStep.Seconds()
	}
	return w.now
}

// offset returns by how much the clock is ahead of the servers.
func (w *world) offset() float64 { return w.raw + w.gained - w.server() }

// exchange asks a server. It reports false if there was no answer. All stamps are
// within a fraction of a second, in which no frequency changes.
func (w *world) exchange(s Server) (discipline.Sample, bool) {
	forward := s.Forward.Delay.Seconds() + w.random.ExpFloat64()*s.Forward.Jitter.Seconds()*w.busy(s.Busy)
	back := s.Back.Delay.Seconds() + w.random.ExpFloat64()*s.Back.Jitter.Seconds()
	lost := w.random.Float64() < s.Loss
	if lost || w.silent() || w.suspended() {
		return discipline.Sample{}, false
	}
	lie := s.Lie.Seconds() + w.now*s.LieFrequency/1e9
	t1, t4 := w.reading(-forward-back), w.reading(0)
	t2 := clockOrigin + nanoseconds(w.server()-back+lie)
	middle := discipline.Reading{Raw: (t1.Raw + t4.Raw) / 2, Clock: t1.Clock + (t4.Clock-t1.Clock)/2}
	return discipline.Sample{
		Source: s.Name, Reading: middle,
		Offset: ((t2 - t1.Clock) + (t2 - t4.Clock)) / 2, Delay: t4.Clock - t1.Clock,
		Stratum: 1,
	}, true
}

func (w *world) busy(b Busy) float64 {
	if b.Every > 0 && math.Mod(w.now, b.Every.Seconds()) < b.Lasts.Seconds() {
		return b.Factor
	}
	return 1
}

func (w *world) silent() bool {
	from := w.scenario.SilentFrom.Seconds()
	return w.now >= from && w.now < from+w.scenario.Silent.Seconds()
}

func nanoseconds(s float64) time.Duration { return time.Duration(math.Round(s * 1e9)) }
