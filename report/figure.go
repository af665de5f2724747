package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// A Figure is a number of a report.
type Figure struct {
	Name    string // its path in the JSON, such as "latency_us.p99"
	Value   float64
	Samples []float64 // what it was like in parts of the run, or in repetitions; often none
}

// A Label is a text of a report.
type Label struct{ Name, Value string }

// ErrReport reports what is no report, or none that makes sense.
var ErrReport = errors.New("not a report")

// Bounds of a report that was read from a file.
const (
	maxFigures = 10_000 // and labels
	maxFigure  = 1e300  // so that a difference of two is finite
	maxDepth   = 16
)

// figures are what there is to compare in a report of any kind, in its order.
//
// Names carry units (_us, _per_s, _bytes), so nothing needs to be known of a kind
// beforehand. Numbers and booleans are figures, texts are labels, an object's members
// have its name in front. Samples are found in two places: an object that has them,
// {"median": 2, "samples": [1, 2, 4]}, is one figure; and the elements of "intervals"
// are the samples of those figures that have their members' names. Of other
// arrays, those of objects that have a "name" are walked, as if they were members.
type figures struct {
	figures []Figure
	labels  []Label
	index   map[string]int // of figures, by name
	parts   []string       // elements of arrays that have a name

	intervals json.RawMessage // nil: none
}

// readFigures reads all but the samples that intervals have, see addIntervals.
func readFigures(report []byte) (*figures, error) {
	f := &figures{index: make(map[string]int)}
	root, err := members(report)
	if err != nil {
		return nil, err
	}
	for _, m := range root {
		if m.name == "intervals" {
			f.intervals = m.value
		} else if err := f.walk(m.name, m.value, 1); err != nil {
			return nil, err
		}
	}
	return f, nil
}

type member struct {
	name  string
	value json.RawMessage
}

// members returns the members of an object in their order.
func members(object []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return nil, fmt.Errorf("%w: no JSON object", ErrReport)
	}
	var all []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrReport, err)
		}
		m := member{name: fmt.Sprint(name)}
		if err := d.Decode(&m.value); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrReport, err)
		}
		all = append(all, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReport, err)
	}
	return all, nil
}

// walk adds what is in a value of that name.
func (f *figures) walk(name string, value json.RawMessage, depth int) error {
	if depth > maxDepth || len(f.figures) >= maxFigures || len(f.labels) >= maxFigures {
		return fmt.Errorf("%w: too much in it", ErrReport)
	}
	switch value[0] {
	case '{':
		return f.walkObject(name, value, depth)
	case '[':
		return f.walkArray(name, value, depth)
	case '"':
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrReport, name, err)
		}
		f.labels = append(f.labels, Label{name, text})
	default:
		if n, ok := number(value); ok {
			f.add(Figure{Name: name, Value: n})
		}
	}
	return nil
}

// add adds a figure. Of two with the same name the first counts.
func (f *figures) add(figure Figure) {
	if _, have := f.index[figure.Name]; !have {
		f.index[figure.Name] = len(f.figures)
		f.figures = append(f.figures, figure)
	}
}

func (f *figures) walkObject(name string, value json.RawMessage, depth int) error {
	var sampled struct {
		Median  *float64  `json:"median"`
		Samples []float64 `json:"samples"`
	}
	if err := json.Unmarshal(value, &sampled); err == nil && sampled.Median != nil && len(sampled.Samples) > 0 {
		if slices.ContainsFunc(append(sampled.Samples, *sampled.Median), func(v float64) bool { return math.Abs(v) > maxFigure }) {
			return fmt.Errorf("%w: %s: numbers beyond %g", ErrReport, name, maxFigure)
		}
		f.add(Figure{Name: name, Value: *sampled.Median, Samples: sampled.Samples})
		return nil
	}
	all, err := members(value)
	if err != nil {
		return err
	}
	for _, m := range all {
		if err := f.walk(name+"."+m.name, m.value, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (f *figures) walkArray(name string, value json.RawMessage, depth int) error {
	var elements []json.RawMessage
	if err := json.Unmarshal(value, &elements); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrReport, name, err)
	}
	for _, element := range elements {
		var named struct {
			Name string `json:"name"`
		}
		if err := json.Unmarshal(element, &named); err != nil || named.Name == "" {
			continue
		}
		f.parts = append(f.parts, named.Name)
		if err := f.walk(named.Name, element, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// intervalLength returns how long an interval is, 0 if that is not said.
func (f *figures) intervalLength() float64 {
	if i, ok := f.index["interval_s"]; ok {
		return f.figures[i].Value
	}
	return 0
}

// addIntervals gives figures the samples that the intervals have of them.
func (f *figures) addIntervals() error {
	if f.intervals == nil {
		return nil
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(f.intervals, &elements); err != nil {
		return fmt.Errorf("%w: intervals: %w", ErrReport, err)
	}
	for _, element := range elements {
		one := &figures{index: make(map[string]int)}
		all, err := members(element)
		if err != nil {
			return err
		}
		for _, m := range all {
			if err := one.walk(m.name, m.value, 1); err != nil {
				return err
			}
		}
		for _, figure := range one.figures {
			if i, ok := f.index[figure.Name]; ok {
				f.figures[i].Samples = append(f.figures[i].Samples, figure.Value)
			}
		}
	}
	return nil
}

// number returns the value of a number, or of a boolean as 0 or 1.
func number(value json.RawMessage) (float64, bool) {
	switch string(value) {
	case "true":
		return 1, true
	case "false":
		return 0, true
	}
	n, err := strconv.ParseFloat(string(value), 64)
	return n, err == nil && math.Abs(n) <= maxFigure
}
