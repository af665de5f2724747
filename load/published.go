package load

import "sync/atomic"

// published are the counters that others may read while the loop runs, written
// once a turn, on a cache line of their own.
type published struct {
	_                                             [64]byte
	connected, sent, received, mismatched, errors atomic.Uint64
	_                                             [64]byte
}

func (l *loop) publish() {
	p, rec := &l.published, l.rec
	p.connected.Store(rec.connected)
	p.sent.Store(rec.sent)
	p.received.Store(rec.received)
	p.mismatched.Store(rec.mismatched)
	p.errors.Store(rec.failures)
}

func (p *published) addTo(sum *Progress) {
	sum.Connected += int(p.connected.Load())
	sum.Sent += p.sent.Load()
	sum.Received += p.received.Load()
	sum.Mismatched += p.mismatched.Load()
	sum.Errors += p.errors.Load()
}
