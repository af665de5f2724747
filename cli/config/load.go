package config

import (
	"cmp"
	"slices"
	"strings"

	"wirelab/internal/setting"
	"wirelab/internal/spell"
)

const envPrefix = "WIRELAB_"

// Choices holds, by key, the names that may be chosen from tables that this
// package does not know, such as those of the engines. A key that is missing
// here takes any name.
type Choices map[string][]string

// Input is all that a configuration is made of.
type Input struct {
	File    string   // name of the file, for messages and origins
	Source  []byte   // what it holds; empty: nothing is set
	Environ []string // "NAME=value", as os.Environ returns them; other names are ignored
	Flags   []Flag   // those that were given
	Choices Choices

	// Sections are those that other packages own; Load keeps their values, checked.
	Sections []setting.Section
}

// A Flag is a flag that was given on the command line.
type Flag struct {
	Key    string
	Name   string // as it is typed: "--port"
	Values []string
}

// Load makes a configuration: defaults, then what Source sets, then the
// environment, then flags. It reads nothing else, and keeps nothing of in. Its
// error is always a setting.Errors, with everything that is wrong: a value is checked
// even when a later one takes its place.
func Load(in Input) (*Config, error) {
	l := loader{choices: in.Choices, config: &Config{file: in.File, origins: map[string]string{}}, latest: map[string]assignment{}}
	l.defaults()
	l.file(in)
	l.environment(in.Environ)
	l.flags(in.Flags)
	l.follow()
	l.checkPairs()
	if len(l.errs) > 0 {
		return nil, l.errs
	}
	return l.config, nil
}

// file assigns what the file sets.
func (l *loader) file(in Input) {
	value, errs := setting.Read(in.File, in.Source)
	f := newFile(in.Sections)
	f.section(value)
	l.errs = append(append(l.errs, errs...), f.errs...)
	l.config.sections = f.values
	for _, a := range f.settings {
		l.assign(a)
	}
	slices.SortStableFunc(l.errs, func(a, b *setting.Error) int {
		return cmp.Or(cmp.Compare(a.Place.Line, b.Place.Line), cmp.Compare(a.Place.Column, b.Place.Column))
	})
}

type loader struct {
	choices Choices
	config  *Config
	latest  map[string]assignment // what set each key that is not at its default
	errs    setting.Errors
}

// defaults sets every key that follows no other. That they can be set is a
// property of the table, which a test holds.
func (l *loader) defaults() {
	for _, k := range Keys() {
		if k.Follows == "" {
			k.set(l.config, k.initial)
			l.config.origins[k.Name] = "default"
		}
	}
}

func (l *loader) assign(s assignment) {
	l.latest[s.key.Name] = s
	bad := s.key.set(l.config, s.items)
	l.config.origins[s.key.Name] = s.origin
	if bad != nil {
		l.errs = append(l.errs, s.problems(bad)...)
		return
	}
	if names, ok := l.choices[s.key.Name]; ok && !slices.Contains(names, s.items[0]) {
		problem := "unknown " + s.key.Leaf() + " " + setting.Quote(s.items[0])
		if nearest := spell.Nearest(s.items[0], names); nearest != "" {
			problem += "; did you mean " + nearest + "?"
		}
		l.errs = append(l.errs, s.problem(0, "%s; allowed: %s", problem, strings.Join(names, ", ")))
	}
}

// environment assigns the variables that name keys. A variable that is empty
// counts as not set.
func (l *loader) environment(environ []string) {
	values := map[string]string{}
	for _, e := range environ {
		if name, value, ok := strings.Cut(e, "="); ok && strings.HasPrefix(name, envPrefix) && value != "" {
			values[name] = value
		}
	}
	for _, k := range Keys() {
		if value, ok := values[k.Env()]; ok {
			l.assign(assignment{key: k, items: k.split(value), origin: k.Env()})
			delete(values, k.Env())
		}
	}
	l.unknownVariables(values)
}

// unknownVariables reports the variables that look like those of a key.
func (l *loader) unknownVariables(values map[string]string) {
	var known, sections []string
	for _, k := range Keys() {
		known = append(known, k.Env())
		top, _, _ := strings.Cut(k.Name, ".")
		sections = append(sections, envPrefix+strings.ToUpper(top)+"_")
	}
	var unknown []string
	for name := range values {
		if slices.ContainsFunc(sections, func(s string) bool { return strings.HasPrefix(name, s) }) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		problem := "no key has this variable; see 'wirelab config show'"
		if nearest := spell.Nearest(name, known); nearest != "" {
			problem = "no key has this variable; did you mean " + nearest + "?"
		}
		l.errs = append(l.errs, &setting.Error{Origin: name, Problem: problem})
	}
}

func (l *loader) flags(flags []Flag) {
	for _, f := range flags {
		k, ok := Lookup(f.Key)
		if !ok {
			l.errs = append(l.errs, &setting.Error{Origin: f.Name, Problem: "no key " + setting.Quote(f.Key)})
			continue
		}
		var items []string
		for _, v := range f.Values {
			items = append(items, k.split(v)...)
		}
		l.assign(assignment{key: k, items: items, origin: f.Name})
	}
}

// split takes apart what a variable or a flag gives for a list.
func (k Key) split(value string) []string {
	if !k.List {
		return []string{value}
	}
	items := []string{}
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// follow gives the keys that follow others, and are not set themselves, their
// values.
func (l *loader) follow() {
	for _, k := range Keys() {
		if _, set := l.latest[k.Name]; set || k.Follows == "" {
			continue
		}
		leader, _ := Lookup(k.Follows)
		k.set(l.config, leader.items(l.config))
		l.config.origins[k.Name] = k.Follows
	}
}

// checkPairs checks the keys that need each other.
func (l *loader) checkPairs() {
	for _, pair := range [][2]string{{"server.tls_cert", "server.tls_key"}, {"server.tls_key", "server.tls_cert"},
		{"server.ntp.nts_cert", "server.ntp.nts_key"}, {"server.ntp.nts_key", "server.ntp.nts_cert"}} {
		s, set := l.latest[pair[0]]
		other, _ := Lookup(pair[1])
		if set && s.items[0] != "" && other.items(l.config)[0] == "" {
			l.errs = append(l.errs, s.problem(0, "it is set but %s is not; TLS needs both, or neither and tls: true", pair[1]))
		}
	}
}
