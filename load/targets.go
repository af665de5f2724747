package load

import "wirelab/load/latency"

// A TargetReport says what came of the clients of one of several targets.
type TargetReport struct {
	Target     string             `json:"target"`
	Clients    int                `json:"clients"`
	Connected  uint64             `json:"connected"`
	Sent       uint64             `json:"sent"`
	Received   uint64             `json:"received"`
	Lost       uint64             `json:"lost"` // not known of a flood
	Mismatched uint64             `json:"mismatched"`
	Errors     uint64             `json:"errors"`
	RatePerS   float64            `json:"rate_per_s"` // answers; of a flood, messages sent
	LatencyUS  *latency.Quantiles `json:"latency_us"` // of an open loop the response times, to two digits; null without answers
}

// A targetRecorder is what one loop counted of one target.
type targetRecorder struct {
	connected, sent, received, mismatched, pending, failures uint64
	latencies                                                latency.Distribution
}

// newTargetRecorders returns none for a single target, of which the report says all.
func newTargetRecorders(targets int) []targetRecorder {
	if targets < 2 {
		return nil
	}
	all := make([]targetRecorder, targets)
	for i := range all {
		all[i].latencies = latency.NewCoarse(MaxTimeout)
	}
	return all
}

// targetOf returns what is counted of c's target, nil where there is only one.
func (l *loop) targetOf(c *client) *targetRecorder {
	if l.targets == nil {
		return nil
	}
	return &l.targets[c.number%uint64(len(l.targets))]
}

func (t *targetRecorder) merge(other *targetRecorder) {
	t.connected += other.connected
	t.sent += other.sent
	t.received += other.received
	t.mismatched += other.mismatched
	t.pending += other.pending
	t.failures += other.failures
	t.latencies.Merge(&other.latencies)
}

// setTargets reports of each target what all loops counted.
func (r *Report) setTargets(of *run) {
	n := len(of.cfg.Targets)
	for i, sum := range newTargetRecorders(n) {
		for _, l := range of.loops {
			sum.merge(&l.targets[i])
		}
		t := TargetReport{
			Target: of.cfg.Targets[i].String(), Clients: (of.cfg.Clients - i + n - 1) / n, Connected: sum.connected,
			Sent: sum.sent, Received: sum.received, Mismatched: sum.mismatched, Errors: sum.failures,
			LatencyUS: sum.latencies.Quantiles(),
		}
		messages := t.Received
		if r.Flooded() {
			messages = t.Sent
		} else {
			t.Lost = t.Sent - t.Received - sum.pending
		}
		if r.ElapsedS > 0 {
			t.RatePerS = float64(messages) / r.ElapsedS
		}
		r.PerTarget = append(r.PerTarget, t)
	}
}
