package tcp

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"wirelab/internal/human"
	"wirelab/observe"
	"wirelab/server"
	"wirelab/server/internal/counts"
)

// Status is a snapshot of a TCP server.
type Status struct {
	Network     string            `json:"network"` // "tcp"
	Addr        string            `json:"addr"`
	Engine      string            `json:"engine"`
	Handler     string            `json:"handler"`
	TLS         bool              `json:"tls,omitempty"`
	Since       time.Time         `json:"since"`
	Accepted    uint64            `json:"accepted,omitempty"` // connections admitted
	Refused     map[string]uint64 `json:"refused,omitempty"`  // by reason
	Closed      map[string]uint64 `json:"closed,omitempty"`   // by reason
	Active      int               `json:"active"`             // open connections
	PeakActive  int               `json:"peak_active,omitempty"`
	Traffic     server.Traffic    `json:"traffic"`          // of all connections ever
	Events      map[string]uint64 `json:"events,omitempty"` // what else was counted, by name
	Connections []Connection      `json:"connections,omitempty"`
}

// Connection is one open TCP connection.
type Connection struct {
	ID     uint64    `json:"id"`
	Peer   string    `json:"peer"`
	Engine string    `json:"engine"`
	Thread int       `json:"thread,omitempty"` // OS thread id, where one serves the connection
	Since  time.Time `json:"since"`
	Idle   int64     `json:"idle_us"`        // since the last byte in or out
	Name   string    `json:"name,omitempty"` // a chat nickname
	server.Traffic
}

// Status returns a snapshot of the server and its connections, those by id. It belongs
// to the caller.
func (s *Server) Status() Status {
	st := Status{
		Network: "tcp", Addr: s.addr.String(), Engine: s.cfg.Engine, Handler: s.cfg.HandlerName,
		TLS: s.cfg.TLS != nil, Since: s.since,
	}
	now := s.uptime()
	for _, c := range s.conns.fill(&st) {
		st.Connections = append(st.Connections, c.status(now))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Events = maps.Clone(s.events)
	return st
}

// Counts implements observe.Counter.
func (st Status) Counts() observe.Counts {
	t := st.Traffic
	return observe.Counts{
		Connections: st.Accepted, Active: st.Active, MessagesIn: t.MessagesIn, MessagesOut: t.MessagesOut, BytesIn: t.BytesIn, BytesOut: t.BytesOut,
	}
}

// Kind is the kind of section that servers of this package have in a status.
func Kind() observe.Kind { return observe.KindOf[Status]("tcp") }

// Section implements observe.Source.
func (s *Server) Section() observe.Section {
	return observe.Section{Name: "tcp " + s.addr.String(), Kind: "tcp", Body: s.Status()}
}

// Connection implements observe.Kicker.
func (st Status) Connection(id uint64) (peer string, open bool) {
	for _, c := range st.Connections {
		if c.ID == id {
			return c.Peer, true
		}
	}
	return "", false
}

// View implements observe.Body.
func (st Status) View(name string, now time.Time) observe.View {
	handler := st.Handler
	if st.TLS {
		handler += ", TLS"
	}
	v := observe.View{
		Columns: counts.Columns(handler, cmp.Or(st.Engine, "-"), st.Active, st.PeakActive, st.Traffic),
		Details: counts.Phrases(counts.Of("refused", st.Refused), counts.Of("closed", st.Closed), counts.Of("events", st.Events)),
		Lists:   []observe.List{{What: "connection", Grids: []observe.Grid{st.connectionGrid(now)}}},
		Summary: st.summary(name),
	}
	if st.Accepted > 0 {
		v.Details = slices.Insert(v.Details, 0, "accepted "+human.Count(st.Accepted))
	}
	return v
}

func (st Status) summary(name string) string {
	said := []string{
		name + " stopped: " + human.Counted(st.Accepted, "connection") + ", at most " + human.Count(uint64(max(st.PeakActive, 0))) + " at once, " +
			human.Bytes(st.Traffic.BytesIn) + " in, " + human.Bytes(st.Traffic.BytesOut) + " out",
	}
	said = append(said, counts.Phrases(counts.Of("refused", st.Refused), counts.Of("ended", st.Closed), counts.Of("also", st.Events))...)
	return strings.Join(said, "; ")
}

// connectionGrid has a column for threads if there are any.
func (st Status) connectionGrid(now time.Time) observe.Grid {
	const threadAt = 2
	threads := slices.ContainsFunc(st.Connections, func(c Connection) bool { return c.Thread != 0 })
	g := observe.Grid{Headings: []string{">ID", "PEER", ">AGE", ">IDLE", ">IN/MESSAGES", ">OUT/MESSAGES", "NAME"}}
	if threads {
		g.Headings = slices.Insert(g.Headings, threadAt, ">THREAD")
	}
	for _, c := range st.Connections {
		row := []string{
			strconv.FormatUint(c.ID, 10), c.Peer, counts.Ago(c.Since, now), human.Duration(time.Duration(c.Idle) * time.Microsecond),
			human.Bytes(c.BytesIn) + "/" + human.Count(c.MessagesIn), human.Bytes(c.BytesOut) + "/" + human.Count(c.MessagesOut), c.Name,
		}
		if threads {
			row = slices.Insert(row, threadAt, strconv.Itoa(c.Thread))
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}
