// Package measure measures how far clocks of other hosts are from this one's: a number of
// exchanges with each host, of which each gives an offset and a bound for it, and what can
// be said of all together.
package measure

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"wirelab/clock"
	"wirelab/clock/ntp"
	"wirelab/clock/probe"
)

// Config says how one host is measured.
type Config struct {
	Name       string // of the host, as it was asked for
	Host       netip.AddrPort
	Protocol   Protocol
	From       netip.Addr     // the address that requests leave from; not valid: the system's choice
	Basic      bool           // ask for no T3 after the fact
	Count      int            // samples; 0: until the context ends
	Burst      int            // exchanges to a sample, back to back, of which the one of least delay counts; 0: 1
	Interval   time.Duration  // from one sample to the next; at least ntp.PublicInterval for a public address
	Timeout    time.Duration  // for each answer
	Protection ntp.Protection // of NTP; nil: none
	// OnSample is told of each sample as it is taken; nil: nobody.
	OnSample func(*Host, Sample)
}

// A Sample is one exchange, or the best of a burst. It is kept in nanoseconds.
type Sample struct {
	T1       int64  `json:"t1_ns"` // since 1970, by this host's clock
	T2       int64  `json:"t2_ns"` // by the other's
	T3       int64  `json:"t3_ns"`
	T4       int64  `json:"t4_ns"`
	Offset   int64  `json:"offset_ns"` // > 0: the other clock is ahead
	Delay    int64  `json:"delay_ns"`
	Bound    int64  `json:"bound_ns"` // by how much Offset may be wrong
	Source   string `json:"source"`   // who read the clock for T1 and T4
	T3Source string `json:"t3_source"`
}

// Sources of T3, beside those of package clock where a reflector names its own.
const (
	toldAfter  = "interleaved" // the other host told it with its next answer
	toldBefore = "in_packet"   // the other host wrote it before the answer left
)

func sampleOf(p *probed) Sample {
	e := &p.exchange
	s := Sample{
		T1: e.T1.Time.UnixNano(), T2: e.T2.Time.UnixNano(), T3: e.T3.Time.UnixNano(), T4: e.T4.Time.UnixNano(),
		Offset: int64(e.Offset()), Delay: int64(e.Delay()), Bound: int64(e.Bound()),
		Source: e.Source().String(), T3Source: toldBefore,
	}
	switch {
	case e.Mixed():
		s.Source = Mixed
	case p.followed && e.T3.Source == clock.Remote:
		s.T3Source = toldAfter
	case p.followed:
		s.T3Source = e.T3.Source.String()
	}
	return s
}

// maxSamples bounds what a Host keeps: of a measurement without end the latest.
const maxSamples = 100_000

// beforeTelling is how many samples with a T3 of before are dropped when better ones come.
const beforeTelling = 3

// failuresInARow is after how many requests without an answer a host that has never
// answered is given up.
const failuresInARow = 5

// A run is a measurement of one host at work.
type run struct {
	cfg    Config
	prober prober
	local  wallWatch
	host   *Host
	// pending is the last exchange with the T3 that was in its answer. It counts if the
	// next answer does not tell a better one.
	pending *probed
}

// Measure measures one host. It returns what there is when ctx ends. The error is the
// last one where no exchange succeeded, or that of a server that must not be asked again.
func Measure(ctx context.Context, cfg Config) (*Host, error) {
	if cfg.Burst == 0 {
		cfg.Burst = 1
	}
	if probe.Public(cfg.Host.Addr()) {
		cfg.Interval, cfg.Burst = max(cfg.Interval, ntp.PublicInterval), 1
	}
	p, err := dial(&cfg)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	r := &run{cfg: cfg, prober: p, local: newWallWatch(), host: newHost(&cfg)}
	last := r.samples(ctx)
	r.host.sum()
	if r.host.Taken == 0 && last != nil {
		return r.host, last
	}
	return r.host, nil
}

// samples takes samples until there are enough, and returns the last error.
func (r *run) samples(ctx context.Context) (last error) {
	next := time.Now()
	for ctx.Err() == nil && !r.enough() {
		if !sleepUntil(ctx, next) {
			break
		}
		next = next.Add(r.cfg.Interval)
		if now := time.Now(); next.Before(now) {
			next = now // what was missed is not made up for
		}
		if err := r.burst(ctx); err != nil && ctx.Err() == nil {
			last = err
			r.host.fail(err)
			var kiss *ntp.KissError
			if errors.As(err, &kiss) && kiss.Final() || r.host.Received == 0 && r.host.Sent >= failuresInARow {
				break
			}
		}
	}
	if r.pending != nil {
		r.keep(r.pending) // nothing better will come
	}
	return last
}

// enough reports whether there are the samples that were asked for. Where answers tell
// nothing of those before, the last is not waited for.
func (r *run) enough() bool {
	have := r.host.Taken
	if r.pending != nil && r.host.Received > 1 && r.host.followed == 0 {
		have++
	}
	return r.cfg.Count > 0 && have >= r.cfg.Count
}

// burst sends the requests of one sample, and one more where the last exchange is
// completed by the next answer.
func (r *run) burst(ctx context.Context) error {
	if r.cfg.Burst == 1 {
		done, err := r.exchange(ctx)
		for i := range done {
			r.keep(&done[i])
		}
		return err
	}
	var best *probed
	var last error
	began := time.Now()
	for n := 0; n < r.cfg.Burst || n == r.cfg.Burst && r.host.tells; n++ {
		done, err := r.exchange(ctx)
		if err != nil {
			last = err
			if ctx.Err() != nil {
				break
			}
		}
		for i := range done {
			if d := &done[i]; d.exchange.T1.Time.After(began.Round(0)) && (best == nil || d.exchange.Delay() < best.exchange.Delay()) {
				best = d
			}
		}
	}
	if best == nil || !r.host.tells && r.pending != nil && r.pending.exchange.Delay() < best.exchange.Delay() {
		best = r.pending
	}
	r.pending = nil
	if best != nil {
		r.keep(best)
		return nil
	}
	return last
}

// exchange sends one request, and returns the exchange that its answer completes: none, one, or
// also the one before, if that is not completed any more.
func (r *run) exchange(ctx context.Context) (done []probed, err error) {
	r.host.Sent++
	r.local.begin()
	p, err := r.prober.probe(ctx)
	r.host.refuse(p.refused, p.refusedFor)
	if err != nil && !errors.Is(err, ntp.ErrOtherAnswer) {
		return nil, err
	}
	r.host.Received++
	r.host.facts = p.facts
	switch {
	case err != nil:
		r.host.leaveOut(otherAnswer)
	case r.local.stepped():
		// Nothing with a stamp of before can be used with one of after.
		r.host.leaveOut(ownStep)
	case r.local.slewed():
		r.host.leaveOut(ownSlew)
	case p.followed:
		if !r.host.tells && r.host.Taken <= beforeTelling {
			r.host.forget() // servers begin to keep send stamps when somebody asks for one
		}
		r.host.tells = true
		done = append(done, p)
	default:
		if r.pending != nil {
			done = append(done, *r.pending)
		}
		r.pending = &p
		return done, nil
	}
	r.pending = nil
	return done, nil
}

// keep makes a sample of an exchange, unless its stamps cannot be of clocks that ran.
func (r *run) keep(p *probed) {
	e := &p.exchange
	switch {
	case e.Delay() < -e.Error, e.Held() < -e.Error:
		r.host.leaveOut(otherStep)
		return
	case r.cfg.Count > 0 && r.host.Taken >= r.cfg.Count:
		return
	}
	s := sampleOf(p)
	r.host.add(s, p.followed)
	if r.cfg.OnSample != nil {
		r.cfg.OnSample(r.host, s)
	}
}

// sleepUntil reports false if ctx ends first.
func sleepUntil(ctx context.Context, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
