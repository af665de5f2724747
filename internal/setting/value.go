// Package setting holds what people write into a configuration, each value with
// the place where it stands, so that whatever comes of it later, a kernel rule as
// well as an error, can name its line.
//
// [Read] makes a tree of [Value] from YAML. The package that owns a section
// describes it once, as a [Section], and makes its own types of the value that it
// is handed. What is wrong becomes an [Error] through [Value.Errorf], or through
// [Value.ErrorAt] for a word inside a rule of one line.
package setting

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Place is where something stands in a file.
type Place struct {
	File   string
	Line   int // from 1; 0: in no file
	Column int // in characters, from 1
}

// String returns "wirelab.yaml:3:9", or "" for what is in no file.
func (p Place) String() string {
	if p.Line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// A Kind is the shape of a Value.
type Kind uint8

// The kinds.
const (
	Null   Kind = iota // nothing: an empty section, "~"
	Scalar             // one text: a word, a number, a rule
	List
	Map
	Other // what no section takes: an anchor, a tag, a block of text
)

// A Value is a value as it was written, with its place. Its slices belong to
// whoever reads the file.
type Value struct {
	Place   Place
	Path    string // its key with those above it, such as "firewall.in"; items have their list's
	Kind    Kind
	Text    string  // of a Scalar, without quotes
	Items   []Value // of a List
	Entries []Entry // of a Map, in the order of the file, each key once

	line        string // of the file, as it stands there
	width       int    // in characters
	description string // of Other
}

// An Entry is a key of a Map with its value.
type Entry struct {
	Key   string
	Place Place // of the key
	Value Value

	line string
}

// Get returns the value of a key of a Map; of a key that is not there, Null and false.
func (v Value) Get(key string) (Value, bool) {
	for _, e := range v.Entries {
		if e.Key == key {
			return e.Value, true
		}
	}
	return Value{Path: strings.TrimPrefix(v.Path+"."+key, "."), Place: v.Place, line: v.line}, false
}

// Texts returns the texts of a List of scalars, or of a single Scalar.
func (v Value) Texts() ([]Value, *Error) {
	items := v.Items
	switch v.Kind {
	case Null:
		return nil, nil
	case Scalar:
		return []Value{v}, nil
	case List:
	default:
		return nil, v.Errorf("a list is expected, not %s", v.Describe())
	}
	for _, item := range items {
		if item.Kind != Scalar {
			return nil, item.Errorf("a plain value is expected, not %s", item.Describe())
		}
	}
	return items, nil
}

// Errorf returns an Error about v as a whole.
func (v Value) Errorf(format string, args ...any) *Error {
	return &Error{Origin: v.Place.String(), Key: v.Path, Problem: fmt.Sprintf(format, args...), Place: v.Place, line: v.line, width: v.width}
}

// ErrorAt returns an Error about width bytes of v's Text, beginning at offset.
func (v Value) ErrorAt(offset, width int, format string, args ...any) *Error {
	e := v.Errorf(format, args...)
	e.Place = v.PlaceAt(offset)
	e.Origin = e.Place.String()
	e.width = utf8.RuneCountInString(within(v.Text, offset, offset+width))
	return e
}

// PlaceAt returns the place of the byte at offset in v's Text.
func (v Value) PlaceAt(offset int) Place {
	at := v.Place
	if at.Line == 0 {
		return at
	}
	rest := []rune(v.line)
	rest = rest[min(max(at.Column-1, 0), len(rest)):]
	if quote, _, found := strings.Cut(string(rest), v.Text); found {
		at.Column += utf8.RuneCountInString(quote) // the quote in front of it
		at.Column += utf8.RuneCountInString(within(v.Text, 0, offset))
	}
	return at
}

// within returns s[from:to], as far as s goes.
func within(s string, from, to int) string {
	from = min(max(from, 0), len(s))
	return s[from:min(max(to, from), len(s))]
}

// Errorf returns an Error about the key of e, which stands in the map v.
func (e Entry) Errorf(format string, args ...any) *Error {
	return &Error{Origin: e.Place.String(), Problem: fmt.Sprintf(format, args...), Place: e.Place, line: e.line, width: utf8.RuneCountInString(e.Key)}
}

// Describe says in words what v is: "nothing", "keys", "a list", or its text in quotes.
func (v Value) Describe() string {
	switch v.Kind {
	case Null:
		return "nothing"
	case Map:
		return "keys"
	case List:
		return "a list"
	case Other:
		return v.description
	}
	return Quote(v.Text)
}

// A Section is a part of the file as its owner describes it. The documentation,
// `config init` and `config check` come from it.
type Section struct {
	Name    string // its key at the top of the file, such as "firewall"
	Doc     string // what it is for: one or two sentences
	Keys    []Key
	Example string // YAML, as it would stand in the file, with Name at its top
	// Check returns all that is wrong with the section's value; nil: nothing.
	Check func(Value) Errors
}

// A Key is one key of a Section, for its documentation.
type Key struct {
	Name    string // below the section, such as "in", "nets.NAME"
	Default string
	Allowed string
	Doc     string
}
