package tcp

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"wirelab/server"
)

// connTable is the list of a server's open connections and the count of all
// that were. It is touched when a connection comes or goes, not in between.
type connTable struct {
	mu       sync.Mutex
	byID     map[uint64]*Conn
	perIP    map[netip.Addr]int
	lastID   uint64
	peak     int
	closing  bool
	accepted uint64
	refused  server.ReasonCounts
	ended    server.ReasonCounts
	past     server.Traffic // of connections that have ended
}

func newConnTable() *connTable {
	return &connTable{
		byID: map[uint64]*Conn{}, perIP: map[netip.Addr]int{},
		refused: server.ReasonCounts{}, ended: server.ReasonCounts{},
	}
}

// add numbers and lists c, unless the table is closing or a limit (0 is none)
// is reached: then it returns the reason and counts it.
func (t *connTable) add(c *Conn, maxConns, maxPerIP int) (refused server.Reason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ip := c.peer.Addr()
	switch {
	case t.closing:
		refused = server.RefusedStopping
	case maxConns > 0 && len(t.byID) >= maxConns:
		refused = server.RefusedMaxConns
	case maxPerIP > 0 && t.perIP[ip] >= maxPerIP:
		refused = server.RefusedMaxPerIP
	}
	if refused != server.NotEnded {
		t.refused[refused]++
		return refused
	}
	t.lastID++
	t.accepted++
	c.id = t.lastID
	t.byID[c.id] = c
	t.perIP[ip]++
	t.peak = max(t.peak, len(t.byID))
	return server.NotEnded
}

func (t *connTable) remove(c *Conn, why server.Reason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byID, c.id)
	ip := c.peer.Addr()
	if t.perIP[ip]--; t.perIP[ip] == 0 {
		delete(t.perIP, ip)
	}
	t.ended[why]++
	t.past.Add(c.traffic())
}

func (t *connTable) refuse(why server.Reason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused[why]++
}

func (t *connTable) get(id uint64) *Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id]
}

// count returns how many connections were ever listed.
func (t *connTable) count() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.accepted
}

// close refuses every later connection.
func (t *connTable) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closing = true
}

// all returns the open connections by number.
func (t *connTable) all() []*Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sorted()
}

// silentSince returns the connections of which no byte has moved since an uptime of
// their server, in no order: it is asked often, and mostly for none.
func (t *connTable) silentSince(then time.Duration) (silent []*Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.byID {
		if c.active.Load() < int64(then) {
			silent = append(silent, c)
		}
	}
	return silent
}

func (t *connTable) sorted() []*Conn {
	return slices.SortedFunc(maps.Values(t.byID), func(a, b *Conn) int { return cmp.Compare(a.id, b.id) })
}

// fill puts the table's counters into s and returns the connections that they
// count as open, by number.
func (t *connTable) fill(s *Status) []*Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.Accepted, s.Active, s.PeakActive = t.accepted, len(t.byID), t.peak
	s.Refused, s.Closed = t.refused.ByName(), t.ended.ByName()
	s.Traffic = t.past
	for _, c := range t.byID {
		s.Traffic.Add(c.traffic())
	}
	return t.sorted()
}
