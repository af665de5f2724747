package load

import (
	"maps"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

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
	latencies, connects      distribution
	responses, lateness      distribution      // of an open loop
	exchanges                *exchangeRecorder // nil unless messages are STAMP packets
}

func newRecorder(stamps bool) *recorder {
	r := &recorder{
		errors:    make(map[string]uint64),
		latencies: newDistribution(MaxTimeout),
		connects:  newDistribution(MaxTimeout),
		responses: newDistribution(MaxTimeout),
		lateness:  newDistribution(MaxTimeout),
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
	r.connects.add(took)
}

func (r *recorder) answer(latency time.Duration) {
	r.received++
	r.latencies.add(latency)
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
	r.latencies.merge(&other.latencies)
	r.connects.merge(&other.connects)
	r.responses.merge(&other.responses)
	r.lateness.merge(&other.lateness)
	if r.exchanges != nil {
		r.exchanges.merge(other.exchanges)
	}
}

// A distribution is a histogram of durations from 0, to three digits, with the
// exact least, greatest and mean beside it.
type distribution struct {
	histogram *hdrhistogram.Histogram // in nanoseconds
	limit     time.Duration           // longer ones count as this
	least     time.Duration
	greatest  time.Duration
	sum       float64 // in nanoseconds
}

func newDistribution(limit time.Duration) distribution {
	return distribution{
		histogram: hdrhistogram.New(1, int64(limit), 3),
		limit:     limit,
		least:     math.MaxInt64,
		greatest:  math.MinInt64,
	}
}

func (d *distribution) add(v time.Duration) {
	// It can fail only for values out of the range that these two keep it in.
	_ = d.histogram.RecordValue(int64(min(max(v, 0), d.limit)))
	d.least, d.greatest = min(d.least, v), max(d.greatest, v)
	d.sum += float64(v)
}

func (d *distribution) merge(other *distribution) {
	d.histogram.Merge(other.histogram)
	d.least, d.greatest = min(d.least, other.least), max(d.greatest, other.greatest)
	d.sum += other.sum
}

func (d *distribution) count() int64 { return d.histogram.TotalCount() }

// quantile returns the value that a share of q, from 0 to 1, does not exceed. It
// lies between the least and the greatest.
func (d *distribution) quantile(q float64) time.Duration {
	return min(max(time.Duration(d.histogram.ValueAtQuantile(q*100)), d.least), d.greatest)
}
