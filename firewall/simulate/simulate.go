// Package simulate answers what a firewall does with a packet, without a kernel:
// it runs a [firewall.Program] as the kernel would, one packet at a time.
package simulate

import (
	"bytes"
	"cmp"
	"slices"
	"sort"

	"wirelab/firewall"
)

// A Simulator runs packets through programs. It may be asked by several goroutines
// at once; the programs must not change meanwhile.
type Simulator struct {
	host  Host
	rules []table
	bases [firewall.Postrouting + 1][]base // by hook, in the kernel's order
	rows  []firewall.Field                 // of the table of fields
}

// A table is a program with its names resolved.
type table struct {
	program *firewall.Program
	chains  map[string]*chain
	sets    map[string]*firewall.Set
}

// A base is a chain that the kernel enters by itself.
type base struct {
	table *table
	chain *chain
}

// New returns a simulator of the programs on the host: that of one policy, or all
// tables of a kernel.
func New(host Host, programs ...*firewall.Program) *Simulator {
	s := &Simulator{host: host, rules: make([]table, len(programs)), rows: make([]firewall.Field, 1)}
	for _, f := range firewall.Fields() {
		s.rows = append(s.rows, *f.Info())
	}
	for i, p := range programs {
		t := &s.rules[i]
		t.program = p
		t.chains = make(map[string]*chain, len(p.Chains))
		t.sets = make(map[string]*firewall.Set, len(p.Sets))
		for j := range p.Chains {
			c := s.compile(&p.Chains[j])
			t.chains[c.Name] = c
			if c.Hook != firewall.NoHook {
				s.bases[c.Hook] = append(s.bases[c.Hook], base{t, c})
			}
		}
		for j := range p.Sets {
			t.sets[p.Sets[j].Name] = sorted(&p.Sets[j])
		}
	}
	for _, list := range s.bases {
		slices.SortStableFunc(list, func(a, b base) int { return cmp.Compare(a.chain.Priority, b.chain.Priority) })
	}
	return s
}

// sorted returns the set with its elements in the order that find needs.
func sorted(s *firewall.Set) *firewall.Set {
	inOrder := func(a, b firewall.Element) int { return bytes.Compare(a.From, b.From) }
	if slices.IsSortedFunc(s.Elements, inOrder) {
		return s
	}
	c := *s
	c.Elements = slices.Clone(s.Elements)
	slices.SortStableFunc(c.Elements, inOrder)
	return &c
}

// find returns the element that holds the key, or nil.
func (s *Simulator) find(set *firewall.Set, key []byte) *firewall.Element {
	if len(set.Key) > 1 && set.Interval {
		return s.findInRanges(set, key)
	}
	n := sort.Search(len(set.Elements), func(i int) bool { return bytes.Compare(set.Elements[i].From, key) > 0 })
	if n == 0 {
		return nil
	}
	e := &set.Elements[n-1]
	if bytes.Equal(e.From, key) || e.To != nil && bytes.Compare(key, e.To) <= 0 {
		return e
	}
	return nil
}

// findInRanges looks at each element, for its ranges hold by field.
func (s *Simulator) findInRanges(set *firewall.Set, key []byte) *firewall.Element {
	for i := range set.Elements {
		if missed, _ := s.misses(set, &set.Elements[i], key, 0); missed == 0 {
			return &set.Elements[i]
		}
	}
	return nil
}

// misses counts the fields of a concatenation that an element does not hold, up to
// most+1, and returns the last of them.
func (s *Simulator) misses(set *firewall.Set, e *firewall.Element, key []byte, most int) (int, firewall.FieldID) {
	missed, last, at := 0, firewall.NoField, 0
	to := e.To
	if to == nil {
		to = e.From
	}
	for _, f := range set.Key {
		width := s.rows[f].Width
		v := key[at : at+width]
		if bytes.Compare(v, e.From[at:at+width]) < 0 || bytes.Compare(v, to[at:at+width]) > 0 {
			missed, last = missed+1, f
			if missed > most {
				break
			}
		}
		at += (width + 3) &^ 3
	}
	return missed, last
}

// A run is one packet on its way.
type run struct {
	*Simulator
	packet *packet
	answer *Answer
	table  *table
	hook   firewall.Hook
	main   bool                       // the hook whose rules decide: input, forward or output
	nat    bool                       // an address was changed at this hook
	local  bool                       // and it was redirected to this host
	values [firewall.FieldLimit]value // that were loaded at this hook
}

// A value is a field of the packet as it is at the present hook.
type value struct {
	bytes  []byte
	word   word
	loaded bool
	ok     bool
	buffer [16]byte
}

// load returns the value of a field, and whether it can be loaded.
func (r *run) load(f firewall.FieldID) ([]byte, bool) {
	v := r.valueOf(f)
	return v.bytes, v.ok
}

// valueOf asks the packet for a field, once at each hook.
func (r *run) valueOf(f firewall.FieldID) *value {
	v := &r.values[f]
	if !v.loaded {
		v.bytes, v.ok = r.packet.load(f, &r.rows[f], &v.buffer)
		v.word, v.loaded = wordOf(v.bytes), true
	}
	return v
}

// forget makes load ask the packet again, which has changed.
func (r *run) forget() {
	for i := range r.values {
		r.values[i].loaded = false
	}
}

// key loads fields as the kernel loads a concatenation into registers.
func (r *run) key(fields []firewall.FieldID, first firewall.FieldID, key []byte) ([]byte, bool) {
	all := len(fields)
	if first != firewall.NoField {
		all++
	}
	for i := range all {
		f := first
		if first == firewall.NoField {
			f = fields[i]
		} else if i > 0 {
			f = fields[i-1]
		}
		v, ok := r.load(f)
		if !ok {
			return nil, false
		}
		key = append(key, v...)
		for all > 1 && len(key)%4 != 0 {
			key = append(key, 0)
		}
	}
	return key, true
}

// holds reports whether a match does that has no quick form.
func (r *run) holds(m *firewall.Match) bool {
	if m.Set != "" {
		var buffer [80]byte
		key, ok := r.key(m.Concat, m.Field, buffer[:0])
		set := r.table.sets[m.Set]
		return ok && set != nil && (r.find(set, key) != nil) != m.Not
	}
	v, ok := r.load(m.Field)
	return ok && inHostOrder(m, v) != m.Not
}

// inHostOrder reports whether a number in the machine's own order is in a range.
func inHostOrder(m *firewall.Match, v []byte) bool {
	n := m.Field.Number(v)
	return m.Field.Number(m.From) <= n && n <= m.Field.Number(m.To)
}

// matches runs the matches of a rule, of which ops is the quick form. Of one that
// fails it goes on, to tell whether the rule nearly matched.
func (r *run) matches(c *chain, rule *firewall.Rule, ops []op) bool {
	missed, unknown := -1, false
	for i := range ops {
		o := &ops[i]
		if o.kind == other && rule.Matches[i].Unknown != "" {
			unknown = true
			continue
		}
		if o.kind != other {
			if v := r.valueOf(o.field); v.ok && o.holds(v.word) {
				continue
			}
		} else if r.holds(&rule.Matches[i]) {
			continue
		}
		if missed >= 0 {
			return false
		}
		missed = i
	}
	switch {
	case missed >= 0:
		if !unknown {
			r.nearly(c.Chain, rule, &rule.Matches[missed])
		}
		return false
	case unknown:
		r.answer.uncertain(r.step(c.Chain, rule, nil), "it has a match that is not known here")
		return false
	}
	return true
}

// chain runs the rules of a chain and returns its verdict: Accept, Drop, Reject, or
// Continue where it came to its end.
func (r *run) chain(from *chain, depth int) firewall.VerdictKind {
	c, begin := from.Chain, uint32(0)
	for i := range c.Rules {
		rule := &c.Rules[i]
		ops := from.ops[begin:from.ends[i]]
		begin = from.ends[i]
		if !r.matches(from, rule, ops) || !r.effects(c, rule) {
			continue
		}
		verdict, element := rule.Verdict, (*firewall.Element)(nil)
		if len(rule.Lookup.Fields) > 0 {
			if element = r.lookup(c, rule); element == nil {
				continue
			}
			verdict = element.Verdict
		}
		r.answer.Steps = append(r.answer.Steps, r.step(c, rule, element))
		switch verdict.Kind {
		case firewall.Continue:
			if r.nat {
				return firewall.Accept
			}
		case firewall.Accept, firewall.Drop, firewall.Reject:
			r.decide(r.step(c, rule, element), verdict)
			return verdict.Kind
		case firewall.Return:
			return firewall.Continue
		case firewall.Jump, firewall.Goto:
			target := r.table.chains[verdict.Chain]
			if target == nil || depth >= 16 {
				return firewall.Drop
			}
			if kind := r.chain(target, depth+1); kind != firewall.Continue || verdict.Kind == firewall.Goto {
				return kind
			}
		}
	}
	return firewall.Continue
}

// lookup returns the element of the rule's verdict map that the packet has.
func (r *run) lookup(c *firewall.Chain, rule *firewall.Rule) *firewall.Element {
	var buffer [80]byte
	key, ok := r.key(rule.Lookup.Fields, firewall.NoField, buffer[:0])
	set := r.table.sets[rule.Lookup.Set]
	if !ok || set == nil {
		return nil
	}
	if e := r.find(set, key); e != nil {
		return e
	}
	if len(set.Key) > 1 {
		r.nearlyInMap(c, rule, set, key)
	}
	return nil
}

// effects runs what a rule does beside its verdict, and reports whether its limit
// let the packet on.
func (r *run) effects(c *firewall.Chain, rule *firewall.Rule) bool {
	e := &rule.Effects
	if e.Limit != nil {
		if e.Limit.Over {
			return false
		}
		r.answer.note(r.step(c, rule, nil), "its limit holds for the first packets; beyond it the next rule decides")
	}
	for _, u := range e.Unknown {
		r.answer.uncertain(r.step(c, rule, nil), "it does what is not known here: "+u)
	}
	if e.NAT != nil {
		r.translate(e.NAT)
	}
	return true
}

// decide keeps what decided, if this is where verdicts are final.
func (r *run) decide(at Step, v firewall.Verdict) {
	if r.main || v.Kind != firewall.Accept {
		r.answer.By = at
		r.answer.Hook = r.hook
		r.answer.with = v.Answer
	}
}
