package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxFile is the size in bytes of the largest file that is read.
const MaxFile = 1 << 20

// ReadFile reads the file to pass to Load, at most a little more than MaxFile,
// which Load then refuses. A pipe will do.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxFile+1))
}

// A setting is a value as it was written, before it is looked at.
type setting struct {
	key    Key
	items  []string
	places []place // of each item, or one for all
}

func (s setting) place(item int) place { return s.places[min(item, len(s.places)-1)] }

// nameInFile returns the name of the key; "" where a variable or a flag names it itself.
func (s setting) nameInFile() string {
	if s.places[0].number == 0 {
		return ""
	}
	return s.key.Name
}

// problems returns an error for each place in which items are bad.
func (s setting) problems(bad []badItem) Errors {
	if len(s.places) > 1 {
		var errs Errors
		for _, b := range bad {
			errs = append(errs, s.place(b.index).problem(s.nameInFile(), "%v; allowed: %s", b.err, s.key.Allowed))
		}
		return errs
	}
	var texts []string
	for _, b := range bad {
		texts = append(texts, b.err.Error())
	}
	return Errors{s.places[0].problem(s.nameInFile(), "%s; allowed: %s", strings.Join(texts, "; "), s.key.Allowed)}
}

// A file is a wirelab.yaml being read.
type file struct {
	name     string
	lines    []string
	keys     map[string]Key
	sections map[string]bool
	seen     map[string]int // the line of each name
	settings []setting
	errs     Errors
}

func newFile(name string, source []byte) *file {
	f := &file{name: name, keys: map[string]Key{}, sections: map[string]bool{"": true}, seen: map[string]int{},
		lines: strings.Split(string(source), "\n")}
	for _, k := range Keys() {
		f.keys[k.Name] = k
		for s := k.Name; strings.Contains(s, "."); {
			s = s[:strings.LastIndexByte(s, '.')]
			f.sections[s] = true
		}
	}
	return f
}

// parseFile returns the settings that source holds. It is given what anyone may
// have written: what it cannot take is an Error with a place.
func parseFile(name string, source []byte) ([]setting, Errors) {
	source = []byte(strings.TrimPrefix(string(source), "\ufeff"))
	f := newFile(name, source)
	if f.checkText(source); f.errs != nil {
		return nil, f.errs
	}
	tokens := lexer.Tokenize(string(source))
	if f.checkShape(tokens); f.errs != nil {
		return nil, f.errs
	}
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		f.syntax(err)
		return nil, f.errs
	}
	f.documents(tree)
	return f.settings, f.errs
}

// checkText refuses what is no text before the parser sees it.
func (f *file) checkText(source []byte) {
	if len(source) > MaxFile {
		f.errs = append(f.errs, &Error{Origin: f.name, Problem: fmt.Sprintf("the file is larger than %s; is it the right one?", FormatSize(MaxFile))})
		return
	}
	for i, line := range f.lines {
		line = strings.TrimSuffix(line, "\r")
		column := strings.IndexFunc(line, func(r rune) bool { return r != '\t' && isControl(r) || r == utf8.RuneError })
		if column >= 0 {
			p := f.place(i+1, utf8.RuneCountInString(line[:column])+1, 1)
			f.fail(p, "", "a character that is not UTF-8 text; is it the right file?")
			return
		}
	}
}

// checkShape bounds what costs the parser more than linear time: nesting, and
// the number of keys.
func (f *file) checkShape(tokens token.Tokens) {
	const maxDepth, maxKeys = 32, 2000
	flow, dashes, line, keys := 0, 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, dashes = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType:
			dashes++
		case token.MappingValueType:
			keys++
		}
		if flow > maxDepth || dashes > maxDepth || keys > maxKeys {
			f.fail(f.at(t), "", "the file is nested too deeply or has too many keys; is it the right one?")
			return
		}
	}
}

func (f *file) syntax(err error) {
	var positioned yaml.Error
	if !errors.As(err, &positioned) || positioned.GetToken() == nil {
		f.errs = append(f.errs, &Error{Origin: f.name, Problem: "not YAML: " + firstLine(err.Error())})
		return
	}
	message := positioned.GetMessage()
	if strings.Contains(message, "'\t'") {
		message = "a tab; YAML is indented with spaces"
	}
	f.fail(f.at(positioned.GetToken()), "", "not YAML: %s", firstLine(message))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func (f *file) fail(p place, key, format string, args ...any) {
	f.errs = append(f.errs, p.problem(key, format, args...))
}

// at returns the place of a token, which may claim to be anywhere.
func (f *file) at(t *token.Token) place {
	if t == nil || t.Position == nil {
		return f.place(1, 1, 1)
	}
	return f.place(t.Position.Line, t.Position.Column, utf8.RuneCountInString(strings.TrimSpace(t.Origin)))
}

func (f *file) place(line, column, width int) place {
	line, column = max(1, min(line, len(f.lines))), max(1, column)
	return place{origin: fmt.Sprintf("%s:%d:%d", f.name, line, column), number: line, column: column, width: width,
		line: strings.TrimSuffix(f.lines[line-1], "\r")}
}

func (f *file) documents(tree *ast.File) {
	bodies := 0
	for _, d := range tree.Docs {
		if d.Body == nil {
			continue
		}
		if bodies++; bodies > 1 {
			f.fail(f.at(d.Body.GetToken()), "", "a second document; one file holds one configuration")
			return
		}
		f.section("", d.Body)
	}
}
