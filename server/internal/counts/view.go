package counts

import (
	"maps"
	"slices"
	"strings"
	"time"

	"wirelab/internal/human"
	"wirelab/observe"
	"wirelab/server"
)

// Named is counts by name, with what they count.
type Named struct {
	what   string
	counts map[string]uint64
}

// Of returns the counts of what is named there.
func Of(what string, counts map[string]uint64) Named { return Named{what, counts} }

// Phrases returns "refused 12 (denied 10, max_conns 2)" for each that has counted
// something.
func Phrases(all ...Named) []string {
	var said []string
	for _, c := range all {
		if text := sumText(c.counts); text != "" {
			said = append(said, c.what+" "+text)
		}
	}
	return said
}

// sumText writes "12 (denied 10, max_conns 2)", or nothing if all are zero.
func sumText(counts map[string]uint64) string {
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

// Columns returns what the servers here have in the table of all sections.
func Columns(handler, engine string, active, peak int, traffic server.Traffic) []observe.Column {
	return []observe.Column{
		{Name: "HANDLER", Text: handler},
		{Name: "ENGINE", Text: engine},
		{Name: "ACTIVE", Text: human.Count(uint64(max(active, 0))), Number: true},
		{Name: "PEAK", Text: human.Count(uint64(max(active, peak, 0))), Number: true},
		{Name: "IN", Text: human.Bytes(traffic.BytesIn), Number: true},
		{Name: "OUT", Text: human.Bytes(traffic.BytesOut), Number: true},
	}
}

// Ago writes how long ago at was; a clock that was set back makes it nothing.
func Ago(at, now time.Time) string { return human.Duration(max(now.Sub(at), 0)) }
