package load

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ReportSchema names the shape of a Report as JSON.
const ReportSchema = "wirelab.load/1"

// A Report says what came of a run. Messages sent either were received (answered
// in time or late), or are lost, or pending.
type Report struct {
	Schema      string `json:"schema"`
	Network     string `json:"network"`
	Target      string `json:"target"`
	Payload     string `json:"payload"`
	SizeBytes   int    `json:"size_bytes"`
	Clients     int    `json:"clients"`
	Connected   uint64 `json:"connected"`
	Loops       int    `json:"loops"`
	Interrupted bool   `json:"interrupted"`

	Messages   uint64 `json:"messages"` // that were to be sent; when the time or an interruption ended the run, those sent
	Sent       uint64 `json:"sent"`
	Received   uint64 `json:"received"`
	Lost       uint64 `json:"lost"`
	Mismatched uint64 `json:"mismatched"` // answers that were not as they should be
	Late       uint64 `json:"late"`       // datagrams received after the timeout
	Duplicate  uint64 `json:"duplicate"`  // datagrams received again
	Pending    uint64 `json:"pending"`    // messages whose answer the interruption did not wait for
	Unexpected uint64 `json:"unexpected_bytes"`

	Errors        map[string]uint64 `json:"errors"`
	FirstMismatch *Mismatch         `json:"first_mismatch,omitempty"`

	ElapsedS      float64 `json:"elapsed_s"`  // from the first message to the last answer
	RatePerS      float64 `json:"rate_per_s"` // answers
	BytesSent     uint64  `json:"bytes_sent"`
	BytesReceived uint64  `json:"bytes_received"`

	LatencyUS *Quantiles `json:"latency_us"`           // from just before the write to the last byte; null without answers
	ConnectUS *Quantiles `json:"connect_us,omitempty"` // of TCP connections
	CPUUS     float64    `json:"cpu_us_per_request"`   // of the generator's own threads

	IntervalS float64    `json:"interval_s,omitempty"` // how long each of Intervals is
	Intervals []Interval `json:"intervals,omitempty"`  // of the run, in their order; what is left of it is in none

	// What STAMP exchanges say, by this host's clock and the reflector's.
	OffsetUS    *Offset    `json:"offset_us,omitempty"`
	ForwardUS   *Quantiles `json:"forward_us,omitempty"`   // to the reflector, plus the offset
	BackwardUS  *Quantiles `json:"backward_us,omitempty"`  // from the reflector, less the offset
	StampSource string     `json:"stamp_source,omitempty"` // of this host's stamps
}

// A Mismatch is an answer that was not as it should be.
type Mismatch struct {
	Client  uint64 `json:"client"`  // from 0
	Message uint64 `json:"message"` // of the client, from 1
	Reason  string `json:"reason"`
}

func (m *Mismatch) String() string {
	return fmt.Sprintf("client %d, message %d: %s", m.Client, m.Message, m.Reason)
}

// Quantiles sum up durations in microseconds. P999 is the 99.9th percentile.
type Quantiles struct {
	Min  float64 `json:"min"`
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// Offset says in microseconds how far the reflector's clock is ahead of this
// host's. Best is the offset of the exchange that took least, and the truth lies
// within Bound of it, whatever the way there and back took. The others hold only as far as
// both ways take the same time.
type Offset struct {
	Best  float64 `json:"best"`
	Bound float64 `json:"bound"`
	Quantiles
}

// Verified returns the number of answers that were as they should be.
func (r *Report) Verified() uint64 { return r.Received - r.Mismatched }

// ErrNotVerified reports that answers were missing or wrong.
var ErrNotVerified = errors.New("not verified")

// Verify returns nil if the run showed what it should: every answer as it should be
// and, over TCP, none missing; over UDP at least one. Otherwise the error, of kind
// ErrNotVerified, says what was wrong.
func (r *Report) Verify() error {
	var wrong []string
	count := func(n uint64, what string) {
		if n > 0 {
			wrong = append(wrong, fmt.Sprintf("%d %s", n, what))
		}
	}
	count(r.Mismatched, "answers differ")
	count(r.Unexpected, "bytes that nobody asked for")
	if r.Network == "tcp" {
		count(r.Lost, "answers missing")
		count(r.Messages-r.Sent, "messages not sent")
		count(uint64(r.Clients)-r.Connected, "clients not connected")
	} else if r.Received == 0 {
		wrong = append(wrong, "no answer came")
	}
	if len(wrong) == 0 || r.Interrupted && r.Mismatched == 0 && r.Unexpected == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrNotVerified, strings.Join(wrong, ", "))
}

// report sums up the loops, which have ended.
func (r *run) report() *Report {
	sum, cpu, interrupted := newRecorder(r.cfg.Payload.kind == stampPayload), time.Duration(0), false
	for _, l := range r.loops {
		sum.merge(l.rec)
		cpu += l.cpu
		interrupted = interrupted || l.cut
	}
	report := &Report{
		Schema: ReportSchema, Network: r.cfg.Network, Target: r.cfg.Target.String(),
		Payload: r.cfg.Payload.String(), SizeBytes: r.cfg.Payload.Len(),
		Clients: r.cfg.Clients, Connected: sum.connected, Loops: len(r.loops), Interrupted: interrupted,
		Messages: r.cfg.Messages * uint64(r.cfg.Clients),
		Sent:     sum.sent, Received: sum.received, Lost: sum.sent - sum.received - sum.pending,
		Mismatched: sum.mismatched, Late: sum.late, Duplicate: sum.duplicate, Pending: sum.pending, Unexpected: sum.unexpected,
		Errors: sum.errors, FirstMismatch: sum.firstMismatch,
		BytesSent: sum.bytesSent, BytesReceived: sum.bytesReceived,
		ElapsedS: r.elapsed().Seconds(), LatencyUS: sum.latencies.quantiles(),
	}
	if interrupted || r.cfg.Duration > 0 {
		report.Messages = sum.sent
	}
	if r.cfg.Network == "tcp" {
		report.ConnectUS = sum.connects.quantiles()
	}
	if sum.received > 0 {
		report.RatePerS = float64(sum.received) / report.ElapsedS
		report.CPUUS = microseconds(cpu) / float64(sum.received)
	}
	report.setIntervals(r)
	report.setExchanges(sum.exchanges)
	return report
}

func (r *Report) setIntervals(of *run) {
	var loops []*intervals
	for _, l := range of.loops {
		loops = append(loops, &l.intervals)
	}
	length, all := mergeIntervals(loops, of.elapsed())
	if len(all) > 0 {
		r.IntervalS, r.Intervals = length.Seconds(), all
	}
}

func (r *Report) setExchanges(e *exchangeRecorder) {
	if e == nil || e.offset.count() == 0 {
		return
	}
	r.StampSource = "user"
	r.ForwardUS, r.BackwardUS = e.forward.quantiles(), e.backward.quantiles()
	r.OffsetUS = &Offset{
		Best:      microseconds(e.bestOffset),
		Bound:     microseconds(e.bestDelay) / 2,
		Quantiles: *e.offset.quantiles(),
	}
}

// quantiles returns nil when nothing was added.
func (d *distribution) quantiles() *Quantiles {
	if d.count() == 0 {
		return nil
	}
	return newQuantiles(d.least, d.sum/float64(d.count()), d.quantile, d.greatest)
}

func (d *signedDistribution) quantiles() *Quantiles {
	return newQuantiles(d.min(), d.mean(), d.quantile, d.max())
}

func newQuantiles(least time.Duration, mean float64, quantile func(float64) time.Duration, greatest time.Duration) *Quantiles {
	return &Quantiles{
		Min:  microseconds(least),
		Mean: microseconds(time.Duration(mean)),
		P50:  microseconds(quantile(0.50)),
		P90:  microseconds(quantile(0.90)),
		P99:  microseconds(quantile(0.99)),
		P999: microseconds(quantile(0.999)),
		Max:  microseconds(greatest),
	}
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
