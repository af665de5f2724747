package server

import (
	"maps"
	"slices"
	"strings"
	"time"

	"wirelab/internal/human"
	"wirelab/observe"
)

// Kinds are the kinds of sections that the servers here have in a status.
func Kinds() []observe.Kind {
	return []observe.Kind{observe.KindOf[TCPStatus]("tcp"), observe.KindOf[UDPStatus]("udp")}
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

// namedCounts are counts by name, with what they count.
type namedCounts struct {
	what   string
	counts map[string]uint64
}

// phrases returns "refused 12 (denied 10, max_conns 2)" for each that has counted
// something.
func phrases(all ...namedCounts) []string {
	var said []string
	for _, c := range all {
		if text := countsText(c.counts); text != "" {
			said = append(said, c.what+" "+text)
		}
	}
	return said
}

// countsText writes "12 (denied 10, max_conns 2)", or nothing if all are zero.
func countsText(counts map[string]uint64) string {
	var sum uint64
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[name]; n > 0 {
			sum += n
			parts = append(parts, name+" "+human.Count(n))
		}
	}
	if sum == 0 {
		return ""
	}
	return human.Count(sum) + " (" + strings.Join(parts, ", ") + ")"
}

// columns returns what the servers here have in the table of all sections.
func columns(handler, engine string, active, peak int, traffic Traffic) []observe.Column {
	return []observe.Column{
		{Name: "HANDLER", Text: handler},
		{Name: "ENGINE", Text: engine},
		{Name: "ACTIVE", Text: human.Count(uint64(max(active, 0))), Number: true},
		{Name: "PEAK", Text: human.Count(uint64(max(active, peak, 0))), Number: true},
		{Name: "IN", Text: human.Bytes(traffic.BytesIn), Number: true},
		{Name: "OUT", Text: human.Bytes(traffic.BytesOut), Number: true},
	}
}

// ago writes how long ago at was; a clock that was set back makes it nothing.
func ago(at, now time.Time) string { return human.Duration(max(now.Sub(at), 0)) }
