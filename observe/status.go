package observe

import "time"

// StatusSchema names the form of a Status in JSON.
const StatusSchema = "wirelab.status/1"

// Status is the state of one wirelab process, as `wirelab ps -o json` shows
// it. It is a snapshot: counters of one server agree with each other only as far
// as a running server allows.
type Status struct {
	Schema  string    `json:"schema"` // StatusSchema
	PID     int       `json:"pid"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
	Logs    LogStatus `json:"logs"`
	Servers []Server  `json:"servers"`
}

// LogStatus says what became of the log lines of a process.
type LogStatus struct {
	Dir       string `json:"dir,omitempty"` // empty: no log files
	Lines     uint64 `json:"lines"`
	LostLines uint64 `json:"lost_lines"`
}

// Server is one listening server of a process.
type Server struct {
	Network     string            `json:"network"` // "tcp", "udp"
	Addr        string            `json:"addr"`
	Engine      string            `json:"engine,omitempty"` // TCP only
	Handler     string            `json:"handler"`
	TLS         bool              `json:"tls,omitempty"`
	Since       time.Time         `json:"since"`
	Accepted    uint64            `json:"accepted,omitempty"`    // TCP: connections admitted
	Refused     map[string]uint64 `json:"refused,omitempty"`     // by reason
	Closed      map[string]uint64 `json:"closed,omitempty"`      // TCP: by reason
	Active      int               `json:"active"`                // open connections, or known peers
	PeakActive  int               `json:"peak_active,omitempty"` // the most at one time
	Traffic     Traffic           `json:"traffic"`               // all connections ever, or all peers ever
	Events      map[string]uint64 `json:"events,omitempty"`      // what else was counted, by name
	StampSource string            `json:"stamp_source,omitempty"`
	Workers     int               `json:"workers,omitempty"`     // UDP: sockets that share the port
	Batches     *Batches          `json:"batches,omitempty"`     // UDP
	Connections []Connection      `json:"connections,omitempty"` // TCP, by id
	Peers       []Peer            `json:"peers,omitempty"`       // UDP, latest first
}

// Traffic counts payload. A TCP message is one read or one write; a UDP
// message is a datagram.
type Traffic struct {
	BytesIn     uint64 `json:"bytes_in"`
	BytesOut    uint64 `json:"bytes_out"`
	MessagesIn  uint64 `json:"messages_in"`
	MessagesOut uint64 `json:"messages_out"`
}

// Add adds o to t.
func (t *Traffic) Add(o Traffic) {
	t.BytesIn += o.BytesIn
	t.BytesOut += o.BytesOut
	t.MessagesIn += o.MessagesIn
	t.MessagesOut += o.MessagesOut
}

// Batches says how many datagrams a UDP server moves at a time.
type Batches struct {
	GRO               bool    `json:"gro"`                 // the kernel may hand over a run of one peer's datagrams as one
	GSO               bool    `json:"gso"`                 // answers to a run leave as one
	Reads             uint64  `json:"reads"`               // system calls that brought datagrams
	DatagramsPerRead  float64 `json:"datagrams_per_read"`  // each counted by itself
	SegmentsPerRun    float64 `json:"segments_per_run"`    // datagrams that came as one; 1 without GRO
	Writes            uint64  `json:"writes"`              // system calls that sent answers
	DatagramsPerWrite float64 `json:"datagrams_per_write"` // each counted by itself
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
	Traffic
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

// Source is a server that can be looked at and whose connections can be ended
// while it runs. Both methods may be called from any goroutine.
type Source interface {
	// Status returns a snapshot. Its slices and maps belong to the caller.
	Status() Server
	// Kick ends the connection with that id and reports whether there was one.
	Kick(id uint64) bool
}
