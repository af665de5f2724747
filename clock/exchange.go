package clock

import "time"

// An Exchange is a packet and its answer, as four stamps of two clocks: this host
// sent at T1, the other received at T2 and sent at T3, this host received at T4 (RFC
// 5905, section 8). T1 and T4 are of our clock, T2 and T3 of the other's.
//
// A packet is received after it is sent, whoever stamped it: that alone makes [Exchange.Bound]
// hold, also where stamps of different sources meet. Such a mixture biases
// [Exchange.Offset] within the bound, see [Exchange.Mixed].
type Exchange struct {
	T1, T2, T3, T4 Stamp
	// Error is how far the stamps themselves may be off, both clocks together: their
	// resolution and what a server says about the precision of its own.
	Error time.Duration
}

// Forward returns T2 - T1: the one-way delay to the other host plus the offset.
func (e *Exchange) Forward() time.Duration { return e.T2.Sub(e.T1) }

// Backward returns T4 - T3: the one-way delay from the other host less the offset.
func (e *Exchange) Backward() time.Duration { return e.T4.Sub(e.T3) }

// Held returns T3 - T2: how long the other host kept the packet.
func (e *Exchange) Held() time.Duration { return e.T3.Sub(e.T2) }

// Offset returns how far the other clock is ahead of ours if both ways took the
// same time. Whatever they took, it is off by at most Bound.
func (e *Exchange) Offset() time.Duration {
	forward, backward := e.Forward(), e.Backward()
	return forward/2 - backward/2 + (forward%2-backward%2)/2 // their difference may not fit
}

// Delay returns how long the packet was under way in both directions together. It is
// negative where the stamps' errors, or a clock that was set in between, exceed it.
func (e *Exchange) Delay() time.Duration { return e.T4.Sub(e.T1) - e.Held() }

// Bound returns by how much Offset can be wrong: half the delay, all of which may have
// been spent on one way, and Error. A fixed asymmetry of the two ways cannot be
// seen in the stamps; only this bound covers it. It holds as long as neither clock
// was stepped or slewed between T1 and T4.
func (e *Exchange) Bound() time.Duration {
	delay := max(e.Delay(), 0)
	return delay/2 + delay%2 + e.Error
}

// Mixed reports whether our two stamps have different sources, so that the offset is
// biased by half of what lies between the two places.
func (e *Exchange) Mixed() bool { return e.T1.Source != e.T4.Source }

// Source returns the less exact source of our two stamps.
func (e *Exchange) Source() Source { return min(e.T1.Source, e.T4.Source) }

// UserExchange returns an exchange whose stamps of ours were both read by this process.
func UserExchange(t1, t2, t3, t4 time.Time) Exchange {
	return Exchange{T1: Stamp{Time: t1}, T2: Stamp{Time: t2}, T3: Stamp{Time: t3}, T4: Stamp{Time: t4}}
}
