package observe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Entry is one line of a log file. Its slices are valid until the function that
// was given it returns.
type Entry struct {
	Time      time.Time // of a broken line: that of the line before
	Level     slog.Level
	Component string // of a broken line: that of its file
	Function  string
	Line      int
	Message   string
	Attrs     []Attr // in the order of the line
	Raw       []byte // the line as it is in the file, without its end
	Broken    bool   // the line is not one that Logs wrote: only Raw tells more
	Cut       bool   // the line is longer than 1 MiB, and Raw its beginning
}

// Attr is one attribute of an Entry.
type Attr struct {
	Key   string
	Value json.RawMessage
}

// timePrefix is how every line begins, so that its time is found without parsing
// the rest.
const timePrefix = `{"time":"`

// peekTime returns the time of a line that Logs wrote.
func peekTime(line []byte) (time.Time, bool) {
	if len(line) < len(timePrefix)+len(jsonTime) || string(line[:len(timePrefix)]) != timePrefix {
		return time.Time{}, false
	}
	t, err := time.Parse(jsonTime, string(line[len(timePrefix):len(timePrefix)+len(jsonTime)]))
	return t, err == nil
}

var errNotEntry = errors.New("not a log line")

// parseEntry parses one line of a log file. The Entry keeps parts of line.
func parseEntry(line []byte) (Entry, error) {
	e := Entry{Raw: line}
	d := json.NewDecoder(bytes.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return e, errNotEntry
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return e, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return e, err
		}
		if err := e.set(key.(string), value); err != nil {
			return e, err
		}
	}
	if _, err := d.Token(); err != nil {
		return e, err
	}
	if d.InputOffset() != int64(len(line)) || e.Time.IsZero() || e.Component == "" {
		return e, errNotEntry
	}
	return e, nil
}

func (e *Entry) set(key string, value json.RawMessage) (err error) {
	switch key {
	case "time":
		err = json.Unmarshal(value, &e.Time)
	case "level":
		e.Level, err = parseLevel(value)
	case "component":
		err = json.Unmarshal(value, &e.Component)
	case "function":
		err = json.Unmarshal(value, &e.Function)
	case "line":
		err = json.Unmarshal(value, &e.Line)
	case "msg":
		err = json.Unmarshal(value, &e.Message)
	default:
		e.Attrs = append(e.Attrs, Attr{Key: key, Value: value})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

func parseLevel(value json.RawMessage) (slog.Level, error) {
	var name string
	if err := json.Unmarshal(value, &name); err != nil {
		return 0, err
	}
	level, ok := levelOf(name)
	if !ok {
		return 0, fmt.Errorf("%w: level %q", errNotEntry, name)
	}
	return level, nil
}

// AppendEntry appends e as one line for people, with its end.
func (s TextStyle) AppendEntry(b []byte, e *Entry) []byte {
	if e.Broken {
		b = s.appendHead(b, e.Time, slog.LevelWarn, e.Component, "(broken line)")
		b = append(b, ' ', ' ')
		b = appendEscaped(b, string(e.Raw[:min(len(e.Raw), maxTextValue)]))
		return append(b, '\n')
	}
	b = s.appendHead(b, e.Time, e.Level, e.Component, e.Message)
	for _, a := range e.Attrs {
		b = s.appendField(b, a.Key, a.text())
	}
	return s.appendTail(b, e.Function, e.Line)
}

// text is the value as people read it: strings without their quotes.
func (a Attr) text() string {
	var s string
	if len(a.Value) > 0 && a.Value[0] == '"' && json.Unmarshal(a.Value, &s) == nil {
		return s
	}
	return string(a.Value)
}
