package server

// Reason says why a connection ended or was refused. Reasons are counted by
// name in the server's status.
type Reason uint32

// Why a connection ended.
const (
	NotEnded       Reason = iota // nor refused
	ReasonPeer                   // the peer ended it
	ReasonFinished               // the handler had no more to say
	ReasonReset                  // the peer reset it, or the network lost it
	ReasonTooLong                // the handler could not use what fills the buffer
	ReasonTooSlow                // the peer did not take what others sent it
	ReasonIdle                   // silent for longer than the idle timeout
	ReasonKicked                 // ended by Kick
	ReasonDrained                // the server stopped, and it had its answers
	ReasonDeadline               // the server stopped, and it had not within the drain timeout
	ReasonTLS                    // no TLS handshake
)

// Why a connection was refused.
const (
	RefusedDenied     Reason = iota + 100 // a deny rule names its address
	RefusedNotAllowed                     // no allow rule names its address
	RefusedMaxConns                       // as many connections as allowed
	RefusedMaxPerIP                       // as many from this address as allowed
	RefusedStopping                       // the server is stopping
)

var reasonNames = map[Reason]string{
	ReasonPeer: "peer_closed", ReasonFinished: "finished", ReasonReset: "reset", ReasonTooLong: "input_too_long",
	ReasonTooSlow: "too_slow", ReasonIdle: "idle", ReasonKicked: "kicked", ReasonDrained: "drained",
	ReasonDeadline: "drain_timeout", ReasonTLS: "tls_handshake",
	RefusedDenied: "denied", RefusedNotAllowed: "not_allowed", RefusedMaxConns: "max_conns",
	RefusedMaxPerIP: "max_per_ip", RefusedStopping: "stopping",
}

func (r Reason) String() string { return reasonNames[r] }

// ReasonCounts counts connections, or datagrams, by the reason of their end or refusal.
type ReasonCounts map[Reason]uint64

// ByName returns a copy with the names of the reasons.
func (c ReasonCounts) ByName() map[string]uint64 {
	named := make(map[string]uint64, len(c))
	for why, n := range c {
		named[why.String()] = n
	}
	return named
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
