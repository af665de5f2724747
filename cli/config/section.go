package config

import (
	"fmt"
	"slices"
	"strings"

	"wirelab/internal/setting"
	"wirelab/internal/spell"
)

// An assignment gives a key items, as they were written, before they are looked at.
type assignment struct {
	key    Key
	items  []string
	places []setting.Value // of each item, or one for all; none: not in a file
	origin string          // "wirelab.yaml:3:9", "WIRELAB_SERVER_PORT", "--port"
}

// problem returns an error about an item.
func (a assignment) problem(item int, format string, args ...any) *setting.Error {
	if len(a.places) == 0 {
		return &setting.Error{Origin: a.origin, Problem: fmt.Sprintf(format, args...)}
	}
	return a.places[min(item, len(a.places)-1)].Errorf(format, args...)
}

// problems returns an error for each place in which items are bad.
func (a assignment) problems(bad []badItem) setting.Errors {
	if len(a.places) > 1 {
		var errs setting.Errors
		for _, b := range bad {
			errs = append(errs, a.problem(b.index, "%v; allowed: %s", b.err, a.key.Allowed))
		}
		return errs
	}
	var texts []string
	for _, b := range bad {
		texts = append(texts, b.err.Error())
	}
	return setting.Errors{a.problem(0, "%s; allowed: %s", strings.Join(texts, "; "), a.key.Allowed)}
}

// A file is a wirelab.yaml whose values find their keys.
type file struct {
	keys     map[string]Key
	sections map[string]bool
	open     map[string]setting.Section
	values   map[string]setting.Value // of open sections
	settings []assignment
	errs     setting.Errors
}

func newFile(open []setting.Section) *file {
	f := &file{keys: map[string]Key{}, sections: map[string]bool{"": true}, open: map[string]setting.Section{}, values: map[string]setting.Value{}}
	for _, k := range Keys() {
		f.keys[k.Name] = k
		for s := k.Name; strings.Contains(s, "."); {
			s = s[:strings.LastIndexByte(s, '.')]
			f.sections[s] = true
		}
	}
	for _, s := range open {
		f.open[s.Name] = s
	}
	return f
}

// section reads the keys of a section; "" is the whole file. It descends only
// into sections of the table, so its depth is bounded.
func (f *file) section(v setting.Value) {
	switch v.Kind {
	case setting.Null: // all its keys are commented out
	case setting.Map:
		for _, e := range v.Entries {
			f.entry(v.Path, e)
		}
	default:
		f.errs = append(f.errs, v.Errorf("keys belong here, such as \"port: 12345\", not %s", v.Describe()))
	}
}

func (f *file) entry(section string, e setting.Entry) {
	name := e.Value.Path
	if f.sections[name] {
		f.section(e.Value)
	} else if key, ok := f.keys[name]; ok {
		f.value(key, e.Value)
	} else if owner, ok := f.open[name]; ok {
		f.values[name] = e.Value
		f.errs = append(f.errs, owner.Check(e.Value)...)
	} else {
		f.errs = append(f.errs, e.Errorf("%s", f.unknown(section, e.Key)))
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
	if section == "" {
		for name := range f.open {
			names = append(names, name)
		}
	}
	problem := "unknown key " + setting.Quote(leaf)
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

func (f *file) value(key Key, v setting.Value) {
	a := assignment{key: key, places: []setting.Value{v}, origin: v.Place.String()}
	items := []setting.Value{v}
	if v.Kind == setting.List {
		if !key.List {
			f.errs = append(f.errs, v.Errorf("one value is expected, not a list; allowed: %s", key.Allowed))
			return
		}
		items = v.Items
	}
	for _, item := range items {
		if item.Kind != setting.Scalar {
			f.errs = append(f.errs, item.Errorf("a plain value is expected, not %s; allowed: %s", item.Describe(), key.Allowed))
			continue
		}
		a.places = append(a.places[:len(a.items)], item)
		a.items = append(a.items, item.Text)
	}
	if len(a.items) > 0 || len(items) == 0 { // else all of it is a mistake already
		a.origin = a.places[0].Place.String()
		f.settings = append(f.settings, a)
	}
}
