package load

import (
	"errors"
	"fmt"
	"strings"

	"wirelab/load/delivery"
	"wirelab/load/latency"
	"wirelab/report"
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

	Mode          string   `json:"mode"` // closed, open or flood
	Targets       []string `json:"targets,omitempty"`
	Sources       string   `json:"sources,omitempty"`
	RequestedPerS float64  `json:"requested_per_s,omitempty"` // of an open loop
	RampS         float64  `json:"ramp_s,omitempty"`
	Outstanding   int      `json:"outstanding,omitempty"` // messages of a client of an open loop that could await answers at once
	Connections   uint64   `json:"connections"`           // made in all
	Retries       uint64   `json:"retries,omitempty"`     // begun anew after a failure
	Reconnect     uint64   `json:"reconnect_messages,omitempty"`

	ClientLimited bool     `json:"client_limited"` // the generator spoiled the result
	ClientLimits  []string `json:"client_limits,omitempty"`

	Messages   uint64 `json:"messages"` // that were to be sent; when the time or an interruption ended the run, those sent or, of an open loop, due
	Sent       uint64 `json:"sent"`
	Received   uint64 `json:"received"`
	Lost       uint64 `json:"lost"`
	Mismatched uint64 `json:"mismatched"` // answers that were not as they should be
	Late       uint64 `json:"late"`       // of Received: datagrams as they should be, after the timeout
	Duplicate  uint64 `json:"duplicate"`  // datagrams received again
	Pending    uint64 `json:"pending"`    // messages whose answer the interruption did not wait for
	Unexpected uint64 `json:"unexpected_bytes"`

	Errors        map[string]uint64 `json:"errors"`
	FirstMismatch *Mismatch         `json:"first_mismatch,omitempty"`

	ElapsedS      float64 `json:"elapsed_s"`              // from the first message to the last answer; of an open loop at least what its schedule takes
	RatePerS      float64 `json:"rate_per_s"`             // answers; of a flood, messages sent, unread ones with them
	BytesPerS     float64 `json:"bytes_per_s,omitempty"`  // of a flood, without unread ones
	UnreadBytes   uint64  `json:"unread_bytes,omitempty"` // of a flood that broke off: not confirmed by the server's host; what that held unread is not known
	BytesSent     uint64  `json:"bytes_sent"`
	BytesReceived uint64  `json:"bytes_received"`

	LatencyUS  *latency.Quantiles `json:"latency_us"`            // closed loop: from just before the write to the last byte; null without answers
	ResponseUS *latency.Quantiles `json:"response_us,omitempty"` // open loop: from when the message was to be sent to the last byte
	ServiceUS  *latency.Quantiles `json:"service_us,omitempty"`  // open loop: from just before the write to the last byte
	ConnectUS  *latency.Quantiles `json:"connect_us,omitempty"`  // of TCP connections
	CPUUS      float64            `json:"cpu_us_per_request"`    // of the generator's own threads

	// Of latency_us, of an open loop response_us.
	Histogram []latency.Bucket `json:"histogram,omitempty"`
	Doubts    []latency.Doubt  `json:"uncertain,omitempty"`  // percentiles that rest on too few answers
	PerTarget []TargetReport   `json:"per_target,omitempty"` // of several targets, in their order
	TLS       bool             `json:"tls,omitempty"`

	LateSends *LateSends `json:"late_sends,omitempty"` // of an open loop
	Loss      *Loss      `json:"loss,omitempty"`       // of datagrams
	Generator Generator  `json:"generator"`

	Receiver        *delivery.Report `json:"receiver,omitempty"`         // what a wirelab server counted of datagrams
	ReceiverUnknown string           `json:"receiver_unknown,omitempty"` // why that is not known

	Search *Search    `json:"search,omitempty"`
	Curve  []RateStep `json:"curve,omitempty"` // of a search, in the order of its steps

	IntervalS float64            `json:"interval_s,omitempty"` // how long each of Intervals is
	Intervals []latency.Interval `json:"intervals,omitempty"`  // of the run, in their order; what is left of it is in none

	// What STAMP exchanges say, by this host's clock and the reflector's.
	OffsetUS    *Offset            `json:"offset_us,omitempty"`
	ForwardUS   *latency.Quantiles `json:"forward_us,omitempty"`   // to the reflector, plus the offset
	BackwardUS  *latency.Quantiles `json:"backward_us,omitempty"`  // from the reflector, less the offset
	StampSource string             `json:"stamp_source,omitempty"` // of this host's stamps
}

// Loss says what became of datagrams that were not answered in time.
type Loss struct {
	ReceiverOverflow uint64 `json:"receiver_overflow"` // of the Gap and Late: the receiver's buffer was full; as far as the receiver says
	SenderRefused    uint64 `json:"sender_refused"`    // the kernel would not send them (EAGAIN, ENOBUFS): not in Sent
	Gap              uint64 `json:"gap"`               // sent, and never answered
	Late             uint64 `json:"late"`              // answered after the timeout
	Duplicate        uint64 `json:"duplicate"`         // answered again
	Stale            uint64 `json:"stale"`             // answers so late that they may be either
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

// Offset says in microseconds how far the reflector's clock is ahead of this
// host's. Best is the offset of the exchange that took least, and the truth lies
// within Bound of it, whatever the way there and back took. The others hold only as far as
// both ways take the same time.
type Offset struct {
	Best  float64 `json:"best"`
	Bound float64 `json:"bound"`
	latency.Quantiles
}

// The modes of a run.
const (
	modeClosed = "closed"
	modeOpen   = "open"
	modeFlood  = "flood"
)

func (c *Config) mode() string {
	switch {
	case c.Flood:
		return modeFlood
	case c.Rate > 0:
		return modeOpen
	}
	return modeClosed
}

// Flooded reports whether nothing was awaited to be answered.
func (r *Report) Flooded() bool { return r.Mode == modeFlood }

func (r *Report) failures() (n uint64) {
	for _, count := range r.Errors {
		n += count
	}
	return n
}

// Verified returns the number of answers that were as they should be.
func (r *Report) Verified() uint64 { return r.Received - r.Mismatched - r.Late }

// ErrNotVerified reports that answers were missing or wrong.
var ErrNotVerified = errors.New("not verified")

// silence says why there was no answer, as far as the receiver's counts show.
func (r *Report) silence() string {
	got := r.Receiver
	switch {
	case got == nil || r.Sent == 0:
		return ""
	case got.Distinct >= r.Sent:
		return ", though the server received all: its handler, such as discard, answers nothing, or answers do not get back"
	case got.Distinct == 0:
		return ": nothing reached the server"
	}
	return fmt.Sprintf(", though the server received %d of %d", got.Distinct, r.Sent)
}

// Verify returns nil if the run showed what it should: every answer as it should be
// and, over TCP, none missing and no client ended early; over UDP at least one in time; of a
// search, a rate that holds. Otherwise the error, of kind ErrNotVerified, says what
// was wrong.
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
		unconnected := uint64(r.Clients) - r.Connected
		count(unconnected, "clients not connected")
		count(r.failures()-min(r.failures(), unconnected), "clients failed") // even if nothing was under way
	} else if r.Received == 0 {
		wrong = append(wrong, "no answer came"+r.silence())
	} else if r.Received == r.Late {
		wrong = append(wrong, fmt.Sprintf("no answer came in time, %d late", r.Late))
	}
	if r.Search != nil && r.Search.RatePerS == 0 {
		wrong = append(wrong, r.Search.Limit+" holds at no rate")
	}
	if r.Search != nil && r.Search.Failed != "" {
		wrong = append(wrong, r.Search.Failed)
	}
	if len(wrong) == 0 || r.Interrupted && r.Mismatched == 0 && r.Unexpected == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrNotVerified, strings.Join(wrong, ", "))
}

// Kind returns the kind of the reports here.
func Kind() report.Kind {
	return report.Kind{Schema: ReportSchema, Check: report.CheckAs(func(r *Report) error {
		return report.Known("network", r.Network, "tcp", "udp")
	}, "offset_us", "forward_us", "backward_us", "clock_step_us")} // differences of clocks may be negative
}
