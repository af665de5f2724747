package load

import (
	"fmt"
	"time"

	"wirelab/clock"
)

// FastReportSchema names the shape of a FastReport as JSON.
const FastReportSchema = "wirelab.load.fast/1"

// A FastReport says what came of a one-way run. Datagrams are counted one by one,
// however many went together.
type FastReport struct {
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

	GSO              bool    `json:"gso"`                   // datagrams were handed over in runs, to the end
	GSORefused       string  `json:"gso_refused,omitempty"` // why no longer
	GRO              bool    `json:"gro"`                   // answers were taken in runs
	Batch            int     `json:"batch"`                 // that was asked for
	Calls            uint64  `json:"calls"`                 // system calls that sent
	MessagesPerCall  float64 `json:"messages_per_call"`     // the batch that was achieved
	SegmentsPerRun   float64 `json:"segments_per_run"`      // datagrams that went as one
	DatagramsPerCall float64 `json:"datagrams_per_call"`

	Answers              uint64  `json:"answers"` // that came while it went on
	AnswerBytes          uint64  `json:"answer_bytes"`
	AnswersPerRead       float64 `json:"answers_per_read,omitempty"`
	AnswerSegmentsPerRun float64 `json:"answer_segments_per_run,omitempty"`

	IntervalS float64    `json:"interval_s,omitempty"` // how long each of Intervals is
	Intervals []Interval `json:"intervals,omitempty"`  // of the run, in their order; what is left of it is in none

	Receiver        *FastReceiver `json:"receiver"`                   // null: only the sender's side is known
	ReceiverUnknown string        `json:"receiver_unknown,omitempty"` // why
}

func (r *fastRun) report() *FastReport {
	cfg := &r.cfg
	report := &FastReport{
		Schema: FastReportSchema, Network: "udp", Target: cfg.Target.String(),
		Payload: cfg.Payload.String(), SizeBytes: cfg.Payload.Len(), Senders: cfg.Senders, TargetRate: cfg.Rate,
		Interrupted: r.interrupted, Messages: cfg.Messages * uint64(cfg.Senders), Errors: map[string]uint64{},
		ElapsedS: r.elapsed.Seconds(), GSO: true, GRO: r.senders[0].conn.Runs(), Batch: cfg.Batch,
	}
	var sums fastSums
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
	report.SegmentsPerRun = per(report.Sent, float64(sums.messages))
	report.AnswersPerRead = per(report.Answers, float64(sums.reads))
	report.AnswerSegmentsPerRun = per(report.Answers, float64(sums.runs))
	r.reportIntervals(report)
	r.reportReceiver(report)
	return report
}

func (r *fastRun) reportIntervals(report *FastReport) {
	var senders []*intervals
	for _, s := range r.senders {
		senders = append(senders, &s.intervals)
	}
	length, all := mergeIntervals(senders, r.elapsed)
	if len(all) > 0 {
		report.IntervalS, report.Intervals = length.Seconds(), all
	}
}

// fastSums are sums over the senders that a report shows as ratios.
type fastSums struct {
	messages, runs, reads uint64
	cpu                   time.Duration
}

func (t *fastSums) add(s *fastSender) {
	t.messages += s.messages
	t.runs += s.answerRuns
	t.reads += s.answerReads
	t.cpu += s.cpu
}

func (r *FastReport) add(s *fastSender) {
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

func (r *fastRun) reportReceiver(report *FastReport) {
	err := r.unknown
	if err == nil {
		all := make([]tallied, 0, len(r.senders))
		for _, s := range r.senders {
			all = append(all, tallied{sent: s.sent, before: s.before, after: s.after})
		}
		report.Receiver, err = account(all)
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
// failure: it is what such a run is to show. The error is of kind ErrNotVerified.
func (r *FastReport) Verify() error {
	switch {
	case r.Sent == 0 && !r.Interrupted:
		return fmt.Errorf("%w: nothing was sent", ErrNotVerified)
	case r.Failed > 0:
		return fmt.Errorf("%w: %d of %d senders could not go on, see errors", ErrNotVerified, r.Failed, r.Senders)
	case r.Receiver != nil && r.Receiver.Surplus > 0:
		return fmt.Errorf("%w: the server counted %d datagrams more than were sent", ErrNotVerified, r.Receiver.Surplus)
	case r.Sent+r.Refused < r.Messages && !r.Interrupted:
		return fmt.Errorf("%w: %d of %d messages not sent", ErrNotVerified, r.Messages-r.Sent-r.Refused, r.Messages)
	}
	return nil
}
