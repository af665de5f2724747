package steer

import (
	"errors"
	"math/bits"
	"net/netip"
	"strings"
	"time"

	"wirelab/clock/probe"
	"wirelab/internal/spoken"

	"wirelab/clock/discipline"
)

// Status is a daemon at a moment.
type Status struct {
	Clock          string         `json:"clock"` // "system", or the spec of a simulated one
	Steers         bool           `json:"steers"`
	Since          time.Time      `json:"since"`
	At             time.Time      `json:"at"`
	State          string         `json:"state"`
	Reason         string         `json:"reason,omitempty"`
	Offset         time.Duration  `json:"offset_ns"` // of the servers from the clock, as now estimated
	Bound          time.Duration  `json:"bound_ns"`  // by how much the clock may be off UTC; 0: unknown
	Frequency      float64        `json:"freq_ppb"`
	Skew           float64        `json:"skew_ppb"`
	RootDelay      time.Duration  `json:"root_delay_ns"`
	RootDispersion time.Duration  `json:"root_dispersion_ns"`
	Stratum        int            `json:"stratum"` // of this clock; 16: not synchronised
	Leap           uint8          `json:"leap"`
	Reference      netip.Addr     `json:"reference,omitzero"` // the server that it follows first
	LastOffset     time.Duration  `json:"last_offset_ns"`     // before the last correction
	LastStep       time.Duration  `json:"last_step_ns,omitempty"`
	UpdatedAgo     float64        `json:"updated_ago_s"`
	Asleep         time.Duration  `json:"asleep_ns,omitempty"` // so long the machine has slept
	TrueOffset     *time.Duration `json:"true_offset_ns,omitempty"`
	Sources        []SourceStatus `json:"sources"`
}

// SourceStatus is one server.
type SourceStatus struct {
	Name           string        `json:"name"`
	Selected       bool          `json:"selected"`
	Rejected       string        `json:"rejected,omitempty"`
	Error          string        `json:"error,omitempty"` // of the last request
	Stratum        int           `json:"stratum"`
	Reference      string        `json:"reference,omitempty"`
	Reach          uint8         `json:"reach"` // the last eight requests, as bits
	Answers        int           `json:"answers"`
	Failures       int           `json:"failures"`
	Poll           float64       `json:"poll_s"`
	NextIn         float64       `json:"next_in_s"`
	LastAgo        float64       `json:"last_ago_s"` // < 0: never
	Offset         time.Duration `json:"offset_ns"`  // of the clock, at its last answer
	Delay          time.Duration `json:"delay_ns"`
	Bound          time.Duration `json:"bound_ns"` // of the last answer, to UTC as the server claims
	Stamps         string        `json:"stamps,omitempty"`
	RootDelay      time.Duration `json:"root_delay_ns"`
	RootDispersion time.Duration `json:"root_dispersion_ns"`
	Samples        int           `json:"samples"`      // that the fit uses
	Deviation      time.Duration `json:"deviation_ns"` // of a usual sample
	Frequency      float64       `json:"freq_ppb"`
	Skew           float64       `json:"skew_ppb"`
	Asymmetry      float64       `json:"asymmetry"` // share of the excess delay that shows as offset
}

// Status returns the daemon as it is now.
func (d *Daemon) Status() (Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, err := d.cfg.Clock.Read()
	if err != nil {
		return Status{}, err
	}
	passed := now.Raw - d.now.Raw
	o := d.order
	st := Status{
		Clock: d.cfg.ClockName, Steers: !d.cfg.Passive, Since: d.since, At: time.Now(), State: string(o.State), Reason: o.Reason,
		Frequency: o.Frequency, Skew: o.Skew, Stratum: 16, Leap: uint8(o.Leap),
		LastOffset: o.Estimate, LastStep: o.Step, UpdatedAgo: passed.Seconds(), Asleep: d.asleep,
	}
	st.Offset, st.Bound, _ = d.loop.Offset(now.Reading)
	if simulated, ok := d.cfg.Clock.(*Simulated); ok {
		off, err := simulated.Offset()
		if err != nil {
			return Status{}, err
		}
		st.TrueOffset = &off
	}
	for i := range d.sources {
		st.Sources = append(st.Sources, d.sourceStatus(i, now))
	}
	d.root(&st)
	return st, nil
}

// root fills in what the clock inherits from its best source.
func (d *Daemon) root(st *Status) {
	if len(d.order.Selected) == 0 {
		return
	}
	for i, s := range d.cfg.Sources {
		if s.Name != d.order.Selected[0] {
			continue
		}
		m := d.sources[i].last
		delay := max(m.RootDelay+m.Delay, 0)
		st.RootDelay, st.Reference = delay, m.Server
		st.RootDispersion = max(st.Bound-delay/2, 0)
		if d.order.State == discipline.Locked || d.order.State == discipline.Holdover {
			st.Stratum = min(m.Stratum+1, 16)
		}
	}
}

func (d *Daemon) sourceStatus(i int, now Reading) SourceStatus {
	s, name := &d.sources[i], d.cfg.Sources[i].Name
	fit := d.loop.Source(name)
	st := SourceStatus{
		Name: name, Rejected: d.order.Rejected[name], Stratum: s.last.Stratum, Reference: s.last.Reference,
		Reach: s.reachable, Answers: s.answers, Failures: s.failures,
		Poll: s.poll.Seconds(), NextIn: max(time.Until(s.next).Seconds(), 0), LastAgo: -1,
		Offset: s.last.Offset, Delay: s.last.Delay, Stamps: s.last.Stamps,
		RootDelay: s.last.RootDelay, RootDispersion: s.last.RootDispersion,
		Samples: fit.Samples, Deviation: fit.Deviation, Frequency: fit.Frequency, Skew: fit.Skew, Asymmetry: fit.Asymmetry,
	}
	if s.answers > 0 {
		st.LastAgo = (now.Raw - s.lastRaw).Seconds()
		st.Bound = max(s.last.Delay, 0)/2 + s.last.Dispersion + s.last.RootDelay/2 + s.last.RootDispersion
	}
	if s.err != nil {
		st.Error = spoken.Error(s.err)
		if asked := (*probe.AskError)(nil); errors.As(s.err, &asked) { // the name says whom
			st.Error = strings.ReplaceAll(st.Error, asked.Error(), spoken.Error(asked.Err))
		}
	}
	for _, selected := range d.order.Selected {
		st.Selected = st.Selected || selected == name
	}
	return st
}

// Reached returns how many of the last eight requests were answered.
func (s SourceStatus) Reached() int { return bits.OnesCount8(s.Reach) }
