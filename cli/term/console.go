// Package term is the toolkit of the command line: the [Console] that every command
// reads from and prints to, tables, units, colours, progress, escaping, and the errors
// that become exit statuses.
//
// A package of commands has one function, Commands(c *term.Console) []*cobra.Command,
// and is listed in one table in package cli. A command prints its result to c.Stdout, as
// JSON if c.JSON, and everything else with [Console.Note]. It returns its error: one of
// [Usagef] ends the program with status 2, one of [FailedCheck] with 1, what the machine
// does not support or permit with 3, and a cancelled context with 130.
package term

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"wirelab/cli/config"
	"wirelab/internal/setting"
	"wirelab/observe"
)

// A Console is where one run of the command line reads and writes, and what the
// flags of every command have set. Results go to Stdout, everything else to Stderr.
type Console struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Environ        []string // as os.Environ returns it
	Args           []string // without the program's name

	JSON       bool           // results are for programs (-o json)
	Verbose    bool           // show each log message, with function and line
	Contents   bool           // and the bytes that pass
	ConfigPath string         // --config; "": not given
	Choices    config.Choices // what may be chosen for keys that name something in a table

	Sections []setting.Section // of the configuration, that other packages own
}

// EventSchema names the form of what servers and logs print line by line with -o json:
// an event, and what belongs to it.
const EventSchema = "wirelab.event/1"

// PrintJSON prints a result to stdout.
func (c *Console) PrintJSON(v any) error {
	e := json.NewEncoder(c.Stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// PrintEvent prints one of a series of results to stdout, as one line.
func (c *Console) PrintEvent(v any) error {
	e := json.NewEncoder(c.Stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Note prints a line for people to stderr.
func (c *Console) Note(format string, args ...any) {
	fmt.Fprintf(c.Stderr, format+"\n", args...)
}

// Complain prints to stderr, in one line, what went wrong.
func (c *Console) Complain(message string) {
	fmt.Fprintln(c.Stderr, c.Colors(c.Stderr).Red("wirelab:"), OneLine(message))
}

// OneLine makes one line of s that cannot drive a terminal.
func OneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// OpenLogs starts logging as cfg says, with warnings on stderr, and with
// --verbose everything. The caller closes it.
func (c *Console) OpenLogs(cfg *config.Config) *observe.Logs { return c.openLogs(cfg.Logs) }

// OpenClientLogs is OpenLogs for what a person runs here and there: it leaves no files
// unless the configuration or a flag says where.
func (c *Console) OpenClientLogs(cfg *config.Config) *observe.Logs {
	l := cfg.Logs
	if cfg.Origin("logs.dir") == "default" {
		l.Dir = ""
	}
	return c.openLogs(l)
}

func (c *Console) openLogs(l config.Logs) *observe.Logs {
	return observe.OpenLogs(observe.LogConfig{
		Dir: l.Dir, Level: l.Level, MaxSize: l.MaxSize, Keep: l.Keep, MaxAge: l.MaxAge,
		Terminal: c.Stderr, Color: c.Colors(c.Stderr).on, Verbose: c.Verbose, Contents: c.Contents,
	})
}
