package config

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"wirelab/cli/spell"
)

// section reads the keys of a section; "" is the whole file. It descends only
// into sections of the table, so its depth is bounded.
func (f *file) section(name string, node ast.Node) {
	switch node := node.(type) {
	case *ast.NullNode: // all its keys are commented out
	case *ast.MappingNode:
		for _, pair := range node.Values {
			f.pair(name, pair)
		}
	case *ast.MappingValueNode:
		f.pair(name, node)
	default:
		f.fail(f.at(node.GetToken()), name, "keys belong here, such as \"port: 12345\", not %s", describe(node))
	}
}

func (f *file) pair(section string, pair *ast.MappingValueNode) {
	at := f.at(pair.Key.GetToken())
	leaf, ok := pair.Key.(*ast.StringNode)
	if !ok {
		f.fail(at, section, "%s is not a key", describe(pair.Key))
		return
	}
	name := strings.TrimPrefix(section+"."+leaf.Value, ".")
	if first, again := f.seen[name]; again {
		f.fail(at, name, "the key is set twice; it stands already on line %d", first)
		return
	}
	f.seen[name] = at.number
	if f.sections[name] {
		f.section(name, pair.Value)
	} else if key, ok := f.keys[name]; ok {
		f.value(key, pair.Value)
	} else {
		f.fail(at, "", "%s", f.unknown(section, leaf.Value))
	}
}

// unknown says what may have been meant by a name that is no key of section.
func (f *file) unknown(section, leaf string) string {
	var names, elsewhere []string
	for _, k := range Keys() {
		rest, ok := strings.CutPrefix("."+k.Name, strings.TrimSuffix("."+section, ".")+".")
		if sub, _, _ := strings.Cut(rest, "."); ok && !slices.Contains(names, sub) {
			names = append(names, sub)
		}
		if k.Leaf() == leaf {
			elsewhere = append(elsewhere, k.Name)
		}
	}
	problem := "unknown key " + quote(leaf)
	if section != "" {
		problem += " in " + section
	}
	switch nearest := spell.Nearest(leaf, names); {
	case nearest != "":
		return problem + "; did you mean " + nearest + "?"
	case elsewhere != nil:
		return problem + "; did you mean " + strings.Join(elsewhere, " or ") + "?"
	}
	return problem + "; allowed: " + strings.Join(names, ", ")
}

func (f *file) value(key Key, node ast.Node) {
	s := setting{key: key, places: []place{f.at(node.GetToken())}}
	nodes := []ast.Node{node}
	if list, ok := node.(*ast.SequenceNode); ok {
		if !key.List {
			f.fail(s.places[0], key.Name, "one value is expected, not a list; allowed: %s", key.Allowed)
			return
		}
		nodes = list.Values
	}
	for _, n := range nodes {
		text, ok := scalar(n)
		at := f.at(n.GetToken())
		if !ok {
			f.fail(at, key.Name, "a plain value is expected, not %s; allowed: %s", describe(n), key.Allowed)
			continue
		}
		s.places = append(s.places[:len(s.items)], at)
		s.items = append(s.items, text)
	}
	if len(s.items) > 0 || len(nodes) == 0 { // else all of it is a mistake already
		f.settings = append(f.settings, s)
	}
}

// scalar returns the text of a plain value as it was written.
func scalar(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func describe(node ast.Node) string {
	switch node.(type) {
	case *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys"
	case *ast.SequenceNode:
		return "a list"
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
	return quote(node.GetToken().Value)
}
