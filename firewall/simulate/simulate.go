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
	chains  map[string]*firewall.Chain
	sets    map[string]*firewall.Set
}

// A base is a chain that the kernel enters by itself.
type base struct {
	table *table
	chain *firewall.Chain
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
		t.chains = make(map[string]*firewall.Chain, len(p.Chains))
		t.sets = make(map[string]*firewall.Set, len(p.Sets))
		for j := range p.Chains {
			c := &p.Chains[j]
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
	main   bool // the hook whose rules decide: input, forward or output
	nat    bool // an address was changed at this hook
	local  bool // and it was redirected to this host
	value  [16]byte
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
		v, ok := r.packet.load(f, &r.rows[f], &r.value)
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

// holds reports whether a match does, and whether that is certain.
func (r *run) holds(m *firewall.Match) bool {
	if m.Set != "" {
		var buffer [80]byte
		key, ok := r.key(m.Concat, m.Field, buffer[:0])
		set := r.table.sets[m.Set]
		return ok && set != nil && (r.find(set, key) != nil) != m.Not
	}
	v, ok := r.packet.load(m.Field, &r.rows[m.Field], &r.value)
	if !ok {
		return false
	}
	return r.compare(m, v) != m.Not
}

// compare reports what a match without a set says of a value, before Not.
func (s *Simulator) compare(m *firewall.Match, v []byte) bool {
	switch {
	case m.To != nil && s.rows[m.Field].Host:
		n := m.Field.Number(v)
		return m.Field.Number(m.From) <= n && n <= m.Field.Number(m.To)
	case m.To != nil:
		return bytes.Compare(m.From, v) <= 0 && bytes.Compare(v, m.To) <= 0
	case m.Mask == nil:
		return bytes.Equal(v, m.From)
	}
	for i := range v {
		if v[i]&m.Mask[i] != m.From[i] {
			return false
		}
	}
	return true
}

// matches runs the matches of a rule. Of one that fails it goes on, to tell whether
// the rule nearly matched.
func (r *run) matches(c *firewall.Chain, rule *firewall.Rule) bool {
	var missed *firewall.Match
	unknown := false
	for i := range rule.Matches {
		m := &rule.Matches[i]
		if m.Unknown != "" {
			unknown = true
			continue
		}
		if r.holds(m) {
			continue
		}
		if missed != nil {
			return false
		}
		missed = m
	}
	switch {
	case missed != nil:
		if !unknown {
			r.nearly(c, rule, missed)
		}
		return false
	case unknown:
		r.answer.uncertain(r.step(c, rule, nil), "it has a match that is not known here")
		return false
	}
	return true
}

// chain runs the rules of a chain and returns its verdict: Accept, Drop, Reject, or
// Continue where it came to its end.
func (r *run) chain(c *firewall.Chain, depth int) firewall.VerdictKind {
	for i := range c.Rules {
		rule := &c.Rules[i]
		if !r.matches(c, rule) || !r.effects(c, rule) {
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
