package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// A Kind is a kind of report as its owner knows it.
type Kind struct {
	Schema string
	// Check returns an error of kind ErrReport for a report that holds what no measurement
	// of the kind can: a file is broken, or made up. See [CheckAs].
	Check func(json.RawMessage) error
}

// Bounds of the figures of a run, beyond which a file is broken or made up.
const (
	mostSeconds = 9e9  // as many as a time.Duration holds
	mostOfAny   = 1e18 // of what is no time: so that it is a whole number too
)

// CheckAs returns a Check that reads a report into an R, has names look at what is
// not a number, and bounds all figures: only those named in signed, and what is in
// them, may be negative.
func CheckAs[R any](names func(*R) error, signed ...string) func(json.RawMessage) error {
	return func(saved json.RawMessage) error {
		r := new(R)
		if err := json.Unmarshal(saved, r); err != nil {
			return fmt.Errorf("%w: %w", ErrReport, err)
		}
		if err := names(r); err != nil {
			return err
		}
		// As it was understood: the names in the file may differ in case.
		text, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrReport, err)
		}
		var all map[string]any
		if err := json.Unmarshal(text, &all); err != nil {
			return fmt.Errorf("%w: %w", ErrReport, err)
		}
		return checkFigures("", all, signed, false)
	}
}

// Known returns an error of kind ErrReport unless name is one of known.
func Known(what, name string, known ...string) error {
	if slices.Contains(known, name) {
		return nil
	}
	return fmt.Errorf("%w: unknown %s %.40q", ErrReport, what, name)
}

// checkFigures checks all numbers in v, which is what package json makes of any value.
func checkFigures(path string, v any, signed []string, negative bool) error {
	switch v := v.(type) {
	case float64:
		return checkFigure(path, v, negative)
	case []any:
		for i, element := range v {
			if err := checkFigures(fmt.Sprintf("%s[%d]", path, i), element, signed, negative); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			inner := strings.TrimPrefix(path+"."+name, ".")
			if err := checkFigures(inner, v[name], signed, negative || slices.Contains(signed, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkFigure(path string, v float64, signed bool) error {
	if v < 0 && !signed || math.Abs(v) > mostOf(path) {
		return fmt.Errorf("%w: %s is %g, which no run measures", ErrReport, path, v)
	}
	return nil
}

// mostOf returns the bound of a figure by the unit that its path says.
func mostOf(path string) float64 {
	switch {
	case strings.Contains(path, "_us"):
		return mostSeconds * 1e6
	case strings.HasSuffix(path, "_s") && !strings.HasSuffix(path, "_per_s"):
		return mostSeconds
	}
	return mostOfAny
}
