package load

import (
	"time"

	"wirelab/clock"
	"wirelab/load/latency"
)

// merge adds up what the loops have recorded, which have ended.
func (r *run) merge() *recorder {
	sum := newRecorder(r.cfg.Payload.Reflected())
	for _, l := range r.loops {
		sum.merge(l.rec)
	}
	return sum
}

// report says what the loops did, of which sum is the sum.
func (r *run) report(sum *recorder) *Report {
	cpu, due, interrupted, until := time.Duration(0), uint64(0), false, r.until()
	for _, l := range r.loops {
		cpu += l.use.CPU
		due += l.due() + l.abandoned(until)
		interrupted = interrupted || l.cut
	}
	report := newReport(&r.cfg)
	report.Loops, report.Interrupted = len(r.loops), interrupted
	report.Messages = r.cfg.Messages * uint64(r.cfg.Clients)
	if interrupted || r.cfg.Duration > 0 {
		report.Messages = due
	}
	report.ElapsedS = r.elapsed().Seconds()
	report.setCounts(sum)
	report.setRates(cpu)
	r.receiver.set(report)
	report.setTimes(sum, r.cfg.Percentiles)
	report.Generator = r.generator(sum.redials)
	report.setIntervals(r)
	report.setTargets(r)
	report.setExchanges(sum.exchanges)
	report.ClientLimits = report.limits()
	report.ClientLimited = len(report.ClientLimits) > 0
	return report
}

// due returns how many messages the clients of the loop were to send by its end: in
// a closed loop, those that they did.
func (l *loop) due() (n uint64) {
	if !l.schedule.open() {
		return l.rec.sent + l.rec.refused
	}
	for i := range l.clients {
		n += l.clients[i].due
	}
	return n + l.rec.notBegun
}

// until returns when messages ceased to become due: at the end that was set, or when
// the run was interrupted; 0: when all were.
func (r *run) until() time.Duration {
	var stopped time.Duration
	for _, l := range r.loops {
		if l.cut {
			stopped = max(stopped, l.clock)
		}
	}
	end := r.loops[0].schedule.end
	if stopped == 0 || end > 0 && end < stopped {
		return end
	}
	return stopped
}

// newReport returns a report that says what was asked for.
func newReport(cfg *Config) *Report {
	r := &Report{
		Schema: ReportSchema, Network: cfg.Network, Target: cfg.Targets[0].String(), Mode: cfg.mode(),
		Payload: cfg.Payload.String(), SizeBytes: cfg.Payload.Len(), Clients: cfg.Clients,
		Sources: cfg.Sources.String(), RequestedPerS: cfg.Rate, RampS: cfg.Ramp.Seconds(), Reconnect: cfg.Reconnect,
		TLS: cfg.TLS != nil,
	}
	if cfg.Rate > 0 {
		r.Outstanding = cfg.Outstanding
	}
	if len(cfg.Targets) > 1 {
		for _, target := range cfg.Targets {
			r.Targets = append(r.Targets, target.String())
		}
	}
	return r
}

func (r *Report) setCounts(sum *recorder) {
	r.Connected, r.Connections, r.Retries = sum.connected, sum.connections, sum.retries
	r.Sent, r.Received, r.Pending = sum.sent, sum.received, sum.pending
	r.Mismatched, r.Late, r.Duplicate, r.Unexpected = sum.mismatched, sum.late, sum.duplicate, sum.unexpected
	r.Errors, r.FirstMismatch = sum.errors, sum.firstMismatch
	r.BytesSent, r.BytesReceived, r.UnreadBytes = sum.bytesSent, sum.bytesReceived, sum.unread
	if !r.Flooded() {
		r.Lost = sum.sent - sum.received - sum.pending
	}
	if r.Network == "udp" {
		r.Loss = &Loss{SenderRefused: sum.refused, Gap: r.Lost, Late: sum.late, Duplicate: sum.duplicate, Stale: sum.stale}
	}
}

// setRates sets what is divided by time or messages, of which cpu was used.
func (r *Report) setRates(cpu time.Duration) {
	messages, arrived := float64(r.Received), 0.0
	if r.Flooded() { // the others are still in this host's buffers
		arrived = float64(r.BytesSent - r.UnreadBytes)
		messages = arrived / float64(r.SizeBytes)
	}
	if r.ElapsedS > 0 {
		r.RatePerS, r.BytesPerS = messages/r.ElapsedS, arrived/r.ElapsedS
	}
	if messages > 0 {
		r.CPUUS = clock.Microseconds(cpu) / messages
	}
}

func (r *Report) setTimes(sum *recorder, percentiles []float64) {
	if r.Network == "tcp" {
		r.ConnectUS = sum.connects.Quantiles(percentiles...)
	}
	if r.Mode != modeOpen {
		r.LatencyUS, r.Histogram = sum.latencies.Quantiles(percentiles...), sum.latencies.Histogram()
		if r.LatencyUS != nil {
			r.Doubts = r.LatencyUS.Doubts()
		}
		return
	}
	r.ServiceUS, r.ResponseUS = sum.latencies.Quantiles(percentiles...), sum.responses.Quantiles(percentiles...)
	r.Histogram, r.LateSends = sum.responses.Histogram(), newLateSends(sum)
	if r.ResponseUS != nil {
		r.Doubts = r.ResponseUS.Doubts()
	}
}

func (r *Report) setIntervals(of *run) {
	var loops []*latency.Intervals
	for _, l := range of.loops {
		loops = append(loops, &l.intervals)
	}
	length, all := latency.MergeIntervals(loops, of.elapsed())
	if len(all) == 0 {
		return
	}
	r.IntervalS, r.Intervals = length.Seconds(), all
	if r.Mode == modeOpen {
		for i := range all {
			all[i].ResponseUS, all[i].LatencyUS = all[i].LatencyUS, nil
		}
	}
}

func (r *Report) setExchanges(e *exchangeRecorder) {
	if e == nil || e.offset.Count() == 0 {
		return
	}
	r.StampSource = "user"
	r.ForwardUS, r.BackwardUS = e.forward.Quantiles(), e.backward.Quantiles()
	r.OffsetUS = &Offset{
		Best:      clock.Microseconds(e.bestOffset),
		Bound:     clock.Microseconds(e.bestDelay) / 2,
		Quantiles: *e.offset.Quantiles(),
	}
}
