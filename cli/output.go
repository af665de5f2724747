package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"golang.org/x/term"
)

// An outputFormat is the value of --output.
type outputFormat struct{ json bool }

func (f *outputFormat) Type() string { return "format" }

func (f *outputFormat) String() string {
	if f.json {
		return "json"
	}
	return "text"
}

func (f *outputFormat) Set(s string) error {
	if s != "text" && s != "json" {
		return fmt.Errorf("formats are text and json")
	}
	f.json = s == "json"
	return nil
}

// json reports whether results are for programs (-o json).
func (a *app) json() bool { return a.output.json }

// printJSON prints a result to stdout.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printEvent prints one of a series of results to stdout, as one line.
func (a *app) printEvent(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// note prints a line for people to stderr.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.stderr, format+"\n", args...)
}

// descriptor is what *os.File has and a buffer has not.
type descriptor interface{ Fd() uintptr }

// isTerminal reports whether stream (an io.Reader or io.Writer) is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(descriptor)
	return ok && term.IsTerminal(int(f.Fd()))
}

// defaultWidth is the width in columns of what is no terminal.
const defaultWidth = 80

// width returns the number of columns of w: those of the terminal, or 80.
func width(w io.Writer) int {
	if f, ok := w.(descriptor); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return columns
		}
	}
	return defaultWidth
}

// room returns how wide a table on w may be: as its terminal, or, where there is none,
// as it likes (0). A file and another program have room for all of it.
func room(w io.Writer) int {
	if !isTerminal(w) {
		return 0
	}
	return width(w)
}

// fitted returns a line of text as w has room for it.
func fitted(line string, w io.Writer) string {
	if most := room(w); most > 0 {
		return cut(line, most)
	}
	return line
}

// A palette colours text, or leaves it as it is.
type palette struct{ on bool }

// colors returns the palette for w: colours only on a terminal that has them, and
// none when NO_COLOR is set (no-color.org).
func (a *app) colors(w io.Writer) palette {
	return palette{on: a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb" && isTerminal(w)}
}

func (p palette) paint(sgr, s string) string {
	if !p.on {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

func (p palette) bold(s string) string  { return p.paint("1", s) }
func (p palette) dim(s string) string   { return p.paint("2", s) }
func (p palette) red(s string) string   { return p.paint("31", s) }
func (p palette) green(s string) string { return p.paint("32", s) }
