package look

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"wirelab/cli/term"
	"wirelab/observe"
)

// Report is what `wirelab ps -o json` prints.
type Report struct {
	Schema    string           `json:"schema"` // "wirelab.ps/1"
	Processes []observe.Status `json:"processes"`
	Silent    []silent         `json:"silent,omitempty"` // those that live and do not answer
}

// printProcesses prints the processes: as JSON all that they said, else as tables. It
// fails if one does not answer.
func (a *app) printProcesses(processes []process, quiet []silent, flags psFlags) error {
	report := Report{Schema: "wirelab.ps/1", Processes: []observe.Status{}, Silent: quiet}
	for _, p := range processes {
		report.Processes = append(report.Processes, p.status)
	}
	if err := a.printReport(report, flags); err != nil {
		return err
	}
	if len(quiet) > 0 {
		return quiet[0].failure()
	}
	return nil
}

func (a *app) printReport(report Report, flags psFlags) error {
	if a.JSON {
		return a.PrintJSON(report)
	}
	if len(report.Processes)+len(report.Silent) == 0 {
		_, err := fmt.Fprintln(a.Stdout, "No wirelab is running. Start one: wirelab up")
		return err
	}
	var b bytes.Buffer
	t := Text{
		out: &b, width: term.Room(a.Stdout), palette: a.Colors(a.Stdout), now: time.Now(),
		rows: flags.rows(defaultRows), rest: "see --all",
	}
	t.print(report)
	if height := term.Height(a.Stdout); height > 0 && flags.fit {
		t.shrink(&b, report, flags, height-1) // a line for the prompt
	}
	_, err := a.Stdout.Write(b.Bytes())
	return err
}

// defaultRows is how many connections and peers of a server are shown, leastRows how many
// even where the terminal has too few lines.
const (
	defaultRows = 20
	leastRows   = 2
)

// shrink prints into b again with fewer rows, until all fits into so many lines.
func (t *Text) shrink(b *bytes.Buffer, report Report, flags psFlags, lines int) {
	for rows := defaultRows - 1; rows >= leastRows && bytes.Count(b.Bytes(), []byte("\n")) > lines; rows-- {
		b.Reset()
		t.rows = flags.rows(rows)
		t.print(report)
	}
}

// A Text prints sections of processes for people. It keeps the first error.
type Text struct {
	out     io.Writer
	width   int // 0: no limit
	palette term.Palette
	now     time.Time
	rows    func(what string) int // of a list; negative: all
	rest    string                // where the rows are that are not shown
	err     error
}

// NewText returns a Text that prints to c's stdout the first rows of a list; rest says
// where the others are.
func NewText(c *term.Console, rows int, rest string) *Text {
	return &Text{
		out: c.Stdout, width: term.Room(c.Stdout), palette: c.Colors(c.Stdout), now: time.Now(),
		rows: func(string) int { return rows }, rest: rest,
	}
}

// Err returns the first error of printing.
func (t *Text) Err() error { return t.err }

// A shown section is one with what is to be seen of it.
type shown struct {
	pid  int
	name string
	view observe.View
}

func (s shown) title() string { return fmt.Sprintf("%s of %d", s.name, s.pid) }

// print prints the processes, then their sections in one table, then what they have
// many of, kind by kind.
func (t *Text) print(report Report) {
	t.processTable(report)
	var sections []shown
	var whats []string
	for _, p := range report.Processes {
		for _, s := range p.Sections {
			v := s.Body.View(s.Name, t.now)
			sections = append(sections, shown{p.PID, s.Name, v})
			for _, l := range v.Lists {
				if !slices.Contains(whats, l.What) {
					whats = append(whats, l.What)
				}
			}
		}
	}
	t.sectionTable(sections)
	for _, s := range sections {
		if len(s.view.Details) > 0 {
			t.Line("%s: %s", s.title(), strings.Join(s.view.Details, "; "))
		}
	}
	for _, what := range whats {
		for _, s := range sections {
			for _, l := range s.view.Lists {
				if l.What == what {
					t.List(s.title(), l)
				}
			}
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

func (t *Text) processTable(report Report) {
	tab := term.NewTable(">PID", "SINCE", ">UP", ">LOG LINES", ">LOST", "COMMAND")
	for _, p := range report.Processes {
		tab.Row(p.PID, p.Since.Local().Format("15:04:05"), term.Duration(max(t.now.Sub(p.Since), 0)),
			term.Count(p.Logs.Lines), term.Count(p.Logs.LostLines), p.Command)
	}
	for _, s := range report.Silent {
		tab.Row(s.pid(), "-", "-", "-", "-", strings.TrimSpace("does not answer "+s.State))
	}
	t.table(tab)
}

// sectionTable has a column for each name that a section has one of.
func (t *Text) sectionTable(sections []shown) {
	if len(sections) == 0 {
		return
	}
	headings, names := []string{">PID", "SERVER"}, []string{}
	for _, s := range sections {
		for _, c := range s.view.Columns {
			if slices.Contains(names, c.Name) {
				continue
			}
			names = append(names, c.Name)
			if c.Number {
				headings = append(headings, ">"+c.Name)
			} else {
				headings = append(headings, c.Name)
			}
		}
	}
	tab := term.NewTable(headings...)
	tab.Keys = 2
	for _, s := range sections {
		cells := []any{s.pid, s.name}
		for _, name := range names {
			cells = append(cells, s.column(name))
		}
		tab.Row(cells...)
	}
	t.Line("")
	t.table(tab)
}

// pid returns the id as it is shown.
func (s silent) pid() string {
	if s.PID == 0 {
		return "-"
	}
	return strconv.Itoa(s.PID)
}

// column returns what the section has in the column of that name.
func (s shown) column(name string) string {
	for _, c := range s.view.Columns {
		if c.Name == name {
			return c.Text
		}
	}
	return "-"
}

// List prints the first rows of a list, under a heading that begins with title. It
// prints nothing of one that has none.
func (t *Text) List(title string, l observe.List) {
	all := l.Len()
	if all == 0 {
		return
	}
	most := t.rows(l.What)
	if most < 0 || most > all {
		most = all
	}
	heading := fmt.Sprintf("%s: %s", title, term.Counted(uint64(all), l.What))
	if most < all {
		heading += fmt.Sprintf(", %s not shown (%s)", term.Count(uint64(all-most)), t.rest)
	}
	for _, g := range l.Grids {
		tab := term.NewTable(g.Headings...)
		for _, row := range g.Rows[:min(most, len(g.Rows))] {
			if row != nil {
				tab.Row(cells(row)...)
			}
		}
		if heading == "" && tab.Empty() {
			continue
		}
		t.Line("")
		if heading != "" {
			t.Line("%s", heading)
			heading = ""
		}
		if !tab.Empty() {
			t.table(tab)
		}
	}
}

func cells(row []string) []any {
	all := make([]any, len(row))
	for i, cell := range row {
		all[i] = cell
	}
	return all
}
