package foreign

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"wirelab/firewall"
)

// A phrase is one rule becoming words.
type phrase struct {
	program *firewall.Program
	family  firewall.Family // that the rule is about

	protocols []uint8
	notProto  bool
	dports    []string
	notDports bool
	types     []string
	notTypes  bool
	code      string
	words     map[string]string // the other parts, by the word they begin with
	addressed bool              // an address says which family it is
}

// order is the order of a rule's parts.
var order = []string{"from", "to", "in", "out", "sport", "flags", "state", "status", "orig-port", "cast", "mark", "conn-mark"}

// rule writes a rule as a line of a policy. A rule with a concatenation or a verdict
// map becomes several.
func (w *writer) rule(p *firewall.Program, r *firewall.Rule) ([]string, error) {
	rules, err := unfold(p, r)
	if err != nil {
		return nil, err
	}
	var lines []string
	for i := range rules {
		line, err := w.line(p, &rules[i])
		if err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// unfold replaces verdict maps and sets of concatenations by a rule for each element.
func unfold(p *firewall.Program, r *firewall.Rule) ([]firewall.Rule, error) {
	for i, m := range r.Matches {
		if len(m.Concat) == 0 {
			continue
		}
		set := p.Set(m.Set)
		if m.Not || set == nil || r.Effects.Limit != nil {
			return nil, errors.New("a concatenation that has no words")
		}
		return unfoldSet(p, r, i, slices.Concat([]firewall.FieldID{m.Field}, m.Concat), set)
	}
	if len(r.Lookup.Fields) == 0 {
		return []firewall.Rule{*r}, nil
	}
	set := p.Set(r.Lookup.Set)
	if set == nil || r.Effects.Limit != nil || r.Effects.Log != nil {
		return nil, errors.New("a verdict map that has no words")
	}
	return unfoldSet(p, r, -1, r.Lookup.Fields, set)
}

// unfoldSet makes a rule of each element: in place of match at, or of the lookup.
func unfoldSet(p *firewall.Program, r *firewall.Rule, at int, fields []firewall.FieldID, set *firewall.Set) ([]firewall.Rule, error) {
	var rules []firewall.Rule
	for i := range set.Elements {
		e := &set.Elements[i]
		one := *r
		first, last := firewall.SplitKey(fields, e.From), firewall.SplitKey(fields, e.Last())
		var matches []firewall.Match
		for j, f := range fields {
			m := firewall.Match{Field: f, From: first[j]}
			if e.To != nil && string(first[j]) != string(last[j]) {
				m.To = last[j]
			}
			matches = append(matches, m)
		}
		if at >= 0 {
			one.Matches = slices.Replace(slices.Clone(r.Matches), at, at+1, matches...)
		} else {
			one.Matches = append(slices.Clip(r.Matches), matches...)
			one.Lookup, one.Verdict = firewall.Lookup{}, e.Verdict
		}
		more, err := unfold(p, &one)
		if err != nil {
			return nil, err
		}
		if rules = append(rules, more...); len(rules) > maxExpand {
			return nil, fmt.Errorf("it would become more than %d rules", maxExpand)
		}
	}
	return rules, nil
}

// line writes a rule without concatenations.
func (w *writer) line(p *firewall.Program, r *firewall.Rule) (string, error) {
	ph := &phrase{program: p, family: p.Family, words: map[string]string{}}
	for i := range r.Matches {
		if err := ph.match(&r.Matches[i]); err != nil {
			return "", err
		}
	}
	parts := []string{w.verb(p, r)}
	services, err := ph.services()
	if err != nil {
		return "", err
	}
	parts = append(parts, services...)
	for _, word := range order {
		if ph.words[word] != "" {
			parts = append(parts, w.spelling(word)+" "+ph.words[word])
		}
	}
	if w.family == firewall.AnyFamily && ph.family != firewall.AnyFamily && !ph.addressed {
		parts = append(parts, map[firewall.Family]string{firewall.IPv4: "ipv4", firewall.IPv6: "ipv6"}[ph.family])
	}
	effects, err := effectWords(&r.Effects)
	return strings.Join(append(parts, effects...), " "), err
}

// spelling returns the word of a part: "on" where that is the interface that packets
// come in by.
func (w *writer) spelling(word string) string {
	if word == "in" && w.hook != firewall.Output && w.hook != firewall.Postrouting {
		return "on"
	}
	return word
}

// verb writes the word that the rule begins with.
func (w *writer) verb(p *firewall.Program, r *firewall.Rule) string {
	if n := r.Effects.NAT; n != nil {
		return [...]string{"dnat", "snat", "masquerade", "redirect"}[n.Kind&3]
	}
	switch r.Verdict.Kind {
	case firewall.Jump, firewall.Goto:
		return r.Verdict.Kind.String() + " " + w.chainName(p, r.Verdict.Chain)
	case firewall.Reject:
		if a := r.Verdict.Answer; a != (firewall.Answer{Type: firewall.ICMPXAnswer, Code: firewall.ICMPXPortUnreachable}) {
			return "reject with " + a.AnswerName()
		}
	}
	return r.Verdict.Kind.String()
}

// match adds a match to the phrase.
func (ph *phrase) match(m *firewall.Match) error {
	if m.Unknown != "" {
		return errors.New(m.Unknown)
	}
	if f := m.Field.Info().Family; f == firewall.IPv4 || f == firewall.IPv6 {
		if err := ph.only(f); err != nil {
			return err
		}
	}
	switch m.Field {
	case firewall.NetworkProtocol:
		if m.Set != "" || m.Not || len(m.From) != 1 {
			return errors.New("a family that has no words")
		}
		return ph.only(firewall.Family(m.From[0]))
	case firewall.TransportProtocol, firewall.IPv4Protocol, firewall.IPv6NextHeader:
		return ph.protocol(m)
	case firewall.IPv4Source, firewall.IPv6Source:
		ph.addressed = ph.addressed || !m.Not
		return ph.list("from", m, false)
	case firewall.IPv4Destination, firewall.IPv6Destination:
		ph.addressed = ph.addressed || !m.Not
		return ph.list("to", m, false)
	case firewall.InInterface:
		return ph.list("in", m, false)
	case firewall.OutInterface:
		return ph.list("out", m, false)
	case firewall.SourceType:
		return ph.list("from", m, true)
	case firewall.DestinationType:
		return ph.list("to", m, true)
	case firewall.SourcePort:
		return ph.list("sport", m, true)
	case firewall.OriginalPort:
		return ph.list("orig-port", m, true)
	case firewall.PacketType:
		return ph.list("cast", m, false)
	}
	return ph.rest(m)
}

// rest adds the matches that have a form of their own.
func (ph *phrase) rest(m *firewall.Match) error {
	switch m.Field {
	case firewall.DestinationPort:
		values, err := ph.values(m)
		if err == nil && ph.dports != nil {
			err = errors.New("two conditions on the same ports")
		}
		ph.dports, ph.notDports = values, m.Not
		return err
	case firewall.ICMPType, firewall.ICMPv6Type:
		return ph.icmpType(m)
	case firewall.ICMPCode, firewall.ICMPv6Code:
		if m.Not || m.Set != "" || m.To != nil {
			return errors.New("codes of ICMP that have no words")
		}
		ph.code = m.Field.Format(m.From)
		return nil
	case firewall.ConnectionState:
		return ph.bits("state", m)
	case firewall.ConnectionStatus:
		return ph.bits("status", m)
	case firewall.TCPFlags:
		return ph.flags(m)
	case firewall.PacketMark:
		return ph.mark("mark", m)
	case firewall.ConnectionMark:
		return ph.mark("conn-mark", m)
	}
	return fmt.Errorf("%s has no words here", m.Field)
}

func (ph *phrase) only(f firewall.Family) error {
	if ph.family != firewall.AnyFamily && ph.family != f {
		return errors.New("it is of both families at once")
	}
	ph.family = f
	return nil
}

// values returns the values of a match as texts.
func (ph *phrase) values(m *firewall.Match) ([]string, error) {
	if m.Set == "" {
		v, err := valueText(m)
		return []string{v}, err
	}
	set := ph.program.Set(m.Set)
	if set == nil || set.Dynamic || len(set.Elements) == 0 || len(set.Key) != 1 {
		return nil, fmt.Errorf("the set %s has no words", m.Set)
	}
	var values []string
	for i := range set.Elements {
		e := &set.Elements[i]
		v, err := valueText(&firewall.Match{Field: m.Field, From: e.From, To: e.To})
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

// valueText writes one value, prefix or range.
func valueText(m *firewall.Match) (string, error) {
	f := m.Field
	row := f.Info()
	switch {
	case m.Mask != nil && (f == firewall.InInterface || f == firewall.OutInterface):
		bits, ok := firewall.PrefixLength(m.Mask)
		if !ok || bits%8 != 0 {
			return "", errors.New("a name behind a mask")
		}
		return f.Format(m.From[:bits/8]) + "*", nil
	case m.Mask != nil:
		bits, ok := firewall.PrefixLength(m.Mask)
		a, isAddress := netip.AddrFromSlice(m.From)
		if !ok || !isAddress || row.Family == 0 {
			return "", fmt.Errorf("%s behind a mask has no words", f)
		}
		return netip.PrefixFrom(a, bits).String(), nil
	case m.To != nil && row.Family != 0 && row.Width >= 4:
		a, _ := netip.AddrFromSlice(m.From)
		b, _ := netip.AddrFromSlice(m.To)
		return firewall.Range{First: a, Last: b}.String(), nil
	case m.To != nil:
		return f.Format(m.From) + "-" + f.Format(m.To), nil
	}
	text := f.Format(m.From)
	if text == "" || strings.ContainsAny(text, " ,!\"#") {
		return "", fmt.Errorf("%q has no words", text)
	}
	return text, nil
}

// list adds a part with a list. A second one of the same field can only exclude more.
func (ph *phrase) list(word string, m *firewall.Match, single bool) error {
	values, err := ph.values(m)
	if err != nil {
		return err
	}
	text := strings.Join(values, ", ")
	if m.Not {
		text = "not " + text
	}
	switch before := ph.words[word]; {
	case before == "" || before == text:
		ph.words[word] = text
	case m.Not && strings.HasPrefix(before, "not ") && !single:
		ph.words[word] = before + ", " + strings.TrimPrefix(text, "not ")
	default:
		return fmt.Errorf("two conditions on %s", m.Field)
	}
	return nil
}

func (ph *phrase) protocol(m *firewall.Match) error {
	var protocols []uint8
	switch {
	case m.Set != "":
		set := ph.program.Set(m.Set)
		if set == nil {
			return fmt.Errorf("the set %s has no words", m.Set)
		}
		for _, e := range set.Elements {
			if e.To != nil {
				return errors.New("a range of protocols")
			}
			protocols = append(protocols, e.From[0])
		}
	case m.To != nil || m.Mask != nil:
		return errors.New("a range of protocols")
	default:
		protocols = []uint8{m.From[0]}
	}
	switch {
	case ph.protocols == nil:
		ph.protocols, ph.notProto = protocols, m.Not
	case !ph.notProto && !m.Not && slices.Equal(ph.protocols, protocols):
	default:
		return errors.New("two conditions on the protocol")
	}
	if m.Not && len(protocols) > 1 {
		return errors.New("all protocols but several")
	}
	return nil
}

func (ph *phrase) icmpType(m *firewall.Match) error {
	if m.Mask != nil || ph.types != nil {
		return errors.New("types of ICMP that have no words")
	}
	values, err := ph.values(m)
	if m.To != nil {
		values = nil
		for n := int(m.From[0]); n <= int(m.To[0]); n++ {
			values = append(values, fmt.Sprint(n))
		}
	}
	if m.Not && len(values) > 1 {
		return errors.New("all types of ICMP but several")
	}
	ph.types, ph.notTypes = values, m.Not
	return err
}

// bits adds a test of states: any of some bits, or one value.
func (ph *phrase) bits(word string, m *firewall.Match) error {
	not := !m.Not
	names := ""
	switch {
	case m.Set != "":
		values, err := ph.values(m)
		if err != nil {
			return err
		}
		names, not = strings.Join(values, ","), m.Not
	case m.To != nil:
		return fmt.Errorf("a range of %s", m.Field)
	case m.Mask == nil:
		names, not = m.Field.Format(m.From), m.Not
	case m.Field.Number(m.From) != 0:
		return fmt.Errorf("%s behind a mask has no words", m.Field)
	default:
		names = m.Field.Format(m.Mask)
	}
	if names == "" || ph.words[word] != "" {
		return fmt.Errorf("%s has no words here", m.Field)
	}
	if not {
		names = "not " + names
	}
	ph.words[word] = names
	return nil
}

func (ph *phrase) flags(m *firewall.Match) error {
	if m.Set != "" || m.To != nil || ph.words["flags"] != "" {
		return errors.New("flags of TCP that have no words")
	}
	mask, value := byte(0xff), m.From[0]
	if m.Mask != nil {
		mask = m.Mask[0]
	}
	text := firewall.FlagNames(value) + " of " + firewall.FlagNames(mask)
	not := m.Not
	if value == 0 && m.Not {
		text, not = "any "+firewall.FlagNames(mask), false
	}
	if not {
		text = "not " + text
	}
	ph.words["flags"] = text
	return nil
}

func (ph *phrase) mark(word string, m *firewall.Match) error {
	if m.Set != "" || m.To != nil || ph.words[word] != "" {
		return errors.New("marks that have no words")
	}
	text := m.Field.Format(m.From)
	if m.Mask != nil {
		text += "/" + m.Field.Format(m.Mask)
	}
	if m.Not {
		text = "not " + text
	}
	ph.words[word] = text
	return nil
}

// services writes the protocols with their ports and types.
func (ph *phrase) services() ([]string, error) {
	if len(ph.protocols) == 0 {
		if ph.dports != nil || ph.words["sport"] != "" || ph.types != nil {
			return nil, errors.New("ports or types without a protocol")
		}
		return nil, nil
	}
	if ph.notProto {
		if ph.dports != nil || ph.types != nil {
			return nil, errors.New("ports of all protocols but one")
		}
		return []string{"not " + firewall.Service{Protocol: ph.protocols[0], Type: -1}.String()}, nil
	}
	var all []string
	for _, protocol := range ph.protocols {
		name := firewall.Service{Protocol: protocol, Type: -1}.String()
		switch {
		case ph.dports != nil && !firewall.HasPorts(protocol):
			return nil, fmt.Errorf("ports of %s", name)
		case ph.dports != nil:
			not := ""
			if ph.notDports {
				not = "!"
			}
			all = append(all, name+"/"+not+strings.Join(ph.dports, ","))
		case ph.types != nil:
			all = append(all, ph.typeWords(name)...)
		default:
			all = append(all, name)
		}
	}
	return []string{strings.Join(all, ", ")}, nil
}

func (ph *phrase) typeWords(name string) []string {
	var all []string
	for _, t := range ph.types {
		text := name + "/" + t
		if ph.notTypes {
			text = name + "/!" + t
		}
		if ph.code != "" {
			text += "/" + ph.code
		}
		all = append(all, text)
	}
	return all
}
