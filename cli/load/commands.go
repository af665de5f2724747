// Package load has the command that measures servers with many clients: load.
package load

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/load"
	"wirelab/load/engines"
	"wirelab/load/oneway"
	"wirelab/load/throughput"
	"wirelab/report"
)

// An app is the console that the commands here use.
type app struct{ *term.Console }

// Commands returns the commands of this package.
func Commands(c *term.Console) []*cobra.Command {
	a := &app{c}
	return []*cobra.Command{a.newLoadCommand()}
}

// Kinds returns the reports that these commands save, with what prints them.
func Kinds(c *term.Console) []term.SavedKind {
	a := &app{c}
	printers := map[string]func(json.RawMessage) (func() error, error){
		load.ReportSchema: printerAs(a.printLoad),
		throughput.Schema: printerAs(a.printThroughput),
		oneway.Schema:     printerAs(a.printFastLoad),
		engines.Schema:    printerAs(a.printEngines),
	}
	var kinds []term.SavedKind
	for _, k := range []report.Kind{load.Kind(), oneway.Kind(), throughput.Kind(), engines.Kind()} {
		kinds = append(kinds, term.SavedKind{Kind: k, Printer: printers[k.Schema]})
	}
	return kinds
}

// printerAs makes of what prints a report what prints a saved one.
func printerAs[R any](print func(*R) error) func(json.RawMessage) (func() error, error) {
	return func(saved json.RawMessage) (func() error, error) {
		r := new(R)
		if err := json.Unmarshal(saved, r); err != nil {
			return nil, fmt.Errorf("%w: %w", report.ErrReport, err)
		}
		return func() error { return print(r) }, nil
	}
}
