package setting

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An Error is one thing that is wrong with a configuration.
type Error struct {
	Origin  string // where: "wirelab.yaml:3:9", "WIRELAB_SERVER_PORT", "--port"
	Key     string // of a value in a file, such as "server.port"; else empty
	Problem string // what is wrong and what is allowed
	Place   Place  // in a file; zero: not in a file

	line  string // the offending line of the file
	width int    // of what is wrong in it, in characters
}

// LineError returns an Error about width bytes at an offset of a line that is in no
// file, such as an argument. The origin names the place.
func LineError(origin, line string, offset, width int, problem string) *Error {
	column := utf8.RuneCountInString(within(line, 0, offset)) + 1
	return &Error{
		Origin: origin, Problem: problem, Place: Place{Line: 1, Column: column},
		line: line, width: utf8.RuneCountInString(within(line, offset, offset+width)),
	}
}

// Error returns one line without the excerpt.
func (e *Error) Error() string {
	if e.Key == "" {
		return e.Origin + ": " + e.Problem
	}
	return e.Origin + ": " + e.Key + ": " + e.Problem
}

// Excerpt returns the offending line with a caret under what is wrong, as two
// lines, or "" for what is not in a file.
func (e *Error) Excerpt() string {
	if e.Place.Line == 0 {
		return ""
	}
	text, column := window([]rune(e.line), e.Place.Column)
	width := max(1, min(e.width, len(text)-column+1))
	gutter := strconv.Itoa(e.Place.Line)
	return fmt.Sprintf("  %s | %s\n  %*s | %*s%s", gutter, string(text),
		len(gutter), "", column-1, "", strings.Repeat("^", width))
}

// window cuts what is shown of a long line and moves the column with it. Every
// character of the result takes one place and cannot drive a terminal.
func window(line []rune, column int) ([]rune, int) {
	const most = 70
	column = max(1, min(column, len(line)+1))
	if len(line) > most {
		first := max(0, min(column-most/2, len(line)-most))
		line, column = line[first:first+most], column-first
	}
	shown := make([]rune, len(line))
	for i, r := range line {
		switch {
		case r == '\t':
			r = ' '
		case !unicode.IsPrint(r):
			r = unicode.ReplacementChar
		}
		shown[i] = r
	}
	return shown, column
}

// Errors is all that is wrong with a configuration: at least one Error, those of
// the file first, in its order.
type Errors []*Error

// Error returns the first in one line and how many more there are.
func (e Errors) Error() string {
	if len(e) == 1 {
		return e[0].Error()
	}
	return fmt.Sprintf("%v (and %d more)", e[0], len(e)-1)
}

// Unwrap returns each of them.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// Quote shows what a person wrote, at bounded length and without control
// characters.
func Quote(s string) string {
	const most = 60
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}

// QuoteYAML writes s as a YAML value, without quotes where none are needed.
func QuoteYAML(s string) string {
	plain := s != "" && !strings.ContainsFunc(s, notPlain) && !strings.ContainsRune("-:%", rune(s[0])) &&
		!strings.HasSuffix(s, ":") && !strings.EqualFold(s, "null")
	if plain {
		return s
	}
	return strconv.Quote(s)
}

func notPlain(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._/:%-+", r)
}
