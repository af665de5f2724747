package kernel

import (
	"slices"
	"strings"

	"wirelab/firewall"
)

// The kernel keeps two copies of the elements of a set of ranges, and exchanges them after
// it has put all rules of a change in force: until then new rules would find a new set
// empty, and one that stays with other elements than theirs. Hence a transaction of its own makes
// new sets before that of the rules, and maps get another name when their elements change.

// stem returns the name of a map of ranges without the sum of its elements.
func stem(name string) string { return name[:max(0, strings.LastIndexByte(name, '_'))] }

// prior are the elements of maps of one stem that go.
type prior struct {
	elements  map[string]*firewall.Element // by signature: those that nobody took over
	successor string                       // the map that comes instead, "" if none does
}

// successor returns the map that comes in place of one that goes, "" if none does.
func (all priors) successor(name string) string {
	if of := all[stem(name)]; of != nil {
		return of.successor
	}
	return ""
}

// priors are those of each stem.
type priors map[string]*prior

// goes reports whether a set of the kernel is not wanted. A set without a name goes with
// its rule.
func (p *Plan) goes(index int) bool {
	name := p.live.Program.Sets[index].Name
	return p.sets.of(p.want.Sets, name) == nil && p.live.sets[index].flags&setAnonymous == 0
}

// leaving returns the elements of all maps of ranges that go.
func (p *Plan) leaving() priors {
	all := priors{}
	for i := range p.live.Program.Sets {
		s := &p.live.Program.Sets[i]
		if !p.goes(i) || !s.Verdicts || !p.live.sets[i].twofold() || p.live.sets[i].unknown {
			continue
		}
		of := all[stem(s.Name)]
		if of == nil {
			of = &prior{elements: map[string]*firewall.Element{}}
			all[stem(s.Name)] = of
		}
		for j := range s.Elements {
			of.elements[elementSignature(&s.Elements[j])] = &s.Elements[j]
		}
	}
	return all
}

// replace adds a map in place of others. Elements that were in those take along
// what they have counted.
func (p *Plan) replace(want *firewall.Set, of *prior) {
	of.successor = want.Name
	elements := slices.Clone(want.Elements)
	for i := range elements {
		e := &elements[i]
		signature := elementSignature(e)
		if kept := of.elements[signature]; kept != nil {
			e.Seen = kept.Seen
			delete(of.elements, signature)
			p.keep(true, kept.Place, e.Place)
		} else {
			p.elementChange(Add, want.Name, e)
		}
	}
	p.addSets = append(p.addSets, want)
	p.addElements = append(p.addElements, elementStep{want, pointers(elements)})
}

// told tells of the elements of a map that went for good, and reports whether another map
// comes in its place.
func (all priors) told(p *Plan, s *firewall.Set) bool {
	successor := all.successor(s.Name)
	for i := range s.Elements {
		if e := &s.Elements[i]; successor != "" && all[stem(s.Name)].elements[elementSignature(e)] == e {
			p.elementChange(Remove, successor, e)
		}
	}
	return successor != ""
}

// prepare puts ahead the new sets of ranges, with the chains that their elements may name.
func (p *Plan) prepare() {
	ahead := func(s *firewall.Set) bool {
		d := define(s)
		return d.twofold() && !slices.Contains(p.dropSets, s.Name)
	}
	jumped := func(c *firewall.Chain) bool { return c.Hook == firewall.NoHook }
	anew := slices.ContainsFunc(p.addChains, func(c *firewall.Chain) bool { return slices.Contains(p.dropChains, c.Name) })
	if anew || !slices.ContainsFunc(p.addSets, ahead) {
		return
	}
	p.ahead.table = !p.live.Exists
	p.ahead.addSets, p.addSets = split(p.addSets, ahead)
	p.ahead.addElements, p.addElements = split(p.addElements, func(e elementStep) bool { return slices.Contains(p.ahead.addSets, e.set) })
	p.ahead.addChains, p.addChains = split(p.addChains, jumped)
}

// split returns those for which a condition holds, and the others.
func split[T any](all []T, holds func(T) bool) (these, others []T) {
	for _, one := range all {
		if holds(one) {
			these = append(these, one)
		} else {
			others = append(others, one)
		}
	}
	return these, others
}
