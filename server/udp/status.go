package udp

import (
	"maps"
	"slices"
	"time"

	"wirelab/clock"
	"wirelab/internal/receiver"
	"wirelab/internal/sys/datagram"
	"wirelab/observe"
	"wirelab/server"
)

// Status is a snapshot of a UDP server, all its workers together.
type Status struct {
	Network     string            `json:"network"` // "udp"
	Addr        string            `json:"addr"`
	Handler     string            `json:"handler"`
	Since       time.Time         `json:"since"`
	Refused     map[string]uint64 `json:"refused,omitempty"`     // by reason
	Active      int               `json:"active"`                // peers heard of within the last minute
	PeakActive  int               `json:"peak_active,omitempty"` // peers known: one is only forgotten for the sake of another
	Traffic     server.Traffic    `json:"traffic"`               // of all peers ever
	Events      map[string]uint64 `json:"events,omitempty"`      // what else was counted, by name
	StampSource string            `json:"stamp_source,omitempty"`
	Workers     int               `json:"workers,omitempty"` // sockets that share the port
	Batches     *Batches          `json:"batches,omitempty"`
	Peers       []Peer            `json:"peers,omitempty"` // latest first
}

// Batches says how many datagrams a UDP server moves at a time.
type Batches struct {
	GRO                bool    `json:"gro"`                  // the kernel may hand over datagrams of one peer as segments of one message
	GSO                bool    `json:"gso"`                  // answers to segments leave as segments
	Reads              uint64  `json:"reads"`                // system calls that brought datagrams
	DatagramsPerRead   float64 `json:"datagrams_per_read"`   // each counted by itself
	SegmentsPerMessage float64 `json:"segments_per_message"` // datagrams that came as one; 1 without GRO
	Writes             uint64  `json:"writes"`               // system calls that sent answers
	DatagramsPerWrite  float64 `json:"datagrams_per_write"`  // each counted by itself
}

// Peer is one source of datagrams.
type Peer struct {
	Peer      string    `json:"peer"`
	Packets   uint64    `json:"packets"`
	Bytes     uint64    `json:"bytes"`
	Lost      uint64    `json:"lost"`      // sequence numbers never seen
	Reordered uint64    `json:"reordered"` // arrived after a later one
	Duplicate uint64    `json:"duplicate"`
	JitterUS  float64   `json:"jitter_us"` // RFC 3550
	Diff      *Diff     `json:"difference_us,omitempty"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
}

// Diff sums up the differences between the server's receive stamps and the
// peer's own stamps, in microseconds; median and p99 are over the latest Window.
type Diff struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	P99    float64 `json:"p99"`
	Last   float64 `json:"last"`
	Window int     `json:"window"`
}

// Status returns a snapshot of the server and its peers, all workers together.
func (s *Server) Status() Status {
	st := Status{
		Network: "udp", Addr: s.Addr().String(), Handler: s.cfg.HandlerName, Since: s.since, Workers: len(s.workers),
		Refused: map[string]uint64{}, Events: map[string]uint64{},
	}
	var sum workerCounts
	for _, w := range s.workers {
		w.noteKernelDrops()
		sum.add(w, &st)
	}
	st.StampSource = sum.stampSource()
	st.Batches = sum.batches.status()
	st.Batches.GRO, st.Batches.GSO = s.workers[0].conn.GRO(), sum.joining
	for _, w := range s.workers {
		st.Peers = append(st.Peers, w.peerStatus()...)
	}
	if len(s.workers) > 1 {
		slices.SortStableFunc(st.Peers, func(a, b Peer) int { return b.LastSeen.Compare(a.LastSeen) })
	}
	st.Active = recent(st.Peers, time.Now())
	return st
}

// peerRecent is how long after its last datagram a peer is active.
const peerRecent = time.Minute

// recent returns how many of the peers, latest first, are active.
func recent(peers []Peer, now time.Time) int {
	n := slices.IndexFunc(peers, func(p Peer) bool { return now.Sub(p.LastSeen) > peerRecent })
	if n < 0 {
		return len(peers)
	}
	return n
}

// Counts implements observe.Counter.
func (st Status) Counts() observe.Counts {
	t := st.Traffic
	return observe.Counts{
		Active: st.Active, MessagesIn: t.MessagesIn, MessagesOut: t.MessagesOut, BytesIn: t.BytesIn, BytesOut: t.BytesOut,
	}
}

// Kind is the kind of section that servers of this package have in a status.
func Kind() observe.Kind { return observe.KindOf[Status]("udp") }

// Section implements observe.Source.
func (s *Server) Section() observe.Section {
	return observe.Section{Name: "udp " + s.Addr().String(), Kind: "udp", Body: s.Status()}
}

// workerCounts are counts of several workers that do not go into a status as they are.
type workerCounts struct {
	kernelStamps, userStamps uint64
	batches                  batchCounts
	joining                  bool // answers leave as segments
}

// add adds the counters of w, those of a status to st.
func (c *workerCounts) add(w *worker, st *Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	st.PeakActive += len(w.peers.byAddr)
	st.Traffic.Add(w.traffic)
	for name, n := range maps.All(w.refused.ByName()) {
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
	b.messages += o.messages
	b.datagrams += o.datagrams
	b.writes += o.writes
	b.answers += o.answers
}

func (b *batchCounts) status() *Batches {
	return &Batches{
		Reads: b.reads, DatagramsPerRead: ratio(b.datagrams, b.reads), SegmentsPerMessage: ratio(b.datagrams, b.messages),
		Writes: b.writes, DatagramsPerWrite: ratio(b.answers, b.writes),
	}
}

// ratio returns 0 for nothing of nothing.
func ratio(n, of uint64) float64 { return float64(n) / float64(max(of, 1)) }

// snapshotChunk is how many peers are copied under one lock.
const snapshotChunk = 64

// peerStatus returns the peers, latest first. It copies them in small portions,
// so that datagrams need not wait for it, and evaluates the copies.
func (w *worker) peerStatus() []Peer {
	w.mu.Lock()
	peers := w.peers.latestFirst()
	w.mu.Unlock()
	all := make([]Peer, 0, len(peers))
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

// report returns what the worker, whose lock is held, has counted of the sender
// of a datagram.
func (w *worker) report(read *datagram.Datagram) receiver.Report {
	c := receiver.Report{
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
