package firewall

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"strings"
)

// A matcher collects the matches of one rule in the order of the kernel's.
type matcher struct {
	compiler *compiler
	begin    int // of the rule's matches in the compiler's
}

// add appends to the room that the compiler has for many rules.
func (m *matcher) add(match Match) {
	c := m.compiler
	if len(c.matches) == cap(c.matches) {
		mine := c.matches[m.begin:]
		c.matches = append(make([]Match, 0, max(16, min(1024, 2*cap(c.matches)))+len(mine)), mine...)
		m.begin = 0
	}
	c.matches = append(c.matches, match)
}

func (m *matcher) equal(f FieldID, value []byte) { m.add(Match{Field: f, From: value}) }

// An arena hands out small slices of bytes that live as long as the program.
type arena struct {
	free []byte
	size int // of the next piece of memory
}

func (a *arena) bytes(n int) []byte {
	if len(a.free) < n {
		a.free = make([]byte, max(n, a.size))
		a.size = min(2*max(a.size, 32), 1<<14)
	}
	b := a.free[:n:n]
	a.free = a.free[n:]
	return b
}

func (a *arena) copy(from []byte) []byte {
	b := a.bytes(len(from))
	copy(b, from)
	return b
}

func (a *arena) port(p uint16) []byte {
	b := a.bytes(2)
	binary.BigEndian.PutUint16(b, p)
	return b
}

func (a *arena) address(addr netip.Addr) []byte {
	if addr.Is4() {
		raw := addr.As4()
		return a.copy(raw[:])
	}
	raw := addr.As16()
	return a.copy(raw[:])
}

// InterfaceName returns the name as the kernel compares it, with the mask for one
// that ends in "*".
func InterfaceName(name string) (value, mask []byte) {
	value = make([]byte, 16)
	prefix, wild := strings.CutSuffix(name, "*")
	copy(value[:15], prefix)
	if !wild {
		return value, nil
	}
	mask = make([]byte, 16)
	for i := range min(len(prefix), 15) {
		mask[i] = 0xff
	}
	return value, mask
}

func (i Interfaces) wild() bool {
	for _, name := range i.Names {
		if strings.HasSuffix(name, "*") {
			return true
		}
	}
	return false
}

func (m *matcher) interfaces(f FieldID, i Interfaces) {
	if len(i.Names) > 1 && !i.wild() {
		m.add(Match{Field: f, Set: m.compiler.nameSet(f, i.Names), Not: i.Not})
		return
	}
	for _, name := range i.Names {
		value, mask := InterfaceName(name)
		m.add(Match{Field: f, From: value, Mask: mask, Not: i.Not})
	}
}

// ends matches the addresses of one end. A family that a negated list does not
// mention matches as a whole.
func (m *matcher) ends(e Ends, family Family, v4, v6, kind FieldID) {
	if e.Type != 0 {
		m.add(Match{Field: kind, From: host32(e.Type), Not: e.Not})
		return
	}
	f := v4
	if family == IPv6 {
		f = v6
	}
	ranges := e.of(family)
	switch {
	case len(ranges) == 0:
	case len(ranges) == 1:
		match := m.compiler.keys.rangeMatch(f, ranges[0])
		match.Not = e.Not
		if !everything(ranges[0]) || e.Not {
			m.add(match)
		}
	default:
		m.add(Match{Field: f, Set: m.compiler.addressSet(f, ranges, e), Not: e.Not})
	}
}

func everything(r Range) bool {
	p, ok := r.Prefix()
	return ok && p.Bits() == 0
}

// rangeMatch compares an address, a prefix by its mask, or a range.
func (a *arena) rangeMatch(f FieldID, r Range) Match {
	match := Match{Field: f, From: a.address(r.First)}
	if r.First == r.Last {
		return match
	}
	if p, ok := r.Prefix(); ok {
		match.Mask = a.bytes(len(match.From))
		for i := range match.Mask {
			match.Mask[i] = byte(uint16(0xff00) >> min(8, max(0, p.Bits()-8*i)))
		}
		return match
	}
	match.To = a.address(r.Last)
	return match
}

// RangeMatch compares an address field with a range: by equality, by a mask where
// it is a prefix, or by its ends.
func RangeMatch(f FieldID, r Range) Match {
	var a arena
	return a.rangeMatch(f, r)
}

// service matches the protocol with its ports or type.
func (m *matcher) service(g *serviceGroup, sources Ports) {
	if g.Protocol == 0 {
		return
	}
	m.add(Match{Field: TransportProtocol, From: []byte{g.Protocol}, Not: g.NotProto})
	if g.NotProto {
		return
	}
	m.ports(SourcePort, sources)
	m.ports(DestinationPort, Ports{Not: g.NotPorts, Ranges: g.Ports})
	kind, code := ICMPType, ICMPCode
	if g.Protocol == protocolICMPv6 {
		kind, code = ICMPv6Type, ICMPv6Code
	}
	switch {
	case g.Type < 0:
	case len(g.types) > 1:
		m.add(Match{Field: kind, Set: m.compiler.numberSet(kind, g.types)})
	default:
		m.add(Match{Field: kind, From: []byte{byte(g.Type)}, Not: g.NotType && g.Code < 0})
		if g.Code >= 0 {
			m.equal(code, []byte{byte(g.Code)})
		}
	}
}

func (m *matcher) ports(f FieldID, p Ports) {
	ranges := joinPorts(p.Ranges)
	switch {
	case len(ranges) == 0:
	case len(ranges) > 1:
		m.add(Match{Field: f, Set: m.compiler.numberSet(f, ranges), Not: p.Not})
	case ranges[0].First == ranges[0].Last:
		m.add(Match{Field: f, From: m.compiler.keys.port(ranges[0].First), Not: p.Not})
	default:
		m.add(Match{Field: f, From: m.compiler.keys.port(ranges[0].First), To: m.compiler.keys.port(ranges[0].Last), Not: p.Not})
	}
}

func (m *matcher) flags(f Flags) {
	switch {
	case !f.Set:
	case f.Any:
		m.add(Match{Field: TCPFlags, Mask: []byte{f.Mask}, From: []byte{0}, Not: !f.Not})
	default:
		m.add(Match{Field: TCPFlags, Mask: []byte{f.Mask}, From: []byte{f.Value}, Not: f.Not})
	}
}

// bits matches if one of the bits is set.
func (m *matcher) bits(f FieldID, b Bits) {
	if b.Bits != 0 {
		m.add(Match{Field: f, Mask: host32(b.Bits), From: host32(0), Not: !b.Not})
	}
}

// casts matches the kind of packet, which the kernel numbers.
func (m *matcher) casts(b Bits) {
	var kinds []PortRange
	for kind := range uint16(3) {
		if b.Bits&(1<<kind) != 0 {
			kinds = append(kinds, PortRange{kind, kind})
		}
	}
	if bits.OnesCount32(b.Bits) == 1 {
		m.add(Match{Field: PacketType, From: []byte{byte(kinds[0].First)}, Not: b.Not})
	} else if len(kinds) > 1 {
		m.add(Match{Field: PacketType, Set: m.compiler.numberSet(PacketType, kinds), Not: b.Not})
	}
}

func (m *matcher) mark(f FieldID, mark Mark) {
	if !mark.Set {
		return
	}
	match := Match{Field: f, From: host32(mark.Value), Not: mark.Not}
	if mark.Mask != ^uint32(0) {
		match.Mask = host32(mark.Mask)
	}
	m.add(match)
}

// host32 returns a number in the machine's own byte order.
func host32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
