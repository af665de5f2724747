package oneway

import (
	"fmt"
	"time"

	"wirelab/clock"
	"wirelab/load"
	"wirelab/load/delivery"
	"wirelab/load/latency"
)

// Schema names the shape of a Report as JSON.
const Schema = "wirelab.load.fast/1"

// A Report says what came of a one-way run. Datagrams are counted one by one,
// however many went together.
type Report struct {
	Schema      string  `json:"schema"`
	Network     string  `json:"network"` // "udp"
	Target      string  `json:"target"`
	Payload     string  `json:"payload"`
	SizeBytes   int     `json:"size_bytes"`
	Senders     int     `json:"senders"`
	TargetRate  float64 `json:"target_rate_per_s"` // 0: as fast as possible
	Interrupted bool    `json:"interrupted"`

	Messages  uint64            `json:"messages"` // that were to be sent; when the time or an interruption ended the run, those tried
	Sent      uint64            `json:"sent"`     // datagrams that left
	Refused   uint64            `json:"refused"`  // that this host discarded on their way out (ENOBUFS)
	Waits     uint64            `json:"waits"`    // how often this host had no room for more (EAGAIN)
	Errors    map[string]uint64 `json:"errors"`
	Failed    int               `json:"failed_senders"` // that ended for one of these
	BytesSent uint64            `json:"bytes_sent"`

	ElapsedS float64 `json:"elapsed_s"`
	RatePerS float64 `json:"rate_per_s"`          // datagrams sent
	BitsPerS float64 `json:"bits_per_s"`          // of their payload
	CPUUS    float64 `json:"cpu_us_per_datagram"` // of the senders' threads

	GSO                bool    `json:"gso"`                   // datagrams were handed over in segments of messages, to the end
	GSORefused         string  `json:"gso_refused,omitempty"` // why no longer
	GRO                bool    `json:"gro"`                   // answers were taken in segments of messages
	Batch              int     `json:"batch"`                 // that was asked for
	Calls              uint64  `json:"calls"`                 // system calls that sent
	MessagesPerCall    float64 `json:"messages_per_call"`     // the batch that was achieved
	SegmentsPerMessage float64 `json:"segments_per_message"`  // datagrams that went as segments of one
	DatagramsPerCall   float64 `json:"datagrams_per_call"`

	Answers                  uint64  `json:"answers"` // that came while it went on
	AnswerBytes              uint64  `json:"answer_bytes"`
	AnswersPerRead           float64 `json:"answers_per_read,omitempty"`
	AnswerSegmentsPerMessage float64 `json:"answer_segments_per_message,omitempty"`

	IntervalS float64            `json:"interval_s,omitempty"` // how long each of Intervals is
	Intervals []latency.Interval `json:"intervals,omitempty"`  // of the run, in their order; what is left of it is in none

	Receiver        *delivery.Report `json:"receiver"`                   // null: only the sender's side is known
	ReceiverUnknown string           `json:"receiver_unknown,omitempty"` // why
}

func (r *run) report() *Report {
	cfg := &r.cfg
	report := &Report{
		Schema: Schema, Network: "udp", Target: cfg.Target.String(),
		Payload: cfg.Payload.String(), SizeBytes: cfg.Payload.Len(), Senders: cfg.Senders, TargetRate: cfg.Rate,
		Interrupted: r.interrupted, Messages: cfg.Messages * uint64(cfg.Senders), Errors: map[string]uint64{},
		ElapsedS: r.elapsed.Seconds(), GSO: true, GRO: r.senders[0].conn.GRO(), Batch: cfg.Batch,
	}
	var sums sums
	for _, s := range r.senders {
		report.add(s)
		sums.add(s)
	}
	if r.interrupted || cfg.Duration > 0 {
		report.Messages = report.Sent + report.Refused
	}
	report.BytesSent = report.Sent * uint64(cfg.Payload.Len())
	report.RatePerS = per(report.Sent, report.ElapsedS)
	report.BitsPerS = 8 * per(report.BytesSent, report.ElapsedS)
	report.CPUUS = per(1.0, float64(report.Sent)) * clock.Microseconds(sums.cpu)
	report.MessagesPerCall = per(sums.messages, float64(report.Calls))
	report.DatagramsPerCall = per(report.Sent, float64(report.Calls))
	report.SegmentsPerMessage = per(report.Sent, float64(sums.messages))
	report.AnswersPerRead = per(report.Answers, float64(sums.reads))
	report.AnswerSegmentsPerMessage = per(report.Answers, float64(sums.answerMessages))
	r.reportIntervals(report)
	r.reportReceiver(report)
	return report
}

func (r *run) reportIntervals(report *Report) {
	var senders []*latency.Intervals
	for _, s := range r.senders {
		senders = append(senders, &s.intervals)
	}
	length, all := latency.MergeIntervals(senders, r.elapsed)
	if len(all) > 0 {
		report.IntervalS, report.Intervals = length.Seconds(), all
	}
}

// sums are sums over the senders that a report shows as ratios.
type sums struct {
	messages, answerMessages, reads uint64
	cpu                             time.Duration
}

func (t *sums) add(s *sender) {
	t.messages += s.messages
	t.answerMessages += s.answerMessages
	t.reads += s.answerReads
	t.cpu += s.cpu
}

func (r *Report) add(s *sender) {
	r.Sent += s.sent
	r.Refused += s.refused
	r.Calls += s.calls
	r.Waits += s.waits
	r.Answers += s.answers
	r.AnswerBytes += s.answerBytes
	for kind, n := range s.errors {
		r.Errors[kind] += n
	}
	if s.failed {
		r.Failed++
	}
	r.GSO = r.GSO && s.gso()
	if s.noGSO != nil {
		r.GSORefused = s.noGSO.Error()
	}
}

func (r *run) reportReceiver(report *Report) {
	err := r.unknown
	if err == nil {
		all := make([]delivery.Sender, 0, len(r.senders))
		for _, s := range r.senders {
			all = append(all, delivery.Sender{Sent: s.sent, Before: s.before, After: s.after})
		}
		report.Receiver, err = delivery.Account(all)
	}
	if err != nil {
		report.ReceiverUnknown = err.Error()
	}
}

// per returns n/of, or 0 for nothing.
func per[N uint64 | float64](n N, of float64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / of
}

// Verify returns nil if the run showed what it should: something was sent, all that was
// to be sent was tried, and the receiver counted no more than that. Loss is no
// failure: it is what such a run is to show. The error is of kind load.ErrNotVerified.
func (r *Report) Verify() error {
	switch {
	case r.Sent == 0 && !r.Interrupted:
		return fmt.Errorf("%w: nothing was sent", load.ErrNotVerified)
	case r.Failed > 0:
		return fmt.Errorf("%w: %d of %d senders could not go on, see errors", load.ErrNotVerified, r.Failed, r.Senders)
	case r.Receiver != nil && r.Receiver.Surplus > 0:
		return fmt.Errorf("%w: the server counted %d datagrams more than were sent", load.ErrNotVerified, r.Receiver.Surplus)
	case r.Sent+r.Refused < r.Messages && !r.Interrupted:
		return fmt.Errorf("%w: %d of %d messages not sent", load.ErrNotVerified, r.Messages-r.Sent-r.Refused, r.Messages)
	}
	return nil
}
