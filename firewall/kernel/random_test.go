package kernel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"wirelab/firewall"
	"wirelab/internal/setting"
)

// generator makes random programs with every kind of part that a Program has.
type generator struct {
	*rand.Rand
	program *firewall.Program
	line    int
}

func newGenerator(seed uint64) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 1))}
}

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) place() setting.Place {
	g.line++
	return setting.Place{File: "wirelab.yaml", Line: g.line, Column: 7}
}

// next returns a random program.
func (g *generator) next() *firewall.Program {
	g.line = 0
	g.program = &firewall.Program{Family: firewall.AnyFamily, Table: "wirelab"}
	g.program.Sets = []firewall.Set{
		g.set("net4", false, firewall.IPv4Source),
		g.set("net6", false, firewall.IPv6Destination),
		g.set("ports", false, firewall.DestinationPort),
		g.set("pairs", false, firewall.IPv4Source, firewall.DestinationPort),
		g.set("links", false, firewall.InInterface),
		g.set("map4", true, firewall.IPv4Source),
		g.set("mapports", true, firewall.TransportProtocol, firewall.DestinationPort),
		{Name: "limits", Key: []firewall.FieldID{firewall.IPv4Source}, Dynamic: true, Size: 1000 + g.Uint32N(2), Timeout: time.Minute},
		{Name: "limits6", Key: []firewall.FieldID{firewall.IPv6Source}, Dynamic: true, Size: 1000, Timeout: time.Minute},
	}
	g.program.Chains = []firewall.Chain{
		g.base("in", firewall.Input), g.base("out", firewall.Output), g.base("forward", firewall.Forward),
		{Name: "sub", Rules: g.rules(firewall.NoHook, g.IntN(4))},
		{Name: "nat", Hook: pick(g, firewall.Prerouting, firewall.Postrouting), Type: firewall.NATChain, Priority: -100, Policy: firewall.Accept},
	}
	g.program.Chains[4].Rules = g.natRules(g.program.Chains[4].Hook)
	g.program.Rehash()
	return g.program
}

func (g *generator) base(name string, hook firewall.Hook) firewall.Chain {
	return firewall.Chain{Name: name, Hook: hook, Policy: pick(g, firewall.Accept, firewall.Drop), Rules: g.rules(hook, g.IntN(12))}
}

func (g *generator) rules(hook firewall.Hook, count int) (rules []firewall.Rule) {
	for range count {
		rules = append(rules, g.rule(hook))
	}
	return rules
}

// rule returns a rule of a filter chain.
func (g *generator) rule(hook firewall.Hook) firewall.Rule {
	r := firewall.Rule{Place: g.place(), Text: fmt.Sprint("rule ", g.line), Hash: g.Uint64()}
	family := pick(g, firewall.AnyFamily, firewall.IPv4, firewall.IPv6)
	if family != firewall.AnyFamily {
		r.Matches = append(r.Matches, exactly(firewall.NetworkProtocol, byte(family)))
	}
	protocol := pick[byte](g, 0, 6, 17)
	if protocol != 0 {
		r.Matches = append(r.Matches, exactly(firewall.TransportProtocol, protocol))
	}
	for range g.IntN(3) {
		r.Matches = append(r.Matches, g.match(family, protocol, hook))
	}
	r.Effects = g.effects(family, protocol, hook)
	switch {
	case g.chance(15) && protocol != 0:
		r.Lookup = firewall.Lookup{Fields: []firewall.FieldID{firewall.TransportProtocol, firewall.DestinationPort}, Set: "mapports"}
	case g.chance(10) && family == firewall.IPv4:
		r.Lookup = firewall.Lookup{Fields: []firewall.FieldID{firewall.IPv4Source}, Set: "map4"}
	default:
		r.Verdict = g.verdict(hook, protocol)
	}
	return r
}

func exactly(f firewall.FieldID, value ...byte) firewall.Match {
	return firewall.Match{Field: f, From: value}
}

func (g *generator) verdict(hook firewall.Hook, protocol byte) firewall.Verdict {
	switch g.IntN(8) {
	case 0:
		if hook != firewall.NoHook {
			return firewall.Verdict{Kind: pick(g, firewall.Jump, firewall.Goto), Chain: "sub"}
		}
		return firewall.Verdict{Kind: firewall.Return}
	case 1:
		return firewall.Verdict{Kind: firewall.Continue}
	case 2:
		answer := firewall.Answer{Type: firewall.ICMPXAnswer, Code: byte(g.IntN(4))}
		if protocol == 6 {
			answer = firewall.Answer{Type: firewall.ResetAnswer}
		}
		return firewall.Verdict{Kind: firewall.Reject, Answer: answer}
	case 3, 4:
		return firewall.Verdict{Kind: firewall.Drop}
	}
	return firewall.Verdict{Kind: firewall.Accept}
}

// match returns a match that needs no more of the rule than family and protocol.
func (g *generator) match(family firewall.Family, protocol byte, hook firewall.Hook) firewall.Match {
	var m firewall.Match
	switch g.IntN(9) {
	case 0:
		bits := pick[uint32](g, firewall.StateNew, firewall.StateEstablished, firewall.StateEstablished|firewall.StateRelated, firewall.StateInvalid)
		width := binary.NativeEndian.AppendUint32(nil, bits)
		return firewall.Match{Field: firewall.ConnectionState, Mask: width, From: make([]byte, 4), Not: g.chance(80)}
	case 1:
		return g.name(hook)
	case 2:
		return g.mark()
	case 3:
		return firewall.Match{Field: firewall.SourceType, From: binary.NativeEndian.AppendUint32(nil, firewall.AddressUnicast), Not: g.chance(50)}
	case 4, 5:
		if protocol == 0 {
			return g.mark()
		}
		m = g.value(pick(g, firewall.SourcePort, firewall.DestinationPort))
		if g.chance(25) {
			m = firewall.Match{Field: firewall.DestinationPort, Set: "ports"}
		}
		if g.chance(20) && family == firewall.IPv4 {
			m = firewall.Match{Field: firewall.IPv4Source, Concat: []firewall.FieldID{firewall.DestinationPort}, Set: "pairs"}
		}
	default:
		switch family {
		case firewall.IPv4:
			m = g.value(pick(g, firewall.IPv4Source, firewall.IPv4Destination))
			if g.chance(25) {
				m = firewall.Match{Field: firewall.IPv4Source, Set: "net4"}
			}
		case firewall.IPv6:
			m = g.value(pick(g, firewall.IPv6Source, firewall.IPv6Destination))
			if g.chance(25) {
				m = firewall.Match{Field: firewall.IPv6Destination, Set: "net6"}
			}
		default:
			return g.mark()
		}
	}
	m.Not = g.chance(20)
	return m
}

func (g *generator) name(hook firewall.Hook) firewall.Match {
	field := firewall.InInterface
	if hook == firewall.Output {
		field = firewall.OutInterface
	}
	m := firewall.Match{Field: field, From: make([]byte, 16), Not: g.chance(20)}
	copy(m.From, pick(g, "eth0", "lo", "tun0", "absent"))
	if g.chance(30) {
		m.From = make([]byte, 16)
		n := copy(m.From, pick(g, "eth", "tun", "l"))
		m.Mask = append(bytes.Repeat([]byte{0xff}, n), make([]byte, 16-n)...)
	}
	if g.chance(20) && field == firewall.InInterface {
		return firewall.Match{Field: field, Set: "links", Not: m.Not}
	}
	return m
}

func (g *generator) mark() firewall.Match {
	m := firewall.Match{Field: firewall.PacketMark, From: binary.NativeEndian.AppendUint32(nil, g.Uint32N(10)), Not: g.chance(60)}
	if g.chance(30) {
		m.To = binary.NativeEndian.AppendUint32(nil, 10+g.Uint32N(100))
	}
	return m
}

// value returns a comparison with a value, a range or a prefix.
func (g *generator) value(field firewall.FieldID) firewall.Match {
	from := g.key(field)
	m := firewall.Match{Field: field, From: from}
	switch g.IntN(3) {
	case 0:
		m.To = g.key(field)
		if bytes.Compare(m.From, m.To) > 0 {
			m.From, m.To = m.To, m.From
		}
	case 1:
		if field.Info().Width > 2 {
			m.Mask = prefix(len(from), g.IntN(len(from)*8)+1)
			for i := range m.From {
				m.From[i] &= m.Mask[i]
			}
		}
	}
	return m
}

func prefix(width, bits int) []byte {
	mask := make([]byte, width)
	for i := range bits {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return mask
}

// key returns a value of the field, from a few so that packets hit it.
func (g *generator) key(field firewall.FieldID) []byte {
	switch field {
	case firewall.IPv4Source, firewall.IPv4Destination:
		return []byte{10, 64, pick[byte](g, 37, 38), byte(g.IntN(16))}
	case firewall.IPv6Source, firewall.IPv6Destination:
		address := make([]byte, 16)
		address[0], address[1], address[15] = 0xfd, 0x64, byte(g.IntN(16))
		return address
	case firewall.TransportProtocol:
		return []byte{pick[byte](g, 6, 17)}
	case firewall.InInterface:
		name := make([]byte, 16)
		copy(name, pick(g, "eth0", "lo", "tun0", "absent"))
		return name
	}
	return binary.BigEndian.AppendUint16(nil, uint16(pick(g, 0, 65535, 1000+g.IntN(32))))
}

// set returns a set with random elements that do not overlap.
func (g *generator) set(name string, verdicts bool, key ...firewall.FieldID) firewall.Set {
	s := firewall.Set{Name: name, Key: key, Verdicts: verdicts, Counters: verdicts, Interval: g.chance(70)}
	for range g.IntN(8) {
		e := firewall.Element{Place: g.place(), Text: fmt.Sprint("element ", g.line), Hash: g.Uint64()}
		for _, field := range key {
			from, to := g.key(field), g.key(field)
			if !s.Interval || g.chance(50) {
				to = from
			}
			if bytes.Compare(from, to) > 0 {
				from, to = to, from
			}
			pad := make([]byte, (4-len(from)%4)%4)
			if len(key) == 1 {
				pad = nil
			}
			e.From, e.To = append(append(e.From, from...), pad...), append(append(e.To, to...), pad...)
		}
		if bytes.Equal(e.From, e.To) {
			e.To = nil
		}
		if verdicts {
			e.Verdict = firewall.Verdict{Kind: pick(g, firewall.Accept, firewall.Drop, firewall.Continue)}
			if g.chance(10) && name == "map4" {
				e.Verdict = firewall.Verdict{Kind: firewall.Return}
			}
		}
		if !slices.ContainsFunc(s.Elements, func(other firewall.Element) bool { return overlap(&s, &e, &other) }) {
			s.Elements = append(s.Elements, e)
		}
	}
	slices.SortFunc(s.Elements, byFrom)
	return s
}

func overlap(s *firewall.Set, a, b *firewall.Element) bool {
	last := func(e *firewall.Element) []byte {
		if e.To == nil {
			return e.From
		}
		return e.To
	}
	at := 0
	for _, id := range s.Key {
		end := min(at+padded(id.Info().Width), len(a.From))
		if bytes.Compare(last(a)[at:end], b.From[at:end]) < 0 || bytes.Compare(last(b)[at:end], a.From[at:end]) < 0 {
			return false
		}
		at = end
	}
	return true
}

func (g *generator) effects(family firewall.Family, protocol byte, hook firewall.Hook) (e firewall.Effects) {
	e.Counter = g.chance(30)
	if g.chance(15) {
		e.Limit = &firewall.Limit{Rate: 1 + g.Uint64N(9), Per: pick(g, time.Second, time.Minute, time.Hour, 24*time.Hour), Burst: 1 + g.Uint32N(9), Over: g.chance(20)}
		if g.chance(40) && family == firewall.IPv4 {
			e.Limit.Source, e.Limit.Set = firewall.IPv4Source, "limits"
		} else if g.chance(40) && family == firewall.IPv6 {
			e.Limit.Source, e.Limit.Set = firewall.IPv6Source, "limits6"
		}
	}
	if g.chance(10) {
		e.Log = &firewall.Log{Prefix: pick(g, "seen: ", ""), Level: byte(g.IntN(8))}
		if g.chance(50) {
			e.Log = &firewall.Log{Prefix: "seen", Group: uint16(g.IntN(10)), HasGroup: true}
		}
	}
	if hook == firewall.Forward && protocol == 6 && g.chance(20) {
		e.ClampMSS = true
	}
	return e
}

func (g *generator) natRules(hook firewall.Hook) (rules []firewall.Rule) {
	for range g.IntN(4) {
		r := firewall.Rule{Place: g.place(), Hash: g.Uint64(), Matches: []firewall.Match{
			exactly(firewall.NetworkProtocol, 2), exactly(firewall.TransportProtocol, 6), g.value(firewall.DestinationPort),
		}}
		n := &firewall.NAT{Kind: firewall.Masquerade, Random: g.chance(20)}
		switch {
		case hook == firewall.Prerouting && g.chance(30):
			n.Kind, n.MinPort = firewall.Redirect, uint16(1+g.IntN(1000))
		case hook == firewall.Prerouting || g.chance(50):
			n.Kind = firewall.SourceNAT
			if hook == firewall.Prerouting {
				n.Kind = firewall.DestinationNAT
			}
			n.Family, n.From, n.Persistent = firewall.IPv4, []byte{10, 64, 40, 1}, g.chance(20)
			if g.chance(30) {
				n.To = []byte{10, 64, 40, 9}
			}
			if g.chance(50) {
				n.MinPort = uint16(1 + g.IntN(1000))
				n.MaxPort = n.MinPort + uint16(g.IntN(3))
			}
		}
		r.Effects.NAT = n
		rules = append(rules, r)
	}
	return rules
}

func g7() setting.Place { return setting.Place{File: "wirelab.yaml", Line: 7, Column: 3} }
