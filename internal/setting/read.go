package setting

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxFile is the size in bytes of the largest file that is read.
const MaxFile = 8 << 20

// ReadFile reads the file to pass to Read, at most a little more than MaxFile,
// which Read then refuses. A pipe will do.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxFile+1))
}

// A file is a YAML file being read.
type file struct {
	name  string
	lines []string
	errs  Errors
}

// Read returns the value that source holds, a Map or Null. It is given what anyone
// may have written: what it cannot take is an Error with a place. What could be read
// beside the errors is returned too, so that all mistakes can be told at once.
func Read(name string, source []byte) (Value, Errors) {
	source = []byte(strings.TrimPrefix(string(source), "\ufeff"))
	f := &file{name: name, lines: strings.Split(string(source), "\n")}
	if f.checkText(source); f.errs != nil {
		return Value{}, f.errs
	}
	tokens := lexer.Tokenize(string(source))
	if f.checkShape(tokens); f.errs != nil {
		return Value{}, f.errs
	}
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		f.syntax(err)
		return Value{}, f.errs
	}
	return f.document(tree), f.errs
}

// checkText refuses what is no text before the parser sees it.
func (f *file) checkText(source []byte) {
	if len(source) > MaxFile {
		f.errs = append(f.errs, &Error{Origin: f.name, Problem: fmt.Sprintf("the file is larger than %s; is it the right one?", FormatSize(MaxFile))})
		return
	}
	for i, line := range f.lines {
		line = strings.TrimSuffix(line, "\r")
		column := strings.IndexFunc(line, func(r rune) bool { return r != '\t' && unicode.IsControl(r) || r == utf8.RuneError })
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

func (f *file) fail(at Value, key, format string, args ...any) {
	at.Path = key
	f.errs = append(f.errs, at.Errorf(format, args...))
}

// at returns a value without contents at the place of a token, which may claim to be
// anywhere.
func (f *file) at(t *token.Token) Value {
	if t == nil || t.Position == nil {
		return f.place(1, 1, 1)
	}
	return f.place(t.Position.Line, t.Position.Column, utf8.RuneCountInString(strings.TrimSpace(t.Origin)))
}

func (f *file) place(line, column, width int) Value {
	line, column = max(1, min(line, len(f.lines))), max(1, column)
	return Value{Place: Place{File: f.name, Line: line, Column: column}, width: width, line: strings.TrimSuffix(f.lines[line-1], "\r")}
}

func (f *file) document(tree *ast.File) Value {
	var value Value
	bodies := 0
	for _, d := range tree.Docs {
		if d.Body == nil {
			continue
		}
		if bodies++; bodies > 1 {
			f.fail(f.at(d.Body.GetToken()), "", "a second document; one file holds one configuration")
			break
		}
		value = f.value("", d.Body)
	}
	return value
}

// value returns what node holds. checkShape has bounded how deep it goes.
func (f *file) value(path string, node ast.Node) Value {
	v := f.at(node.GetToken())
	v.Path = path
	switch node := node.(type) {
	case *ast.NullNode:
	case *ast.StringNode:
		v.Kind, v.Text = Scalar, node.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		v.Kind, v.Text = Scalar, node.GetToken().Value
	case *ast.SequenceNode:
		v.Kind = List
		for _, item := range node.Values {
			v.Items = append(v.Items, f.item(path, item))
		}
	case *ast.MappingNode:
		v.Kind = Map
		f.entries(&v, node.Values)
	case *ast.MappingValueNode:
		v.Kind = Map
		f.entries(&v, []*ast.MappingValueNode{node})
	default:
		v.Kind, v.description = Other, describe(node)
	}
	return v
}

// item returns what an item of a list holds. Within braces the parser takes
// 2001:db8::1 for a key with a value; YAML has a key there only before ": ".
func (f *file) item(path string, node ast.Node) Value {
	v := f.value(path, node)
	if v.Kind != Map || len(v.Entries) != 1 || v.Entries[0].Value.Kind != Scalar {
		return v
	}
	key, value := v.Entries[0].Place, v.Entries[0].Value
	line := []rune(value.line)
	before := value.Place.Column - 2 // the colon
	end := before + 1 + utf8.RuneCountInString(value.Text)
	if key.Line != value.Place.Line || key.Column > before || end > len(line) || line[before] != ':' || string(line[before+1:end]) != value.Text {
		return v
	}
	return Value{Place: key, Path: v.Path, Kind: Scalar, Text: string(line[key.Column-1 : end]), line: value.line, width: end - key.Column + 1}
}

// entries fills a map.
func (f *file) entries(v *Value, pairs []*ast.MappingValueNode) {
	seen := map[string]int{}
	for _, pair := range pairs {
		at := f.at(pair.Key.GetToken())
		leaf, ok := keyText(pair.Key)
		if !ok {
			f.fail(at, v.Path, "%s is not a key", describe(pair.Key))
			continue
		}
		path := strings.TrimPrefix(v.Path+"."+leaf, ".")
		if first, again := seen[leaf]; again {
			f.fail(at, path, "the key is set twice; it stands already on line %d", first)
			continue
		}
		seen[leaf] = at.Place.Line
		v.Entries = append(v.Entries, Entry{Key: leaf, Place: at.Place, Value: f.value(path, pair.Value), line: at.line})
	}
}

// keyText returns the text of a key; names of hosts and links may be numbers.
func keyText(node ast.Node) (string, bool) {
	switch node := node.(type) {
	case *ast.StringNode:
		return node.Value, true
	case *ast.IntegerNode:
		return node.GetToken().Value, true
	}
	return "", false
}

func describe(node ast.Node) string {
	switch node.(type) {
	case *ast.NullNode:
		return "nothing"
	case *ast.LiteralNode:
		return "a block of text"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or alias"
	case *ast.TagNode:
		return "a tag"
	case *ast.DirectiveNode:
		return "a directive"
	case *ast.MappingKeyNode:
		return "a complex key"
	}
	return Quote(node.GetToken().Value)
}
