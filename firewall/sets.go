package firewall

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"wirelab/internal/setting"
)

// addressSet returns the name of the set with the ranges. That of a single net is
// called after it; others after what they hold, so that they keep their name.
func (c *compiler) addressSet(f FieldID, ranges []Range, from Ends) string {
	suffix := "_4"
	if f.Info().Family == IPv6 {
		suffix = "_6"
	}
	if len(from.Nets) == 1 && from.Nets[0] != "" {
		return c.set(Set{Name: from.Nets[0] + suffix, Key: []FieldID{f}}, func(s *Set) { c.addressElements(s, ranges) })
	}
	ranges = join(slices.Clone(ranges))
	h := fnv.New64a()
	for _, r := range ranges {
		fmt.Fprint(h, r.First, r.Last)
	}
	return c.set(Set{Name: fmt.Sprintf("addresses%s_%08x", suffix, uint32(h.Sum64())), Key: []FieldID{f}}, func(s *Set) { c.addressElements(s, ranges) })
}

// set adds a set, unless it is there already. Sets of both ends share their elements' type.
func (c *compiler) set(s Set, fill func(*Set)) string {
	if _, there := c.sets[s.Name]; !there {
		c.sets[s.Name] = 1
		fill(&s)
		c.program.Sets = append(c.program.Sets, s)
	}
	return s.Name
}

func (c *compiler) addressElements(s *Set, ranges []Range) {
	ranges = join(slices.Clone(ranges))
	s.Elements = make([]Element, 0, len(ranges))
	for _, r := range ranges {
		e := Element{From: c.keys.address(r.First)}
		if r.First != r.Last {
			e.To = c.keys.address(r.Last)
			s.Interval = true
		}
		e.Hash = e.sum()
		s.Elements = append(s.Elements, e)
	}
}

// numberSet returns the name of a set of ports or of types.
func (c *compiler) numberSet(f FieldID, ranges []PortRange) string {
	kind := map[FieldID]string{SourcePort: "ports", DestinationPort: "ports", OriginalPort: "ports", ICMPType: "types", ICMPv6Type: "types6", PacketType: "casts"}[f]
	s := Set{Name: fmt.Sprintf("%s_%08x", kind, uint32(sumOf(ranges))), Key: []FieldID{f}}
	return c.set(s, func(s *Set) {
		for _, r := range ranges {
			e := Element{From: c.number(f, r.First)}
			if r.First != r.Last {
				e.To = c.number(f, r.Last)
				s.Interval = true
			}
			e.Hash = e.sum()
			s.Elements = append(s.Elements, e)
		}
	})
}

func (c *compiler) number(f FieldID, n uint16) []byte {
	if f.Info().Width == 1 {
		return []byte{byte(n)}
	}
	return c.keys.port(n)
}

// nameSet returns the name of a set of interfaces.
func (c *compiler) nameSet(f FieldID, names []string) string {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	s := Set{Name: fmt.Sprintf("interfaces_%08x", uint32(sumOf(names))), Key: []FieldID{f}}
	return c.set(s, func(s *Set) {
		for _, name := range names {
			value, _ := InterfaceName(name)
			e := Element{From: value}
			e.Hash = e.sum()
			s.Elements = append(s.Elements, e)
		}
	})
}

// dynamicSet returns the name of a set for a limit of each source. Two limits share
// none; a limit keeps its own when other lines move.
func (c *compiler) dynamicSet(chain *PolicyChain, rule *Clause, limit *Limit) string {
	name := fmt.Sprintf("limit_%08x", uint32(sumOf([]any{chain.Name, rule.Value.Text, limit.Source})))
	if c.sets[name]++; c.sets[name] > 1 {
		name = fmt.Sprintf("%s_%d", name, c.sets[name])
	}
	refill := time.Duration(float64(limit.Per) / float64(limit.Rate) * float64(limit.Burst))
	c.program.Sets = append(c.program.Sets, Set{
		Name: name, Key: []FieldID{limit.Source}, Dynamic: true, Size: 65535, Place: rule.Value.Place,
		Timeout: max(time.Minute, min(2*refill, 30*24*time.Hour)).Round(time.Second),
	})
	return name
}

// merge appends the rules, with one rule and a verdict map for adjacent ones that look
// at the same fields in the same way. The order is kept: a rule that an earlier one of the
// map overlaps begins the next.
func (c *compiler) merge(merged []Rule, chain *PolicyChain, rules []Rule) []Rule {
	merged = slices.Grow(merged, len(rules))
	shapes := make([]string, len(rules)+1)
	for i := range rules {
		shapes[i] = rules[i].shape()
	}
	for i := 0; i < len(rules); {
		shape, end := shapes[i], i
		if group := (mapGroup{compiler: c}); shape != "" && shapes[i+1] == shape {
			for end < len(rules) && shapes[end] == shape && group.add(&rules[end]) {
				end++
			}
			if end-i > 1 {
				merged = append(merged, group.rule(chain, rules[i:end], shape))
				i = end
				continue
			}
		}
		merged = append(merged, rules[i])
		i++
	}
	return merged
}

// inMap reports whether a match can become part of a map's key.
func (m *Match) inMap() bool {
	if m.Set != "" || m.Not {
		return false
	}
	switch m.Field {
	case IPv4Source, IPv4Destination, IPv6Source, IPv6Destination, SourcePort, DestinationPort, ICMPType, ICMPv6Type:
		return true
	}
	return false
}

// shape describes all of a rule but the values in a map's key; rules of one shape
// can share a map. It is empty for rules that cannot.
func (r *Rule) shape() string {
	e := &r.Effects
	if e.Limit != nil || e.Log != nil || e.NAT != nil || e.ClampMSS || r.Verdict.Kind == Reject || r.Verdict.Kind == Continue {
		return ""
	}
	b := make([]byte, 0, 64)
	keys := 0
	for i := range r.Matches {
		m := &r.Matches[i]
		if m.inMap() {
			b = append(b, 'k', byte(m.Field))
			keys++
			continue
		}
		b = m.encode(b)
	}
	if keys == 0 {
		return ""
	}
	if e.Counter {
		b = append(b, 'c')
	}
	return string(b)
}

// A mapGroup is rules becoming one map.
type mapGroup struct {
	compiler *compiler
	fields   []FieldID
	elements []Element
	exact    map[string]bool
	ranges   bool
}

// maxRanges bounds the elements of a map with ranges: each is compared with all.
const maxRanges = 256

// add adds a rule as an element, unless an element overlaps it.
func (g *mapGroup) add(r *Rule) bool {
	e := g.element(r)
	if e.To == nil && !g.ranges {
		if g.exact == nil {
			g.exact = map[string]bool{}
		}
		if g.exact[string(e.From)] {
			return false
		}
	} else if len(g.elements) >= maxRanges || slices.ContainsFunc(g.elements, func(o Element) bool { return g.overlap(&o, &e) }) {
		return false
	}
	if e.To == nil && g.exact != nil {
		g.exact[string(e.From)] = true
	}
	g.ranges = g.ranges || e.To != nil
	g.elements = append(g.elements, e)
	return true
}

// element makes the element of a rule.
func (g *mapGroup) element(r *Rule) Element {
	if g.fields == nil {
		for i := range r.Matches {
			if r.Matches[i].inMap() {
				g.fields = append(g.fields, r.Matches[i].Field)
			}
		}
	}
	size := KeySize(g.fields)
	e := Element{From: g.compiler.keys.bytes(size), Verdict: r.Verdict, Place: r.Place, Text: r.Text}
	to := g.compiler.keys.bytes(size)
	at := 0
	for i := range r.Matches {
		if m := &r.Matches[i]; m.inMap() {
			first, last := m.Bounds()
			copy(e.From[at:], first)
			copy(to[at:], last)
			at += padded(len(first))
		}
	}
	if !bytes.Equal(e.From, to) {
		e.To = to
	}
	e.Hash = e.sum()
	return e
}

// Bounds returns the first and the last value that a match of a map's key holds for.
func (m *Match) Bounds() (first, last []byte) {
	switch {
	case m.To != nil:
		return m.From, m.To
	case m.Mask == nil:
		return m.From, m.From
	}
	last = slices.Clone(m.From)
	for i := range last {
		last[i] |= ^m.Mask[i]
	}
	return m.From, last
}

func padded(n int) int { return (n + 3) &^ 3 }

// KeySize returns the length of a key of these fields in an Element.
func KeySize(fields []FieldID) int {
	if len(fields) == 1 {
		return fields[0].Info().Width
	}
	size := 0
	for _, f := range fields {
		size += padded(f.Info().Width)
	}
	return size
}

// overlap reports whether some key is in both elements.
func (g *mapGroup) overlap(a, b *Element) bool {
	at := 0
	for _, f := range g.fields {
		end := at + f.Info().Width
		aTo, bTo := a.Last()[at:end], b.Last()[at:end]
		if bytes.Compare(aTo, b.From[at:end]) < 0 || bytes.Compare(bTo, a.From[at:end]) < 0 {
			return false
		}
		at += padded(f.Info().Width)
	}
	return true
}

// Last returns the last key.
func (e *Element) Last() []byte {
	if e.To == nil {
		return e.From
	}
	return e.To
}

// rule adds the map of the group and returns the rule that looks it up.
func (g *mapGroup) rule(chain *PolicyChain, rules []Rule, shape string) Rule {
	first := &rules[0]
	slices.SortFunc(g.elements, func(a, b Element) int { return bytes.Compare(a.From, b.From) })
	name := g.name(chain, shape)
	g.compiler.program.Sets = append(g.compiler.program.Sets, Set{
		Name: name, Key: g.fields, Interval: g.ranges, Verdicts: true, Counters: first.Effects.Counter, Elements: g.elements, Place: first.Place,
	})
	rule := Rule{Lookup: Lookup{Fields: g.fields, Set: name}, Place: first.Place, Text: fmt.Sprintf("%d rules from %s on", len(rules), lineOf(first.Place))}
	for _, m := range first.Matches {
		if !m.inMap() {
			rule.Matches = append(rule.Matches, m)
		}
	}
	rule.Hash = rule.sum()
	return rule
}

// name names the map after its chain and its shape. One of ranges has its elements in its
// name, too: the kernel does not change those at the same moment as rules, so that with
// other elements it is another map, which is filled before the rules change.
func (g *mapGroup) name(chain *PolicyChain, shape string) string {
	name := fmt.Sprintf("%s_%08x", chain.Name, uint32(sumOf(shape)))
	if g.ranges {
		sum := uint64(0)
		for i := range g.elements {
			sum = sum*31 + g.elements[i].Hash
		}
		name = fmt.Sprintf("%s_%08x", name, uint32(sum))
	}
	if g.compiler.sets[name]++; g.compiler.sets[name] > 1 {
		name = fmt.Sprintf("%s_%d", name, g.compiler.sets[name])
	}
	return name
}

func lineOf(p setting.Place) string { return fmt.Sprintf("line %d", p.Line) }
