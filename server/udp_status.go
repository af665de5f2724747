package server

import (
	"maps"
	"slices"

	"wirelab/clock"
	"wirelab/internal/sys/datagram"
	"wirelab/internal/tally"
	"wirelab/observe"
)

// eventCounts counts events by name. The same event often comes again, so that
// the latest is kept at hand.
type eventCounts struct {
	byName map[string]*uint64
	name   string
	latest *uint64
}

func newEventCounts() eventCounts { return eventCounts{byName: map[string]*uint64{}} }

func (e *eventCounts) add(name string, n uint64) {
	if n == 0 {
		return
	}
	if e.latest == nil || name != e.name {
		e.latest, e.name = e.byName[name], name
		if e.latest == nil {
			e.latest = new(uint64)
			e.byName[name] = e.latest
		}
	}
	*e.latest += n
}

// Status returns a snapshot of the server and its peers, all workers together.
func (s *UDP) Status() observe.Server {
	st := observe.Server{
		Network: "udp", Addr: s.Addr().String(), Handler: s.cfg.HandlerName, Since: s.since, Workers: len(s.workers),
		Refused: map[string]uint64{}, Events: map[string]uint64{},
	}
	var sum workerCounts
	for _, w := range s.workers {
		w.noteKernelDrops()
		sum.add(w, &st)
	}
	st.PeakActive = st.Active // a peer is only forgotten for the sake of another
	st.StampSource = sum.stampSource()
	st.Batches = sum.batches.status()
	st.Batches.GRO, st.Batches.GSO = s.workers[0].conn.Runs(), sum.joining
	for _, w := range s.workers {
		st.Peers = append(st.Peers, w.peerStatus()...)
	}
	if len(s.workers) > 1 {
		slices.SortStableFunc(st.Peers, func(a, b observe.Peer) int { return b.LastSeen.Compare(a.LastSeen) })
	}
	return st
}

// workerCounts are counts of several workers that do not go into a status as they are.
type workerCounts struct {
	kernelStamps, userStamps uint64
	batches                  batchCounts
	joining                  bool // answers leave in runs
}

// add adds the counters of w, those of a status to st.
func (c *workerCounts) add(w *udpWorker, st *observe.Server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	st.Active += len(w.peers.byAddr)
	st.Traffic.Add(w.traffic)
	for name, n := range maps.All(byName(w.refused)) {
		st.Refused[name] += n
	}
	for name, n := range maps.All(w.events.byName) {
		st.Events[name] += *n
	}
	c.kernelStamps += w.kernelStamps
	c.userStamps += w.userStamps
	c.joining = c.joining || w.join
	c.batches.add(&w.batches)
}

func (c *workerCounts) stampSource() string {
	switch {
	case c.kernelStamps > 0 && c.userStamps > 0:
		return "mixed"
	case c.kernelStamps > 0:
		return clock.Kernel.String()
	case c.userStamps > 0:
		return clock.User.String()
	}
	return ""
}

func (b *batchCounts) add(o *batchCounts) {
	b.reads += o.reads
	b.runs += o.runs
	b.datagrams += o.datagrams
	b.writes += o.writes
	b.answers += o.answers
}

func (b *batchCounts) status() *observe.Batches {
	return &observe.Batches{
		Reads: b.reads, DatagramsPerRead: ratio(b.datagrams, b.reads), SegmentsPerRun: ratio(b.datagrams, b.runs),
		Writes: b.writes, DatagramsPerWrite: ratio(b.answers, b.writes),
	}
}

// ratio returns 0 for nothing of nothing.
func ratio(n, of uint64) float64 { return float64(n) / float64(max(of, 1)) }

// snapshotChunk is how many peers are copied under one lock.
const snapshotChunk = 64

// peerStatus returns the peers, latest first. It copies them in small portions,
// so that datagrams need not wait for it, and evaluates the copies.
func (w *udpWorker) peerStatus() []observe.Peer {
	w.mu.Lock()
	peers := w.peers.latestFirst()
	w.mu.Unlock()
	all := make([]observe.Peer, 0, len(peers))
	snapshots := make([]peerSnapshot, min(snapshotChunk, len(peers)))
	for chunk := range slices.Chunk(peers, snapshotChunk) {
		w.mu.Lock()
		for i, p := range chunk {
			snapshots[i].take(p)
		}
		w.mu.Unlock()
		for i := range chunk {
			all = append(all, snapshots[i].status())
		}
	}
	return all
}

// tallyOf returns what the worker, whose lock is held, has counted of the sender
// of a datagram.
func (w *udpWorker) tallyOf(read *datagram.Datagram) tally.Counts {
	c := tally.Counts{
		Socket: w.number, Drops: w.dropped, Arrived: w.traffic.MessagesIn, Evicted: w.peers.evicted,
		Since: w.since.Round(0),
	}
	p := w.peers.byAddr[read.Peer]
	if p == nil {
		return c
	}
	c.Known, c.Sequenced, c.Longest = true, p.numbered, p.longest
	c.Packets, c.Bytes, c.First, c.Last = p.packets, p.bytes, p.first, p.last
	if p.numbered {
		c.Lost, c.Reordered, c.Duplicate = p.measurements.sequence.Counts()
	}
	return c
}
