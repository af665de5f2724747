package packet

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"wirelab/internal/setting"
	"wirelab/internal/spell"
)

// A mistake is wrong at an offset of the text that was being read.
type mistake struct {
	at, width int
	problem   string
}

func (m *mistake) Error() string { return m.problem }

// mistakeAt moves a mistake to where the text begins that it was found in.
func mistakeAt(err error, at int) error {
	var m *mistake
	if !errors.As(err, &m) {
		return err
	}
	return &mistake{m.at + at, m.width, m.problem}
}

// wrongIf returns a mistake about text if there is an err.
func wrongIf(err error, at int, text, problem string) error {
	if err == nil {
		return nil
	}
	return &mistake{at, len(text), problem}
}

// unknown says that a name is none of those known, and which is nearest.
func unknown(name, what string, known []string) error {
	problem := fmt.Sprintf("there is no %s %s", what, setting.Quote(name))
	if near := spell.Nearest(name, known); near != "" {
		return &mistake{0, len(name), fmt.Sprintf("%s; did you mean %s?", problem, near)}
	}
	return &mistake{0, len(name), problem + "; expected is one of " + strings.Join(known, ", ")}
}

// An Error is a mistake in a packet that was written in one line.
type Error struct {
	Line    string // the packet as it was written
	Offset  int    // of what is wrong, in bytes
	Width   int    // of that, in bytes
	Problem string // what is wrong and what is expected there
}

// Error returns one line with the position, counted from 1.
func (e *Error) Error() string {
	return fmt.Sprintf("position %d: %s", e.Offset+1, e.Problem)
}

// Excerpt returns the packet with a caret under what is wrong, as two lines.
func (e *Error) Excerpt() string {
	const most = 70
	line, at := []rune(e.Line), utf8.RuneCountInString(e.Line[:min(e.Offset, len(e.Line))])
	width := max(1, e.Width)
	if len(line) > most {
		first := max(0, min(at-most/2, len(line)-most))
		line, at = line[first:first+most], at-first
	}
	for i, r := range line {
		if !unicode.IsPrint(r) {
			line[i] = ' '
		}
	}
	width = max(1, min(width, len(line)-at))
	return fmt.Sprintf("  %s\n  %*s%s", string(line), at, "", strings.Repeat("^", width))
}
