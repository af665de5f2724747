package throughput

import (
	"fmt"

	"wirelab/clock"
	"wirelab/load"
	"wirelab/report"
)

// Schema names the shape of a Report as JSON.
const Schema = "wirelab.load.throughput/1"

// A Report says what a run carried.
type Report struct {
	Schema      string    `json:"schema"`
	Network     string    `json:"network"` // "tcp"
	Target      string    `json:"target"`
	Direction   Direction `json:"direction"`
	TLS         bool      `json:"tls"`
	Clients     int       `json:"clients"` // connections at once, each way
	BlockBytes  int       `json:"block_bytes"`
	DurationS   float64   `json:"duration_s"` // that was asked for
	Interrupted bool      `json:"interrupted"`

	ElapsedS float64           `json:"elapsed_s"`         // until the last word of the server
	Up       *Way              `json:"up,omitempty"`      // to the server
	Down     *Way              `json:"down,omitempty"`    // from it
	CPUShare float64           `json:"cpu_share"`         // processors that this end was busy with: 1 is one core
	Errors   map[string]uint64 `json:"errors"`            // connections that ended early
	Streams  []Stream          `json:"streams,omitempty"` // one each connection
	Interval float64           `json:"interval_s,omitempty"`
	Over     []Interval        `json:"intervals,omitempty"`
}

// A Way is what went one way, on all connections.
type Way struct {
	SentBytes     uint64  `json:"sent_bytes"`     // as the sender counted
	ReceivedBytes uint64  `json:"received_bytes"` // as the receiver did
	BitsPerS      float64 `json:"bits_per_s"`     // of what was received
	Retransmits   uint64  `json:"retransmits"`    // segments that this end sent again
}

// A Stream is what went on one connection.
type Stream struct {
	Direction     Direction `json:"direction"`
	Local         string    `json:"local"`
	SentBytes     uint64    `json:"sent_bytes"`
	ReceivedBytes uint64    `json:"received_bytes"`
	BitsPerS      float64   `json:"bits_per_s"`
	ElapsedS      float64   `json:"elapsed_s"`
	Retransmits   uint64    `json:"retransmits"` // of this end
	RTTUS         float64   `json:"rtt_us"`      // smoothed, as the kernel has it at the end
	WindowBytes   uint64    `json:"window_bytes"`
	Error         string    `json:"error,omitempty"`
}

// An Interval is what this end sent and took in a part of a run.
type Interval struct {
	FromS    float64 `json:"from_s"`
	ToS      float64 `json:"to_s"`
	Sent     uint64  `json:"sent_bytes"`
	Received uint64  `json:"received_bytes"`
}

// BitsPerS returns how much went each way.
func (i Interval) BitsPerS() (sent, received float64) {
	return bits(i.Sent, i.ToS-i.FromS), bits(i.Received, i.ToS-i.FromS)
}

// bits returns the rate at which bytes went, in bit/s.
func bits(bytes uint64, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return 8 * float64(bytes) / seconds
}

func (r *run) report(interrupted bool) *Report {
	cfg := &r.cfg
	sum := &Report{
		Schema: Schema, Network: "tcp", Target: cfg.Target.String(), Direction: cfg.Direction, TLS: cfg.TLS != nil,
		Clients: cfg.Clients, BlockBytes: cfg.Block, DurationS: cfg.Duration.Seconds(), Interrupted: interrupted,
		ElapsedS: r.elapsed.Seconds(), Errors: map[string]uint64{}, Interval: cfg.Interval.Seconds(), Over: r.intervals,
	}
	if r.elapsed > 0 {
		sum.CPUShare = float64(r.cpu) / float64(r.elapsed)
	}
	for _, s := range r.streams {
		one := s.report()
		sum.Streams = append(sum.Streams, one)
		if one.Error != "" {
			sum.Errors[one.Error]++
		}
		way := &sum.Up
		if s.direction == Down {
			way = &sum.Down
		}
		if *way == nil {
			*way = &Way{}
		}
		(*way).add(one)
	}
	for _, w := range []*Way{sum.Up, sum.Down} {
		if w != nil {
			w.BitsPerS = bits(w.ReceivedBytes, sum.ElapsedS)
		}
	}
	return sum
}

func (w *Way) add(s Stream) {
	w.SentBytes += s.SentBytes
	w.ReceivedBytes += s.ReceivedBytes
	w.Retransmits += s.Retransmits
}

func (s *stream) report() Stream {
	one := Stream{
		Direction: s.direction, Local: s.conn.LocalAddr().String(), SentBytes: s.moved.Load(), ReceivedBytes: s.counted,
		ElapsedS: s.elapsed.Seconds(), Retransmits: s.info.Retransmits, RTTUS: clock.Microseconds(s.info.RTT), WindowBytes: s.info.Window,
		Error: s.failure(),
	}
	if s.direction == Down {
		one.SentBytes, one.ReceivedBytes = s.counted, s.moved.Load()
	}
	one.BitsPerS = bits(one.ReceivedBytes, one.ElapsedS)
	return one
}

// Verify returns nil if something went each way and both ends counted the same. The error
// is of kind [load.ErrNotVerified].
func (r *Report) Verify() error {
	for kind, n := range r.Errors {
		return fmt.Errorf("%w: %d of %d connections: %s", load.ErrNotVerified, n, len(r.Streams), kind)
	}
	if r.Interrupted {
		return nil
	}
	for _, s := range r.Streams {
		if s.SentBytes != s.ReceivedBytes {
			return fmt.Errorf("%w: %d bytes were sent %s and %d received, from %s", load.ErrNotVerified, s.SentBytes, s.Direction, s.ReceivedBytes, s.Local)
		}
		if s.SentBytes == 0 {
			return fmt.Errorf("%w: nothing went %s, from %s", load.ErrNotVerified, s.Direction, s.Local)
		}
	}
	return nil
}

// Kind returns the kind of the reports here.
func Kind() report.Kind {
	return report.Kind{Schema: Schema, Check: report.CheckAs(func(r *Report) error {
		return report.Known("direction", string(r.Direction), string(Up), string(Down), string(Both))
	})}
}
