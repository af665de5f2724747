package discipline

import (
	"fmt"
	"math"
	"slices"
	"time"

	"wirelab/clock/selection"
)

const (
	maxSources    = 64
	vanished      = 4    // requests without an answer after which a source does not count
	priorDrift    = 1e-6 // standard deviation of a frequency from the drift file, a ratio
	lockedSamples = 3    // of the best source
	lockedWithin  = 8    // standard deviations of a usual measurement
)

// A Loop steers one clock by the samples of some sources. It does no input or
// output and reads no clock: events in, orders out. It is not safe for use by
// several goroutines at once.
type Loop struct {
	start    Start
	clock    Steered
	sources  []*source                // in the order in which they were first heard of
	jumped   time.Duration            // by how much the clock has left its orders since the start
	heard    map[string]time.Duration // jumped at the last sample of each source
	followed []*source
	locked   bool // at some time
	last     Order
}

// New returns a loop that has seen nothing yet. The error is ErrStart.
func New(start Start) (*Loop, error) {
	if err := start.check(); err != nil {
		return nil, err
	}
	if start.MaxDistance == 0 {
		start.MaxDistance = DefaultMaxDistance
	}
	l := &Loop{start: start, heard: make(map[string]time.Duration)}
	l.clock = Steered{Reading: start.Reading, Frequency: start.Frequency}
	l.last = Order{Frequency: l.prior().value * 1e9, State: Acquiring, Reason: "no sample yet"}
	return l, nil
}

// Begin returns the order before any sample: the frequency of the drift file, and
// no time to wait before the first request.
func (l *Loop) Begin() Order { return l.issue(l.last) }

// prior is what is known of the frequency before the first sample.
func (l *Loop) prior() frequency {
	if l.start.Drift != nil {
		return frequency{*l.start.Drift / 1e9, priorDrift}
	}
	return frequency{l.start.Frequency / 1e9, priorFrequency}
}

// Sample takes the result of an exchange. After an error, ErrSample, the loop is
// as before.
func (l *Loop) Sample(s Sample) (Order, error) {
	if err := s.check(); err != nil {
		return Order{}, err
	}
	src, err := l.sourceFor(s.Source)
	if err != nil {
		return Order{}, err
	}
	if n := len(src.kept); n > 0 && s.Raw <= max(src.kept[n-1].raw, src.last.Raw) {
		return Order{}, fmt.Errorf("%w: t_ns %d is not after that of the sample before of %q", ErrSample, s.Raw, s.Source)
	}
	if !slices.Contains(l.sources, src) {
		l.sources = append(l.sources, src)
	}
	m := measurement{raw: s.Raw, delay: s.Delay, dispersion: s.Dispersion}
	var residual *time.Duration
	if s.Free {
		m.server = l.start.Clock - l.start.Raw + s.Offset
		l.pass(Reading{Raw: s.Raw}, true)
		off := m.server + s.Raw - l.clock.At(max(s.Raw, l.clock.Raw))
		residual = &off
	} else {
		m.server = s.Clock - s.Raw + s.Offset
		l.pass(s.Reading, false)
	}
	leapPassed := monthEnded(src.last.Clock, s.Clock)
	src.take(m, l.jumped-l.heard[src.name], leapPassed)
	src.last, src.lost = s, 0
	l.heard[src.name] = l.jumped
	o := l.order(src)
	o.Residual = residual
	return l.issue(o), nil
}

// Lost takes note of a request that was not answered. free says that the clock
// was not read.
func (l *Loop) Lost(name string, at Reading, free bool) (Order, error) {
	if name == "" {
		return Order{}, fmt.Errorf("%w: no source", ErrSample)
	}
	if err := checkReading(at); err != nil {
		return Order{}, err
	}
	src, err := l.sourceFor(name)
	if err != nil {
		return Order{}, err
	}
	if !slices.Contains(l.sources, src) {
		l.sources = append(l.sources, src)
	}
	l.pass(at, free)
	src.lost++
	return l.issue(l.order(src)), nil
}

func (l *Loop) sourceFor(name string) (*source, error) {
	for _, s := range l.sources {
		if s.name == name {
			return s, nil
		}
	}
	if len(l.sources) == maxSources {
		return nil, fmt.Errorf("%w: source %q is one more than %d", ErrSample, name, maxSources)
	}
	return &source{name: name, prior: l.prior(), poll: l.start.MinPoll, credits: credits}, nil
}

// Pass tells the loop what the clocks are now. It is of use before a sample whose
// exchange is some time ago: orders are made for now.
func (l *Loop) Pass(now Reading) error {
	if err := checkReading(now); err != nil {
		return err
	}
	l.pass(now, false)
	return nil
}

// pass takes the clock to a reading and notes by how much it has left its orders.
// Readings of several sources may overlap a little: time does not go back.
func (l *Loop) pass(at Reading, free bool) {
	if at.Raw < l.clock.Raw {
		return
	}
	l.clock.Move(at.Raw)
	if free {
		return
	}
	l.jumped += at.Clock - l.clock.Clock
	l.clock.Clock = at.Clock
}

// monthEnded reports whether a month of UTC ended between two times of the clock.
func monthEnded(before, after time.Duration) bool {
	a, b := time.Unix(0, int64(before)).UTC(), time.Unix(0, int64(after)).UTC()
	return before != 0 && (a.Month() != b.Month() || a.Year() != b.Year())
}

// issue makes an order the one that is in force.
func (l *Loop) issue(o Order) Order {
	if !l.start.Passive {
		l.clock.Obey(o)
	}
	l.last = o
	return o
}

// order decides what is to be done after an event of a source.
func (l *Loop) order(src *source) Order {
	o := Order{Frequency: l.last.Frequency, State: Acquiring}
	l.choose(&o)
	if src.lost > 0 {
		o.Poll = src.retry(l.start.MinPoll, l.start.MaxPoll)
	} else {
		src.poll = src.nextPoll(l.start.MinPoll, l.start.MaxPoll)
		o.Poll = src.poll
	}
	o.Poll = max(l.start.MinPoll, whole(o.Poll))
	if len(l.followed) > 0 {
		l.follow(&o)
	}
	return o
}

// whole cuts a poll of more than a few seconds to whole ones.
func whole(d time.Duration) time.Duration {
	if d < 4*time.Second {
		return d
	}
	return d.Truncate(time.Second)
}

// choose selects the sources to follow. Without any that could be, those of
// before remain: their fits foretell the time for a while.
func (l *Loop) choose(o *Order) {
	now := l.clock.Raw
	var candidates []*source
	o.Rejected = make(map[string]string)
	for _, s := range l.sources {
		if reason := l.unusable(s); reason != "" {
			o.Rejected[s.name] = reason
		} else {
			candidates = append(candidates, s)
		}
	}
	intervals := make([]selection.Interval, len(candidates))
	for i, s := range candidates {
		server, _ := s.expected(now)
		intervals[i] = selection.Around(server, s.distance(now))
	}
	_, truechimers, agreed := selection.Majority(intervals)
	switch {
	case len(candidates) == 0:
		l.idle(o)
		return
	case !agreed:
		o.State = Refused
		o.Reason = fmt.Sprintf("%d sources disagree: no majority of them has a common time", len(candidates))
		l.followed = nil
		return
	}
	l.followed = nil
	for i, s := range candidates {
		if truechimers[i] {
			l.followed = append(l.followed, s)
		} else {
			o.Rejected[s.name] = "falseticker: its time is outside what the majority agrees on"
		}
	}
	l.leaveOutRunaways(o)
	slices.SortStableFunc(l.followed, func(a, b *source) int { return int(a.distance(now) - b.distance(now)) })
}

// leaveOutRunaways rejects sources whose clocks run at another rate than those of the
// majority: one that is on its way past the true time is still a falseticker.
func (l *Loop) leaveOutRunaways(o *Order) {
	intervals := make([]selection.Interval, len(l.followed))
	for i, s := range l.followed {
		f := s.fit.frequency()
		intervals[i] = selection.Around(fromSeconds(f.value*1e3), fromSeconds((unexpected*f.deviation+driftTolerance)*1e3))
	}
	common, agree, ok := selection.Majority(intervals)
	if !ok || len(l.followed) < 3 {
		return
	}
	var kept []*source
	for i, s := range l.followed {
		if agree[i] {
			kept = append(kept, s)
			continue
		}
		off := s.fit.frequency().value*1e6 - common.Low.Seconds()*1e3
		o.Rejected[s.name] = fmt.Sprintf("falseticker: it runs %.2f ppm off what the majority agrees on", off)
	}
	l.followed = kept
}

// unusable says why a source cannot be a candidate, "" if it can.
func (l *Loop) unusable(s *source) string {
	switch {
	case len(s.kept) == 0:
		return "it has not answered yet"
	case s.lost >= vanished:
		return fmt.Sprintf("it has not answered %d requests", s.lost)
	}
	return s.refusal(l.clock.Raw, l.start.MaxDistance)
}

// idle says what it means that no source can be followed.
func (l *Loop) idle(o *Order) {
	heard := slices.ContainsFunc(l.sources, func(s *source) bool { return len(s.kept) > 0 && s.lost < vanished })
	switch {
	case heard:
		o.State, o.Reason = Refused, "no source can be used"
		for name, reason := range o.Rejected {
			if len(o.Rejected) == 1 {
				o.Reason = name + ": " + reason
			}
		}
		l.followed = nil
	case len(l.followed) > 0:
		o.State, o.Reason = Holdover, "no source answers"
	default:
		o.Reason = "no source answers"
	}
}

// follow steers the clock by the sources that are followed.
func (l *Loop) follow(o *Order) {
	now := l.clock.Raw
	server, deviation, rate := l.combined(now)
	correction := server - (l.clock.Clock - now)
	o.Estimate, o.Skew = correction, rate.deviation*1e9
	for _, s := range l.followed {
		o.Selected = append(o.Selected, s.name)
	}
	o.Leap = l.leap()
	for _, s := range l.followed {
		o.Wander = max(o.Wander, restless*1e9, math.Sqrt(s.fit.meanWander())*1e9)
	}
	o.Bound = l.bound(now, server, correction)
	if reason := l.implausible(correction, rate); reason != "" {
		o.State, o.Reason = Refused, reason
		return
	}
	o.Frequency = max(-l.start.MaxFrequency, min(l.start.MaxFrequency, rate.value*1e9))
	l.correct(o, correction)
	if o.State == Holdover {
		return
	}
	best := l.followed[0]
	switch near := lockedWithin * fromSeconds(max(best.typical, deviation)); {
	case best.fit.n < lockedSamples:
		o.Reason = fmt.Sprintf("%d of %d samples", best.fit.n, lockedSamples)
	case correction.Abs() > near+best.last.Delay/2:
		o.Reason = fmt.Sprintf("the clock is off by %v", rounded(correction))
	default:
		o.State = Locked
		l.locked = true
	}
}

// combined returns the time of the followed sources minus raw time, its standard
// deviation in seconds, and the frequency. A source counts by its root distance, and
// its frequency by how well it is known.
func (l *Loop) combined(now time.Duration) (server time.Duration, deviation float64, rate frequency) {
	origin, _ := l.followed[0].expected(now)
	var offset, variance, weights, frequencies, precision float64
	for _, s := range l.followed {
		value, sigma := s.expected(now)
		w := 1 / square(s.distance(now).Seconds()+resolution)
		offset += w * (value - origin).Seconds()
		variance += square(w * sigma)
		weights += w
		f := s.fit.frequency()
		p := 1 / square(f.deviation+1e-12)
		frequencies += p * f.value
		precision += p
	}
	rate = frequency{frequencies / precision, 1 / math.Sqrt(precision)}
	return origin + fromSeconds(offset/weights), math.Sqrt(variance) / weights, rate
}

// bound returns by how much the clock may be off UTC before its correction: the
// best source's distance, how far the combined time is from that source, and the
// correction that is still to be made.
func (l *Loop) bound(now, server, correction time.Duration) time.Duration {
	best := l.followed[0]
	own, _ := best.expected(now)
	return best.distance(now) + (server - own).Abs() + correction.Abs()
}

// implausible says why a correction or frequency is refused, "" if it is not.
func (l *Loop) implausible(correction time.Duration, rate frequency) string {
	if most := l.start.MaxFrequency; math.Abs(rate.value*1e9)-3e9*rate.deviation > most {
		return fmt.Sprintf("the clock would have to run %.1f ppm off its natural frequency, and %.1f ppm are possible: does something else steer it, or is the machine suspended?", rate.value*1e6, most/1e3)
	}
	if l.locked && l.start.Panic > 0 && correction.Abs() > l.start.Panic {
		return fmt.Sprintf("the clock was right and is now off by %v, the limit is %v: set it by hand or raise the limit", rounded(correction), l.start.Panic)
	}
	return ""
}

// leap returns what more than half of the followed sources announce.
func (l *Loop) leap() Leap {
	for _, leap := range []Leap{LeapInsert, LeapDelete} {
		count := 0
		for _, s := range l.followed {
			if s.last.Leap == leap {
				count++
			}
		}
		if 2*count > len(l.followed) {
			return leap
		}
	}
	return LeapNone
}
