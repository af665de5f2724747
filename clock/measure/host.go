package measure

import (
	"fmt"
	"math"
	"slices"
)

// Why exchanges are left out.
const (
	ownStep     = "this clock was stepped"
	ownSlew     = "this clock was slewed"
	otherStep   = "the other clock was stepped"
	otherAnswer = "the send stamp told was of another answer"
)

// A Host is what a measurement says of one host's clock. Figures of offsets are
// positive where the other clock is ahead.
type Host struct {
	Name     string   `json:"name"` // as it was asked for
	Address  string   `json:"address"`
	Protocol Protocol `json:"protocol"`
	Mode     string   `json:"mode"`

	Sent     int            `json:"sent"`     // requests
	Received int            `json:"received"` // answers
	Loss     float64        `json:"loss"`     // share of the requests that were not answered
	Taken    int            `json:"taken"`    // samples, of which the latest are in Samples
	Refused  int            `json:"refused"`  // datagrams that were not the answer waited for
	LeftOut  map[string]int `json:"left_out,omitempty"`
	Errors   map[string]int `json:"errors,omitempty"`
	Reason   string         `json:"refused_for,omitempty"` // why the last was refused

	// Offset is that of the sample of the least bound, which Bound is.
	Offset   int64  `json:"offset_ns"`
	Bound    int64  `json:"bound_ns"`
	UTCBound *int64 `json:"utc_bound_ns"` // null: the host's clock is not synchronised, by its own word
	Delay    int64  `json:"delay_ns"`     // of the same sample
	Jitter   int64  `json:"jitter_ns"`    // root mean square of the change from one sample's offset to the next

	Offsets  Spread `json:"offsets_ns"`
	Delays   Spread `json:"delays_ns"`
	Forward  OneWay `json:"forward"`
	Backward OneWay `json:"backward"`

	Source   string       `json:"source"`    // of our stamps, in all samples
	T3Source string       `json:"t3_source"` // of the other's T3, in all samples
	Steps    int          `json:"steps"`     // between samples: by how much no clock drifts
	Clock    *ClockClaims `json:"clock,omitempty"`
	Notes    []string     `json:"notes,omitempty"`
	Verdict  string       `json:"verdict,omitempty"` // among several hosts

	Samples []Sample `json:"samples"`

	facts    Facts
	followed int
	tells    bool // it has told the true T3 of an answer
	squares  float64
	changes  int
}

// ClockClaims is what a host says of its clock.
type ClockClaims struct {
	Synchronized   bool   `json:"synchronized"`
	Leap           string `json:"leap,omitempty"`
	Stratum        int    `json:"stratum,omitempty"` // 16: not synchronised
	Reference      string `json:"reference,omitempty"`
	RootDelay      int64  `json:"root_delay_ns"`
	RootDispersion int64  `json:"root_dispersion_ns"`
	Precision      int64  `json:"precision_ns,omitempty"`
}

// A Spread describes the figures of all samples. With the samples in it, two
// reports can be compared.
type Spread struct {
	Median  int64   `json:"median"`
	Least   int64   `json:"least"`
	Most    int64   `json:"most"`
	P99     int64   `json:"p99_abs"` // of the absolute values
	Samples []int64 `json:"samples"`
}

// A OneWay is a one-way difference: the stamp at the receiver less that at the sender, each
// by its own clock. It is the delay of that way plus, or for the way back less, the
// offset of the clocks, so that the delay alone is only known to lie between two bounds.
type OneWay struct {
	Difference int64  `json:"difference_ns"` // median
	DelayLeast int64  `json:"delay_least_ns"`
	DelayMost  int64  `json:"delay_most_ns"`
	Meaning    string `json:"meaning"`
}

func newHost(cfg *Config) *Host {
	return &Host{Name: cfg.Name, Address: cfg.Host.String(), Protocol: cfg.Protocol, LeftOut: map[string]int{}, Errors: map[string]int{}, Samples: []Sample{}}
}

func (h *Host) leaveOut(why string) { h.LeftOut[why]++ }

func (h *Host) refuse(n int, why error) {
	h.Refused += n
	if why != nil {
		h.Reason = why.Error()
	}
}

// maxErrors bounds the texts of errors that a Host keeps.
const maxErrors = 16

func (h *Host) fail(err error) {
	if _, known := h.Errors[err.Error()]; known || len(h.Errors) < maxErrors {
		h.Errors[err.Error()]++
	}
}

// forget drops the samples.
func (h *Host) forget() {
	h.Taken, h.followed, h.Samples = 0, 0, h.Samples[:0]
	h.squares, h.changes, h.Steps = 0, 0, 0
}

// maxDrift is by how much two clocks may drift apart at most: both as fast and as slow as
// a kernel can make them.
const maxDrift = 1000e-6

// add takes a sample.
func (h *Host) add(s Sample, followed bool) {
	if n := len(h.Samples); n > 0 {
		last := h.Samples[n-1]
		change := float64(s.Offset - last.Offset)
		h.squares += change * change
		h.changes++
		if math.Abs(change) > float64(s.Bound+last.Bound)+maxDrift*math.Abs(float64(s.T1-last.T1)) {
			h.Steps++
		}
	}
	h.Taken++
	if followed {
		h.followed++
	}
	if len(h.Samples) >= maxSamples {
		h.Samples = slices.Delete(h.Samples, 0, maxSamples/10)
	}
	h.Samples = append(h.Samples, s)
}

// sum calculates the figures of all samples.
func (h *Host) sum() {
	h.Loss = 1 - float64(h.Received)/float64(max(h.Sent, 1))
	h.Mode = modeOf(h.Protocol, h.followed, h.Taken)
	h.claim()
	if len(h.Samples) == 0 {
		return
	}
	best := slices.MinFunc(h.Samples, func(a, b Sample) int { return int(min(max(a.Bound-b.Bound, -1), 1)) })
	h.Offset, h.Bound, h.Delay = best.Offset, best.Bound, best.Delay
	if h.facts.Synchronized {
		bound := best.Bound + h.facts.UTCError
		h.UTCBound = &bound
	}
	if h.changes > 0 {
		h.Jitter = int64(math.Sqrt(h.squares / float64(h.changes)))
	}
	h.Offsets = spreadOf(h.Samples, func(s *Sample) int64 { return s.Offset })
	h.Delays = spreadOf(h.Samples, func(s *Sample) int64 { return s.Delay })
	h.Source = same(h.Samples, func(s *Sample) string { return s.Source })
	h.T3Source = same(h.Samples, func(s *Sample) string { return s.T3Source })
	h.Forward = oneWay(h.Samples, &best, func(s *Sample) int64 { return s.T2 - s.T1 })
	h.Backward = oneWay(h.Samples, &best, func(s *Sample) int64 { return s.T4 - s.T3 })
	h.note()
}

// claim takes over what the host last said of its clock.
func (h *Host) claim() {
	f := &h.facts
	if !f.Known {
		return
	}
	h.Clock = &ClockClaims{Synchronized: f.Synchronized}
	if n := f.NTP; n != nil {
		h.Clock.Leap, h.Clock.Stratum, h.Clock.Reference = n.Leap.String(), int(n.Stratum), n.Reference
		h.Clock.RootDelay, h.Clock.RootDispersion, h.Clock.Precision = int64(n.RootDelay), int64(n.RootDispersion), int64(n.Precision)
	}
}

// note says in words what a reader of the figures should know.
func (h *Host) note() {
	if h.Source != "kernel" && h.Source != "hardware" {
		h.Notes = append(h.Notes, "the kernel gave no stamps for all packets: our own were read in this process, tens of microseconds from the wire")
	}
	if h.Mode == Basic || h.Mode == Plain {
		h.Notes = append(h.Notes, "T3 is what the other host expected before its answer left: the time from there to the wire counts as delay of the way back")
	}
	if h.facts.Known && !h.facts.Synchronized {
		h.Notes = append(h.Notes, "the other clock is not synchronised, by its own word: the offset is to that clock, not to UTC")
	}
	if h.Steps > 0 {
		h.Notes = append(h.Notes, fmt.Sprintf("one of the clocks was stepped %d times between samples: the offset is of the sample of the least bound alone", h.Steps))
	}
}

func spreadOf(samples []Sample, figure func(*Sample) int64) Spread {
	values := make([]int64, len(samples))
	for i := range samples {
		values[i] = figure(&samples[i])
	}
	sorted := slices.Sorted(slices.Values(values))
	absolute := make([]int64, len(values))
	for i, v := range values {
		absolute[i] = max(v, -v)
	}
	slices.Sort(absolute)
	return Spread{
		Median: sorted[(len(sorted)-1)/2], Least: sorted[0], Most: sorted[len(sorted)-1],
		P99: absolute[(len(absolute)*99+99)/100-1], Samples: values,
	}
}

// same returns the text that all samples have, or Mixed.
func same(samples []Sample, text func(*Sample) string) string {
	first := text(&samples[0])
	for i := range samples {
		if text(&samples[i]) != first {
			return Mixed
		}
	}
	return first
}

// oneWay sums up one way. The delay of the sample best lies between 0 and the whole
// delay, whatever the clocks show.
func oneWay(samples []Sample, best *Sample, difference func(*Sample) int64) OneWay {
	spread := spreadOf(samples, difference)
	o := OneWay{Difference: spread.Median, DelayLeast: 0, DelayMost: max(best.Delay, 0), Meaning: cannotTell}
	if spread.Median < 0 || max(best.Offset, -best.Offset) > best.Bound {
		o.Meaning = noDelay
	}
	return o
}

// What a one-way difference means.
const (
	cannotTell = "two-way stamps cannot tell a delay of one way from an offset of the clocks"
	noDelay    = "the difference is no delay: the clocks are farther apart than that"
)
