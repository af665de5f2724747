// Package engines sets the concurrency models of one server against each other: the
// same trials under each, in rounds in which they take turns, with a server process of
// its own for every run.
package engines

import (
	"fmt"
	"slices"
	"time"

	"wirelab/clock"
	"wirelab/internal/sys/process"
	"wirelab/load"
	"wirelab/report"
)

// Schema names the shape of an Report as JSON.
const Schema = "wirelab.engines/1"

// An Report sets the engines of one server against each other. Each
// figure is the median over the rounds, with all of them beside it.
type Report struct {
	Schema      string    `json:"schema"`
	SizeBytes   int       `json:"size_bytes"` // of a message
	DurationS   float64   `json:"duration_s"` // of a run
	Rounds      int       `json:"rounds"`
	Interrupted bool      `json:"interrupted"`
	Skipped     []Skipped `json:"skipped"` // engines that this machine does not offer
	Results     []Result  `json:"results"`
}

// Skipped is an engine that was not measured.
type Skipped struct {
	Engine string `json:"engine"`
	Reason string `json:"reason"`
}

// A Mode is what is done to a server.
type Mode string

// The modes.
const (
	PingPong Mode = "pingpong" // each connection sends when the last answer has come
	Flood    Mode = "flood"    // one way, as fast as the server takes it
	Idle     Mode = "idle"     // silent connections
)

// A Trial is one measurement to be made of each engine.
type Trial struct {
	Mode        Mode
	Connections int
}

// A Result is what came of one trial of one engine. Figures that a mode
// does not have are nil.
type Result struct {
	Name        string `json:"name"` // "pingpong/1000/epoll"
	Mode        Mode   `json:"mode"`
	Connections int    `json:"connections"`
	Engine      string `json:"engine"`

	RequestsPerS *Measured `json:"requests_per_s,omitempty"` // of a flood, messages
	BytesPerS    *Measured `json:"bytes_per_s,omitempty"`    // of a flood
	P50US        *Measured `json:"p50_us,omitempty"`
	P99US        *Measured `json:"p99_us,omitempty"`
	CPUUS        *Measured `json:"cpu_us_per_request,omitempty"`           // of the server
	Switches     *Measured `json:"context_switches_per_request,omitempty"` // not known where threads end with their connections
	Resident     *Measured `json:"resident_bytes_per_connection,omitempty"`
	Threads      *Measured `json:"threads,omitempty"` // of the server, while all connections are open; of a flood not known

	Error string `json:"error,omitempty"` // of the latest run that failed; it counts in no figure
}

// Measured is the middle of repeated measurements, and all of them.
type Measured struct {
	Median  float64   `json:"median"`
	Low     float64   `json:"low"`
	High    float64   `json:"high"`
	Samples []float64 `json:"samples"` // in the order of the rounds
}

// add returns m, which may be nil, with one more sample.
func (m *Measured) add(v float64) *Measured {
	if m == nil {
		m = new(Measured)
	}
	m.Samples = append(m.Samples, v)
	m.Median = report.NewQuartiles(m.Samples).Median
	m.Low, m.High = slices.Min(m.Samples), slices.Max(m.Samples)
	return m
}

// Deviation returns how far the farthest sample is from the median, as a share of it.
func (m *Measured) Deviation() float64 {
	if m.Median == 0 {
		return 0
	}
	return max(m.High-m.Median, m.Median-m.Low) / m.Median
}

// Result returns the result of a trial of an engine, which is added if there is
// none yet. The pointer is good until the next call.
func (r *Report) Result(t Trial, engine string) *Result {
	name := fmt.Sprintf("%s/%d/%s", t.Mode, t.Connections, engine)
	i := slices.IndexFunc(r.Results, func(e Result) bool { return e.Name == name })
	if i < 0 {
		i = len(r.Results)
		r.Results = append(r.Results, Result{Name: name, Mode: t.Mode, Connections: t.Connections, Engine: engine})
	}
	return &r.Results[i]
}

// AddRun adds a run and what the server used during it, from the first message to
// the last answer.
func (e *Result) AddRun(run *load.Report, server process.Usage) {
	messages, elapsed := run.Received, time.Duration(run.ElapsedS*float64(time.Second))
	if e.Mode == Flood {
		messages = run.Sent
	}
	if messages == 0 || elapsed <= 0 {
		e.Error = "nothing was exchanged"
		return
	}
	e.RequestsPerS = e.RequestsPerS.add(float64(messages) / elapsed.Seconds())
	e.CPUUS = e.CPUUS.add(clock.Microseconds(server.CPU) / float64(messages))
	if e.Mode == Flood { // whose connections have ended, and some engine's threads with them
		e.BytesPerS = e.BytesPerS.add(float64(run.BytesSent) / elapsed.Seconds())
	} else {
		e.Threads = e.Threads.add(float64(server.Threads))
	}
	if e.Mode != Flood || e.Engine != "thread" {
		e.Switches = e.Switches.add(float64(server.Switches) / float64(messages))
	}
	if run.LatencyUS != nil {
		e.P50US, e.P99US = e.P50US.add(run.LatencyUS.P50), e.P99US.add(run.LatencyUS.P99)
	}
}

// AddIdle adds what the server held before the connections and with them.
func (e *Result) AddIdle(before, with process.Usage) {
	e.Resident = e.Resident.add(float64(with.Resident-before.Resident) / float64(e.Connections))
	e.Threads = e.Threads.add(float64(with.Threads))
}

// order returns the order in which a round measures: A B C D, in the next
// round D C B A, so that whatever drifts on the machine drifts for all alike.
func order(engines []string, round int) []string {
	all := slices.Clone(engines)
	if round%2 == 1 {
		slices.Reverse(all)
	}
	return all
}

// Kind returns the kind of the reports here.
func Kind() report.Kind {
	return report.Kind{Schema: Schema, Check: report.CheckAs((*Report).checkModes, "resident_bytes_per_connection")}
}

func (r *Report) checkModes() error {
	for _, e := range r.Results {
		if err := report.Known("mode", string(e.Mode), string(PingPong), string(Flood), string(Idle)); err != nil {
			return err
		}
	}
	return nil
}
