package simulate

import (
	"math"
	"time"

	"wirelab/clock/discipline"
)

// A Result says how well the clock was kept. Offsets are the clock's true ones,
// which only a simulator knows, once a second.
type Result struct {
	//lint:ignore ST1011 the root mean square is no milliseconds
	RMS, Max time.Duration // from the scenario's JudgedFrom on
	// Lock is when the clock came within LockedWithin to stay there until the
	// scenario's end or its disturbance; < 0: never.
	Lock     time.Duration
	Requests int             // to all servers
	Steps    int             // times that the clock was set
	MeanPoll time.Duration   // of a server
	Offsets  []time.Duration // one a second, > 0: the clock is ahead
	Broken   int             // seconds in which the loop's bound did not hold
	State    discipline.State
	Reason   string
	Last     discipline.Order
}

// Run plays a scenario. The same seed gives the same result.
func Run(s Scenario, seed uint64) (Result, error) {
	r := &run{world: newWorld(s, seed), due: make([]float64, len(s.Servers))}
	loop, err := discipline.New(discipline.Start{
		Reading: r.world.reading(0), MaxFrequency: s.MaxFrequency, MinPoll: s.MinPoll, MaxPoll: s.MaxPoll, Step: s.Step,
	})
	if err != nil {
		return Result{}, err
	}
	r.loop = loop
	for i := range r.due {
		r.due[i] = 0.1 + 0.2*float64(i)
	}
	end := s.Duration.Seconds()
	for second := tick; second <= end; second += tick {
		if err := r.until(second); err != nil {
			return Result{}, err
		}
		r.judge()
		r.world.wander()
	}
	return r.finish(), nil
}

// A run is a scenario that is being played.
type run struct {
	world  *world
	loop   *discipline.Loop
	due    []float64 // when each server is asked next, true time
	result Result
	order  discipline.Order
	since  time.Duration // raw, of the order
}

// until plays what happens before a time.
func (r *run) until(end float64) error {
	for {
		next := 0
		for i, due := range r.due {
			if due < r.due[next] {
				next = i
			}
		}
		if r.due[next] >= end {
			break
		}
		r.world.advance(r.due[next] - r.world.now)
		if err := r.ask(next); err != nil {
			return err
		}
	}
	r.world.advance(end - r.world.now)
	return nil
}

func (r *run) ask(i int) error {
	r.result.Requests++
	server := r.world.scenario.Servers[i]
	sample, answered := r.world.exchange(server)
	var order discipline.Order
	var err error
	if answered {
		order, err = r.loop.Sample(sample)
	} else {
		order, err = r.loop.Lost(server.Name, r.world.reading(0), false)
	}
	if err != nil {
		return err
	}
	r.world.obey(order)
	if order.Step != 0 {
		r.result.Steps++
	}
	r.order, r.since = order, r.world.reading(0).Raw
	r.due[i] = r.world.now + order.Poll.Seconds()
	return nil
}

// judge takes note of how far the clock is off.
func (r *run) judge() {
	off := nanoseconds(r.world.offset())
	r.result.Offsets = append(r.result.Offsets, off)
	if s := r.world.scenario; s.StepAt > 0 && r.world.now >= s.StepAt.Seconds() && r.world.now < s.JudgedFrom.Seconds() {
		return // nobody can know yet that the servers have jumped
	}
	bound := r.order.BoundAfter(r.world.reading(0).Raw - r.since)
	if bound > 0 && r.order.Step == 0 && off.Abs() > bound && !r.world.suspended() {
		r.result.Broken++
	}
}

func (r *run) finish() Result {
	res := &r.result
	s := r.world.scenario
	sum, judged := 0.0, 0
	for i, off := range res.Offsets {
		if at := time.Duration(i+1) * time.Second; at < s.JudgedFrom {
			continue
		}
		sum += square(off.Seconds())
		judged++
		res.Max = max(res.Max, off.Abs())
	}
	if judged > 0 {
		res.RMS = nanoseconds(math.Sqrt(sum / float64(judged)))
	}
	res.Lock = lock(res.Offsets[:min(len(res.Offsets), undisturbed(s))], s.LockedWithin)
	res.MeanPoll = s.Duration * time.Duration(len(s.Servers)) / time.Duration(max(1, res.Requests))
	res.State, res.Reason, res.Last = r.order.State, r.order.Reason, r.order
	return *res
}

// undisturbed returns how many seconds pass before something happens to the servers
// or the machine.
func undisturbed(s Scenario) int {
	for _, at := range []time.Duration{s.StepAt, s.SilentFrom, s.SuspendedAt} {
		if at > 0 {
			return int(at/time.Second) - 1
		}
	}
	return int(s.Duration / time.Second)
}

// lock returns from when on all offsets are within a limit, < 0 if the last is not.
func lock(offsets []time.Duration, within time.Duration) time.Duration {
	for i := len(offsets) - 1; i >= 0; i-- {
		if offsets[i].Abs() > within {
			if i == len(offsets)-1 {
				return -1
			}
			return time.Duration(i+2) * time.Second
		}
	}
	return 0
}

func square(x float64) float64 { return x * x }
