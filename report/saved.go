// Package report saves what was measured, with what is needed to judge it later, and
// sets two measurements of one kind against each other, figure by figure. Whoever
// measures describes its reports as a [Kind]; nothing else needs to be known of them,
// since names carry units.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// SavedSchema names the shape of a Saved as JSON.
const SavedSchema = "wirelab.report/1"

// A Saved is a report of any kind with what is needed to judge it later.
type Saved struct {
	Schema  string          `json:"schema"` // SavedSchema
	SavedAt time.Time       `json:"saved_at"`
	Command string          `json:"command"` // the command line
	Machine Machine         `json:"machine"` // that ran it
	Report  json.RawMessage `json:"report"`  // an object with a schema of its own
}

// A Machine is where something was measured. What is not known of it is empty.
type Machine struct {
	CPU     string `json:"cpu"`
	Cores   int    `json:"cores"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	Kernel  string `json:"kernel"`
	Go      string `json:"go"`
	Wirelab string `json:"wirelab"` // version and revision
}

// maxSaved bounds the file: a run of a year has less.
const maxSaved = 64 << 20

// Save writes a report, which must become a JSON object with a "schema".
func Save(w io.Writer, at time.Time, command string, m Machine, report any) error {
	text, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("save report: %w", err)
	}
	s := &Saved{Schema: SavedSchema, SavedAt: at.UTC(), Command: command, Machine: m, Report: text}
	if s.Kind() == "" {
		return fmt.Errorf("save report: %w: it has no schema", ErrReport)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(s); err != nil {
		return fmt.Errorf("save report: %w", err)
	}
	return nil
}

// Read reads what Save wrote. What is not that is an error of kind ErrReport, and so is
// a report of one of kinds that its Check refuses. Others are taken as they are.
func Read(r io.Reader, kinds []Kind) (*Saved, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSaved+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSaved {
		return nil, fmt.Errorf("%w: over %d bytes", ErrReport, maxSaved)
	}
	s := new(Saved)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReport, err)
	}
	s.Report = bytes.TrimSpace(s.Report)
	if s.Schema != SavedSchema || s.Kind() == "" {
		return nil, fmt.Errorf("%w: schema %q, report %q; --save writes %q", ErrReport, s.Schema, s.Kind(), SavedSchema)
	}
	for _, k := range kinds {
		if k.Schema == s.Kind() {
			if err := k.Check(s.Report); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// Kind returns the schema of the report, such as "wirelab.load/1".
func (s *Saved) Kind() string {
	var kind struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(s.Report, &kind); err != nil {
		return ""
	}
	return kind.Schema
}

// Figures returns the numbers and the texts of the report, in its order, at most
// 10,000 of each. The error is of kind ErrReport.
func (s *Saved) Figures() ([]Figure, []Label, error) {
	f, err := readFigures(s.Report)
	if err != nil {
		return nil, nil, err
	}
	if err := f.addIntervals(); err != nil {
		return nil, nil, err
	}
	return f.figures, f.labels, nil
}
