package look

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"wirelab/cli/term"
	"wirelab/observe"
)

// Report is what `wirelab ps -o json` prints.
type Report struct {
	Schema    string           `json:"schema"` // "wirelab.ps/1"
	Processes []observe.Status `json:"processes"`
}

// printProcesses prints the processes: as JSON all that they said, else as tables.
func (a *app) printProcesses(processes []process, flags psFlags) error {
	report := Report{Schema: "wirelab.ps/1", Processes: []observe.Status{}}
	for _, p := range processes {
		report.Processes = append(report.Processes, p.status)
	}
	if a.JSON {
		return a.PrintJSON(report)
	}
	if len(processes) == 0 {
		_, err := fmt.Fprintln(a.Stdout, "No wirelab is running. Start one: wirelab up")
		return err
	}
	t := Text{
		out: a.Stdout, width: term.Room(a.Stdout), palette: a.Colors(a.Stdout), now: time.Now(),
		connections: flags.connections, peers: flags.peers, all: flags.all, rest: "see --all",
	}
	t.print(report.Processes)
	return t.err
}

// A Text prints the state of processes for people: servers, then connections,
// then peers. It keeps the first error.
type Text struct {
	out                io.Writer
	width              int // 0: no limit
	palette            term.Palette
	now                time.Time
	connections, peers int // rows of each server
	all                bool
	rest               string // where the rows are that are not shown
	err                error
}

// NewText returns a Text that prints to c's stdout, of each server the connections and
// peers that most allows; rest says where the others are.
func NewText(c *term.Console, most int, rest string) *Text {
	return &Text{
		out: c.Stdout, width: term.Room(c.Stdout), palette: c.Colors(c.Stdout), now: time.Now(),
		connections: most, peers: most, rest: rest,
	}
}

// Err returns the first error of printing.
func (t *Text) Err() error { return t.err }

func (t *Text) print(processes []observe.Status) {
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
			t.Peers(p, s)
		}
	}
}

// Line prints a line.
func (t *Text) Line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintln(t.out, term.OneLine(fmt.Sprintf(format, args...)))
	}
}

func (t *Text) table(tab *term.Table) {
	if t.err == nil {
		t.err = tab.Write(t.out, t.width, t.palette)
	}
}

func (t *Text) processTable(processes []observe.Status) {
	tab := term.NewTable(">PID", "SINCE", ">UP", ">LOG LINES", ">LOST", "COMMAND")
	for _, p := range processes {
		tab.Row(p.PID, p.Since.Local().Format("15:04:05"), t.since(p.Since), term.Count(p.Logs.Lines), term.Count(p.Logs.LostLines), p.Command)
	}
	t.table(tab)
}

func (t *Text) serverTable(processes []observe.Status) {
	tab := term.NewTable(">PID", "SERVER", "HANDLER", "ENGINE", ">ACTIVE", ">PEAK", ">IN", ">OUT")
	tab.Keys = 2
	for _, p := range processes {
		for _, s := range p.Servers {
			handler := s.Handler
			if s.TLS {
				handler += ", TLS"
			}
			tab.Row(p.PID, s.Network+" "+s.Addr, handler, cmp.Or(s.Engine, "-"), term.Count(uint64(s.Active)),
				term.Count(uint64(max(s.PeakActive, s.Active))), term.Bytes(s.Traffic.BytesIn), term.Bytes(s.Traffic.BytesOut))
		}
	}
	if !tab.Empty() {
		t.Line("")
		t.table(tab)
	}
}

// serverDetails says what a server counted beside its traffic, if anything.
func (t *Text) serverDetails(p observe.Status, s observe.Server) {
	var said []string
	if s.Accepted > 0 {
		said = append(said, "accepted "+term.Count(s.Accepted))
	}
	for _, c := range []struct {
		what   string
		counts map[string]uint64
	}{{"refused", s.Refused}, {"closed", s.Closed}, {"events", s.Events}} {
		if text := CountsText(c.counts); text != "" {
			said = append(said, c.what+" "+text)
		}
	}
	if s.StampSource != "" {
		said = append(said, "stamps from "+s.StampSource)
	}
	if text := BatchesText(s.Batches); text != "" {
		said = append(said, text)
	}
	if len(said) > 0 {
		t.Line("%s: %s", title(p, s), strings.Join(said, "; "))
	}
}

// BatchesText says how many datagrams were moved at a time, or nothing if none were.
func BatchesText(b *observe.Batches) string {
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

// CountsText writes "12 (denied 10, max_conns 2)", or nothing if all are zero.
func CountsText(counts map[string]uint64) string {
	var sum uint64
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[name]; n > 0 {
			sum += n
			parts = append(parts, name+" "+term.Count(n))
		}
	}
	if sum == 0 {
		return ""
	}
	return term.Count(sum) + " (" + strings.Join(parts, ", ") + ")"
}

func title(p observe.Status, s observe.Server) string {
	return fmt.Sprintf("%s %s of %d", s.Network, s.Addr, p.PID)
}

func (t *Text) connectionTable(p observe.Status, s observe.Server) {
	rows := s.Connections[:t.limit(len(s.Connections), t.connections)]
	if !t.heading(p, s, "connections", len(rows), len(s.Connections)) {
		return
	}
	threads := slices.ContainsFunc(rows, func(c observe.Connection) bool { return c.Thread != 0 })
	headings := []string{">ID", "PEER", ">AGE", ">IDLE", ">IN/MESSAGES", ">OUT/MESSAGES", "NAME"}
	if threads {
		headings = slices.Insert(headings, 2, ">THREAD")
	}
	tab := term.NewTable(headings...)
	for _, c := range rows {
		cells := []any{
			c.ID, c.Peer, t.since(c.Since), term.Duration(time.Duration(c.Idle) * time.Microsecond),
			term.Bytes(c.BytesIn) + "/" + term.Count(c.MessagesIn), term.Bytes(c.BytesOut) + "/" + term.Count(c.MessagesOut), c.Name,
		}
		if threads {
			cells = slices.Insert(cells, 2, any(c.Thread))
		}
		tab.Row(cells...)
	}
	t.table(tab)
}

// Peers prints the peers of s in two tables, because one would be too wide for a terminal.
func (t *Text) Peers(p observe.Status, s observe.Server) {
	rows := s.Peers[:t.limit(len(s.Peers), t.peers)]
	if !t.heading(p, s, "peers", len(rows), len(s.Peers)) {
		return
	}
	traffic := trafficTable(rows, t.since)
	differences := term.NewTable("PEER", ">DIFFERENCE MIN", ">MEDIAN", ">P99", ">LAST", ">OF")
	for _, r := range rows {
		if d := r.Diff; d != nil {
			differences.Row(r.Peer, term.Micros(d.Min), term.Micros(d.Median), term.Micros(d.P99), term.Micros(d.Last), term.Count(uint64(max(d.Window, 0))))
		}
	}
	t.table(traffic)
	if !differences.Empty() {
		t.Line("")
		t.table(differences)
	}
}

// trafficTable shows what came from peers. Without any that sends timestamps there is
// no jitter, and its room is left to the figures that there are.
func trafficTable(peers []observe.Peer, since func(time.Time) string) *term.Table {
	headings := []string{"PEER", ">PACKETS", ">BYTES", ">LOST", ">REORD", ">DUP", ">FIRST", ">LAST SEEN"}
	const jitterAt = 6
	stamped := slices.ContainsFunc(peers, func(p observe.Peer) bool { return p.Diff != nil })
	if stamped {
		headings = slices.Insert(headings, jitterAt, ">JITTER")
	}
	tab := term.NewTable(headings...)
	for _, p := range peers {
		cells := []any{
			p.Peer, term.Count(p.Packets), term.Bytes(p.Bytes), term.Count(p.Lost), term.Count(p.Reordered), term.Count(p.Duplicate),
			since(p.FirstSeen), since(p.LastSeen),
		}
		if stamped {
			cells = slices.Insert(cells, jitterAt, any(jitterText(p)))
		}
		tab.Row(cells...)
	}
	return tab
}

func jitterText(p observe.Peer) string {
	if p.Diff == nil {
		return "-"
	}
	return term.Micros(p.JitterUS)
}

// limit returns how many of n rows to show.
func (t *Text) limit(n, most int) int {
	if t.all {
		return n
	}
	return min(n, most)
}

// heading announces the rows of a server, and reports whether there are any.
func (t *Text) heading(p observe.Status, s observe.Server, what string, shown, all int) bool {
	if all == 0 {
		return false
	}
	t.Line("")
	text := fmt.Sprintf("%s: %s %s", title(p, s), term.Count(uint64(all)), what)
	if all == 1 {
		text = strings.TrimSuffix(text, "s")
	}
	if shown < all {
		text += fmt.Sprintf(", %s not shown (%s)", term.Count(uint64(all-shown)), t.rest)
	}
	t.Line("%s", text)
	return shown > 0
}

// since says how long ago at was; a clock that was set back makes it nothing.
func (t *Text) since(at time.Time) string {
	return term.Duration(max(t.now.Sub(at), 0))
}
