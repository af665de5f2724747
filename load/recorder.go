package load

import (
	"maps"
	"math"
	"time"

	"wirelab/clock"
	"wirelab/load/latency"
	"wirelab/load/payload"
)

// A recorder holds what one loop has counted and measured. Its loop writes it, the
// run merges all when the loops have ended.
type recorder struct {
	connected                uint64 // clients
	connections, redials     uint64
	retries                  uint64 // connections begun anew after a failure
	sent, received           uint64
	refused                  uint64 // messages that the kernel would not send
	mismatched               uint64
	late, duplicate          uint64 // answers, of datagrams
	stale                    uint64 // datagrams that are either, too late to tell
	pending                  uint64 // messages whose answer was not waited for
	unexpected               uint64 // bytes that answer nothing
	unread                   uint64 // bytes of a flood that did not arrive
	lateSends, heldBack      uint64 // messages of an open loop
	heldByWindow             uint64 // of heldBack
	notBegun                 uint64 // likewise: due, but not handed to their clients in time
	bytesSent, bytesReceived uint64
	failures                 uint64 // the sum of errors
	errors                   map[string]uint64
	firstMismatch            *Mismatch
	latencies, connects      latency.Distribution
	responses, lateness      latency.Distribution // of an open loop
	exchanges                *exchangeRecorder    // nil unless messages are STAMP packets
}

func newRecorder(stamps bool) *recorder {
	r := &recorder{
		errors:    make(map[string]uint64),
		latencies: latency.NewDistribution(MaxTimeout),
		connects:  latency.NewDistribution(MaxTimeout),
		responses: latency.NewDistribution(MaxTimeout),
		lateness:  latency.NewDistribution(MaxTimeout),
	}
	if stamps {
		r.exchanges = newExchangeRecorder()
	}
	return r
}

// connect records a connection, perhaps the first of its client.
func (r *recorder) connect(took time.Duration, first bool) {
	if first {
		r.connected++
	}
	r.connections++
	r.connects.Add(took)
}

func (r *recorder) answer(latency time.Duration) {
	r.received++
	r.latencies.Add(latency)
}

func (r *recorder) fail(kind string) {
	r.failures++
	r.errors[kind]++
}

func (r *recorder) mismatch(client, message uint64, check *payload.Check) {
	r.mismatched++
	if r.firstMismatch == nil {
		r.firstMismatch = &Mismatch{Client: client, Message: message, Reason: check.Reason()}
	}
}

// merge adds what other has recorded to r.
func (r *recorder) merge(other *recorder) {
	r.connected += other.connected
	r.connections += other.connections
	r.redials += other.redials
	r.retries += other.retries
	r.refused += other.refused
	r.stale += other.stale
	r.unread += other.unread
	r.lateSends += other.lateSends
	r.heldBack += other.heldBack
	r.heldByWindow += other.heldByWindow
	r.notBegun += other.notBegun
	r.sent += other.sent
	r.received += other.received
	r.mismatched += other.mismatched
	r.late += other.late
	r.duplicate += other.duplicate
	r.pending += other.pending
	r.unexpected += other.unexpected
	r.bytesSent += other.bytesSent
	r.bytesReceived += other.bytesReceived
	r.failures += other.failures
	for kind, n := range maps.All(other.errors) {
		r.errors[kind] += n
	}
	if r.firstMismatch == nil {
		r.firstMismatch = other.firstMismatch
	}
	r.latencies.Merge(&other.latencies)
	r.connects.Merge(&other.connects)
	r.responses.Merge(&other.responses)
	r.lateness.Merge(&other.lateness)
	if r.exchanges != nil {
		r.exchanges.merge(other.exchanges)
	}
}

// exchangeRecorder holds what STAMP exchanges say about the two clocks.
type exchangeRecorder struct {
	offset, forward, backward latency.Signed
	bestDelay, bestOffset     time.Duration // of the exchange that took least
}

func newExchangeRecorder() *exchangeRecorder {
	return &exchangeRecorder{
		offset:    latency.NewSigned(),
		forward:   latency.NewSigned(),
		backward:  latency.NewSigned(),
		bestDelay: math.MaxInt64,
	}
}

func (r *exchangeRecorder) add(e *clock.Exchange) {
	offset := e.Offset()
	r.offset.Add(offset)
	r.forward.Add(e.Forward())
	r.backward.Add(e.Backward())
	if delay := max(e.Delay(), 0); delay < r.bestDelay {
		r.bestDelay, r.bestOffset = delay, offset
	}
}

func (r *exchangeRecorder) merge(other *exchangeRecorder) {
	r.offset.Merge(&other.offset)
	r.forward.Merge(&other.forward)
	r.backward.Merge(&other.backward)
	if other.bestDelay < r.bestDelay {
		r.bestDelay, r.bestOffset = other.bestDelay, other.bestOffset
	}
}
