package cli

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"wirelab/observe"
)

// psReport is what `wirelab ps -o json` prints.
type psReport struct {
	Schema    string           `json:"schema"` // "wirelab.ps/1"
	Processes []observe.Status `json:"processes"`
}

// printProcesses prints the processes: as JSON all that they said, else as tables.
func (a *app) printProcesses(processes []process, flags psFlags) error {
	report := psReport{Schema: "wirelab.ps/1", Processes: []observe.Status{}}
	for _, p := range processes {
		report.Processes = append(report.Processes, p.status)
	}
	if a.json() {
		return a.printJSON(report)
	}
	if len(processes) == 0 {
		_, err := fmt.Fprintln(a.stdout, "No wirelab is running. Start one: wirelab up")
		return err
	}
	t := psText{
		out: a.stdout, width: room(a.stdout), palette: a.colors(a.stdout), now: time.Now(),
		connections: flags.connections, peers: flags.peers, all: flags.all, rest: "see --all",
	}
	t.print(report.Processes)
	return t.err
}

// psText prints the state of processes for people: servers, then connections,
// then peers. It keeps the first error.
type psText struct {
	out                io.Writer
	width              int // 0: no limit
	palette            palette
	now                time.Time
	connections, peers int // rows of each server
	all                bool
	rest               string // where the rows are that are not shown
	err                error
}

func (t *psText) print(processes []observe.Status) {
	t.processTable(processes)
	t.serverTable(processes)
	for _, p := range processes {
		for _, s := range p.Servers {
			t.serverDetails(p, s)
		}
	}
	for _, p := range processes {
		for _, s := range p.Servers {
			t.connectionTable(p, s)
		}
	}
	for _, p := range processes {
		for _, s := range p.Servers {
			t.peerTables(p, s)
		}
	}
}

func (t *psText) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintln(t.out, oneLine(fmt.Sprintf(format, args...)))
	}
}

func (t *psText) table(tab *table) {
	if t.err == nil {
		t.err = tab.write(t.out, t.width, t.palette)
	}
}

func (t *psText) processTable(processes []observe.Status) {
	tab := newTable(">PID", "SINCE", ">UP", ">LOG LINES", ">LOST", "COMMAND")
	for _, p := range processes {
		tab.row(p.PID, p.Since.Local().Format("15:04:05"), t.since(p.Since), formatCount(p.Logs.Lines), formatCount(p.Logs.LostLines), p.Command)
	}
	t.table(tab)
}

func (t *psText) serverTable(processes []observe.Status) {
	tab := newTable(">PID", "SERVER", "HANDLER", "ENGINE", ">ACTIVE", ">PEAK", ">IN", ">OUT")
	tab.keys = 2
	for _, p := range processes {
		for _, s := range p.Servers {
			handler := s.Handler
			if s.TLS {
				handler += ", TLS"
			}
			tab.row(p.PID, s.Network+" "+s.Addr, handler, cmp.Or(s.Engine, "-"), formatCount(uint64(s.Active)),
				formatCount(uint64(max(s.PeakActive, s.Active))), formatBytes(s.Traffic.BytesIn), formatBytes(s.Traffic.BytesOut))
		}
	}
	if len(tab.rows) > 0 {
		t.line("")
		t.table(tab)
	}
}

// serverDetails says what a server counted beside its traffic, if anything.
func (t *psText) serverDetails(p observe.Status, s observe.Server) {
	var said []string
	if s.Accepted > 0 {
		said = append(said, "accepted "+formatCount(s.Accepted))
	}
	for _, c := range []struct {
		what   string
		counts map[string]uint64
	}{{"refused", s.Refused}, {"closed", s.Closed}, {"events", s.Events}} {
		if text := countsText(c.counts); text != "" {
			said = append(said, c.what+" "+text)
		}
	}
	if s.StampSource != "" {
		said = append(said, "stamps from "+s.StampSource)
	}
	if text := batchesText(s.Batches); text != "" {
		said = append(said, text)
	}
	if len(said) > 0 {
		t.line("%s: %s", title(p, s), strings.Join(said, "; "))
	}
}

// batchesText says how many datagrams were moved at a time, or nothing if none were.
func batchesText(b *observe.Batches) string {
	if b == nil || b.Reads == 0 {
		return ""
	}
	text := fmt.Sprintf("%.1f datagrams a read", b.DatagramsPerRead)
	if b.GRO {
		text += fmt.Sprintf(" in runs of %.1f", b.SegmentsPerRun)
	}
	if b.Writes > 0 {
		text += fmt.Sprintf(", %.1f a write", b.DatagramsPerWrite)
	}
	return text
}

// countsText writes "12 (denied 10, max_conns 2)", or nothing if all are zero.
func countsText(counts map[string]uint64) string {
	var sum uint64
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[name]; n > 0 {
			sum += n
			parts = append(parts, name+" "+formatCount(n))
		}
	}
	if sum == 0 {
		return ""
	}
	return formatCount(sum) + " (" + strings.Join(parts, ", ") + ")"
}

func title(p observe.Status, s observe.Server) string {
	return fmt.Sprintf("%s %s of %d", s.Network, s.Addr, p.PID)
}

func (t *psText) connectionTable(p observe.Status, s observe.Server) {
	rows := s.Connections[:t.limit(len(s.Connections), t.connections)]
	if !t.heading(p, s, "connections", len(rows), len(s.Connections)) {
		return
	}
	threads := slices.ContainsFunc(rows, func(c observe.Connection) bool { return c.Thread != 0 })
	headings := []string{">ID", "PEER", ">AGE", ">IDLE", ">IN/MESSAGES", ">OUT/MESSAGES", "NAME"}
	if threads {
		headings = slices.Insert(headings, 2, ">THREAD")
	}
	tab := newTable(headings...)
	for _, c := range rows {
		cells := []any{
			c.ID, c.Peer, t.since(c.Since), formatDuration(time.Duration(c.Idle) * time.Microsecond),
			formatBytes(c.BytesIn) + "/" + formatCount(c.MessagesIn), formatBytes(c.BytesOut) + "/" + formatCount(c.MessagesOut), c.Name,
		}
		if threads {
			cells = slices.Insert(cells, 2, any(c.Thread))
		}
		tab.row(cells...)
	}
	t.table(tab)
}

// peerTables prints two tables, because one would be too wide for a terminal.
func (t *psText) peerTables(p observe.Status, s observe.Server) {
	rows := s.Peers[:t.limit(len(s.Peers), t.peers)]
	if !t.heading(p, s, "peers", len(rows), len(s.Peers)) {
		return
	}
	traffic := trafficTable(rows, t.since)
	differences := newTable("PEER", ">DIFFERENCE MIN", ">MEDIAN", ">P99", ">LAST", ">OF")
	for _, r := range rows {
		if d := r.Diff; d != nil {
			differences.row(r.Peer, formatMicros(d.Min), formatMicros(d.Median), formatMicros(d.P99), formatMicros(d.Last), formatCount(uint64(max(d.Window, 0))))
		}
	}
	t.table(traffic)
	if len(differences.rows) > 0 {
		t.line("")
		t.table(differences)
	}
}

// trafficTable shows what came from peers. Without any that sends timestamps there is
// no jitter, and its room is left to the figures that there are.
func trafficTable(peers []observe.Peer, since func(time.Time) string) *table {
	headings := []string{"PEER", ">PACKETS", ">BYTES", ">LOST", ">REORD", ">DUP", ">FIRST", ">LAST SEEN"}
	const jitterAt = 6
	stamped := slices.ContainsFunc(peers, func(p observe.Peer) bool { return p.Diff != nil })
	if stamped {
		headings = slices.Insert(headings, jitterAt, ">JITTER")
	}
	tab := newTable(headings...)
	for _, p := range peers {
		cells := []any{
			p.Peer, formatCount(p.Packets), formatBytes(p.Bytes), formatCount(p.Lost), formatCount(p.Reordered), formatCount(p.Duplicate),
			since(p.FirstSeen), since(p.LastSeen),
		}
		if stamped {
			cells = slices.Insert(cells, jitterAt, any(jitterText(p)))
		}
		tab.row(cells...)
	}
	return tab
}

func jitterText(p observe.Peer) string {
	if p.Diff == nil {
		return "-"
	}
	return formatMicros(p.JitterUS)
}

// limit returns how many of n rows to show.
func (t *psText) limit(n, most int) int {
	if t.all {
		return n
	}
	return min(n, most)
}

// heading announces the rows of a server, and reports whether there are any.
func (t *psText) heading(p observe.Status, s observe.Server, what string, shown, all int) bool {
	if all == 0 {
		return false
	}
	t.line("")
	text := fmt.Sprintf("%s: %s %s", title(p, s), formatCount(uint64(all)), what)
	if all == 1 {
		text = strings.TrimSuffix(text, "s")
	}
	if shown < all {
		text += fmt.Sprintf(", %s not shown (%s)", formatCount(uint64(all-shown)), t.rest)
	}
	t.line("%s", text)
	return shown > 0
}

// since says how long ago at was; a clock that was set back makes it nothing.
func (t *psText) since(at time.Time) string {
	return formatDuration(max(t.now.Sub(at), 0))
}
