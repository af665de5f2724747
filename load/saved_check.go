package load

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Bounds of the figures of a run, beyond which a file is broken or made up.
const (
	mostSeconds = 9e9  // as many as a time.Duration holds
	mostOfAny   = 1e18 // of what is no time: so that it is a whole number too
)

// signedFigures may be negative: differences of clocks, and of memory before and after.
// What is in them may be too.
var signedFigures = [...]string{"offset_us", "forward_us", "backward_us", "clock_step_us", "resident_bytes_per_connection"}

// check returns an error of kind ErrReport if the report is of a kind that is known
// here, and holds what none of that kind does.
func (s *Saved) check() error {
	switch s.Kind() {
	case ReportSchema:
		return checkAs(s, func(r *Report) error { return knownName("network", r.Network, "tcp", "udp") })
	case FastReportSchema:
		return checkAs(s, func(r *FastReport) error { return knownName("network", r.Network, "udp") })
	case EnginesSchema:
		return checkAs(s, (*EnginesReport).checkModes)
	}
	return nil
}

// checkAs checks all figures, and the names that are looked at.
func checkAs[R any](s *Saved, names func(*R) error) error {
	r := new(R)
	if err := json.Unmarshal(s.Report, r); err != nil {
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
	return checkFigures("", all, false)
}

func knownName(what, name string, known ...string) error {
	if slices.Contains(known, name) {
		return nil
	}
	return fmt.Errorf("%w: unknown %s %.40q", ErrReport, what, name)
}

func (r *EnginesReport) checkModes() error {
	for _, e := range r.Results {
		if err := knownName("mode", string(e.Mode), string(PingPong), string(Flood), string(Idle)); err != nil {
			return err
		}
	}
	return nil
}

// checkFigures checks all numbers in v, which is what package json makes of any value.
func checkFigures(path string, v any, signed bool) error {
	switch v := v.(type) {
	case float64:
		return checkFigure(path, v, signed)
	case []any:
		for i, element := range v {
			if err := checkFigures(fmt.Sprintf("%s[%d]", path, i), element, signed); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			inner := strings.TrimPrefix(path+"."+name, ".")
			if err := checkFigures(inner, v[name], signed || slices.Contains(signedFigures[:], name)); err != nil {
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
