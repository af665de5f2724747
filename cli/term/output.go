package term

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// descriptor is what *os.File has and a buffer has not.
type descriptor interface{ Fd() uintptr }

// IsTerminal reports whether stream (an io.Reader or io.Writer) is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(descriptor)
	return ok && term.IsTerminal(int(f.Fd()))
}

// defaultWidth is the width in columns of what is no terminal.
const defaultWidth = 80

// Width returns the number of columns of w: those of the terminal, or 80.
func Width(w io.Writer) int {
	if f, ok := w.(descriptor); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return columns
		}
	}
	return defaultWidth
}

// Room returns how wide a table on w may be: as its terminal, or, where there is none,
// as it likes (0). A file and another program have room for all of it.
func Room(w io.Writer) int {
	if !IsTerminal(w) {
		return 0
	}
	return Width(w)
}

// Height returns how many lines w shows at once; 0 where it is no terminal.
func Height(w io.Writer) int {
	if f, ok := w.(descriptor); ok && IsTerminal(w) {
		if _, lines, err := term.GetSize(int(f.Fd())); err == nil {
			return lines
		}
	}
	return 0
}

// Fitted returns a line of text as w has room for it.
func Fitted(line string, w io.Writer) string {
	if most := Room(w); most > 0 {
		return Cut(line, most)
	}
	return line
}

// A Palette colours text, or leaves it as it is.
type Palette struct{ on bool }

// On reports whether p colours text.
func (p Palette) On() bool { return p.on }

// Colors returns the palette for w: colours only on a terminal that has them, and
// none when NO_COLOR is set (no-color.org).
func (c *Console) Colors(w io.Writer) Palette {
	return Palette{on: c.Getenv("NO_COLOR") == "" && c.Getenv("TERM") != "dumb" && IsTerminal(w)}
}

func (p Palette) paint(sgr, s string) string {
	if !p.on {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

// Bold, Dim, Red and Green return s in that style.
func (p Palette) Bold(s string) string  { return p.paint("1", s) }
func (p Palette) Dim(s string) string   { return p.paint("2", s) }
func (p Palette) Red(s string) string   { return p.paint("31", s) }
func (p Palette) Green(s string) string { return p.paint("32", s) }

// Yellow, Blue, Magenta and Cyan return s in that colour.
func (p Palette) Yellow(s string) string  { return p.paint("33", s) }
func (p Palette) Blue(s string) string    { return p.paint("34", s) }
func (p Palette) Magenta(s string) string { return p.paint("35", s) }
func (p Palette) Cyan(s string) string    { return p.paint("36", s) }

// WriteReport writes how a load went, good or not, and then its figures, each line
// with its name.
func WriteReport(b *strings.Builder, p Palette, head string, good bool, lines [][2]string) {
	if good {
		head = p.Green(head)
	} else {
		head = p.Red(head)
	}
	b.WriteString(head + "\n\n")
	for _, line := range lines {
		fmt.Fprintf(b, "%-11s %s\n", line[0], line[1])
	}
}

// OutliveReaders lets the process go on when whoever reads what it prints has gone
// away, as tee does at a Ctrl-C that reaches both. Else SIGPIPE would end it at its
// next line, and leave its ready file or the draft of a report behind.
//
// It lasts until the process ends, for the last complaint too. The signal is taken and
// not ignored, because programs that this one starts would inherit that.
func OutliveReaders() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// UnlessGone returns the error of printing, and nil if all that is wrong is that the
// reader has gone away.
func UnlessGone(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}
