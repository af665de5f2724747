package kernel

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"

	"wirelab/firewall"
)

// fieldIndex finds fields by how they are loaded.
type fieldIndex map[loadKey][]firewall.FieldID

type loadKey struct {
	load   firewall.Load
	number uint32 // key or offset
}

func indexFields() fieldIndex {
	index := fieldIndex{}
	for _, id := range firewall.Fields() {
		f := id.Info()
		k := loadKey{f.Load, f.Key}
		if f.Load == firewall.LoadNetwork || f.Load == firewall.LoadTransport {
			k.number = f.Offset
		}
		index[k] = append(index[k], id)
	}
	return index
}

// part is a field, or its first bytes, within a register.
type part struct {
	id     firewall.FieldID
	field  *firewall.Field
	at     int // offset of its bytes in what was loaded
	length int // of them, at most the field's width
}

// resolve returns the fields that a register holds, of which length bytes are
// compared; a negative length stands for the whole. A payload may hold several
// fields, or the front of one. Nil means that there are no words for it.
func (r *ruleReader) resolve(register, length int) []part {
	c := &r.registers[register]
	if c.kind != loaded {
		return nil
	}
	if c.load != firewall.LoadNetwork && c.load != firewall.LoadTransport {
		ids := r.fields[loadKey{c.load, c.key}]
		if len(ids) == 0 {
			return nil
		}
		f := ids[0].Info()
		if length < 0 {
			length = f.Width
		}
		if length > f.Width {
			return nil
		}
		return []part{{ids[0], f, 0, length}}
	}
	if length > c.length {
		return nil
	}
	return r.split(c)
}

// split cuts a payload into fields.
func (r *ruleReader) split(c *content) (parts []part) {
	for at := 0; at < c.length; {
		p, ok := r.fieldAt(c.load, c.offset+uint32(at), c.length-at)
		if !ok {
			return nil
		}
		p.at = at
		parts = append(parts, p)
		at += p.length
	}
	return parts
}

// fieldAt returns the field at an offset of the header, given what the rule has
// matched of family and protocol before.
func (r *ruleReader) fieldAt(load firewall.Load, offset uint32, length int) (best part, ok bool) {
	for _, id := range r.fields[loadKey{load, offset}] {
		f := id.Info()
		if f.Family != 0 && f.Family != firewall.AnyFamily && f.Family != r.family || f.Protocol != 0 && f.Protocol != r.protocol {
			continue
		}
		if f.Protocol == 0 && load == firewall.LoadTransport && (r.protocol == 1 || r.protocol == 58) {
			continue // ICMP has no ports
		}
		if p := (part{id, f, 0, min(f.Width, length)}); !ok || p.length > best.length {
			best, ok = p, true
		}
	}
	return best, ok
}

// add appends a match, and learns from it what later payloads mean.
func (r *ruleReader) add(m firewall.Match) {
	r.reach(matching)
	r.rule.Matches = append(r.rule.Matches, m)
	if m.Not || m.To != nil || m.Mask != nil || len(m.From) != 1 {
		return
	}
	switch m.Field {
	case firewall.NetworkProtocol:
		r.family = firewall.Family(m.From[0])
	case firewall.TransportProtocol, firewall.IPv4Protocol, firewall.IPv6NextHeader:
		r.protocol = m.From[0]
	}
}

func (r *ruleReader) compares(register int, op uint32, data []byte) bool {
	if register < 0 || data == nil {
		return false
	}
	if op != unix.NFT_CMP_EQ && op != unix.NFT_CMP_NEQ {
		return r.ordered(bound{register, op, data})
	}
	r.flush()
	c := &r.registers[register]
	if c.kind == loaded && c.load == firewall.LoadMeta && (c.key == unix.NFT_META_IIF || c.key == unix.NFT_META_OIF) && c.mask == nil {
		return r.interfaceNumber(c.key, op, data)
	}
	parts := r.resolve(register, len(data))
	if parts == nil || len(parts) > 1 && (op != unix.NFT_CMP_EQ || c.mask != nil) {
		return false
	}
	for _, p := range parts {
		end := min(p.at+p.length, len(data))
		m := firewall.Match{Field: p.id, Not: op == unix.NFT_CMP_NEQ, From: data[p.at:end:end]}
		if end-p.at < p.field.Width {
			m.From = widened(m.From, p.field.Width)
		}
		switch {
		case c.mask != nil:
			m.Mask = widened(c.mask, p.field.Width)
		case end-p.at < p.field.Width:
			m.Mask = widened(bytes.Repeat([]byte{0xff}, end-p.at), p.field.Width)
		}
		if c.swapped {
			m.From = reversed(m.From)
		}
		r.add(m)
	}
	return true
}

// widened returns a copy of b with zeros up to the width.
func widened(b []byte, width int) []byte {
	w := make([]byte, width)
	copy(w, b)
	return w
}

// interfaceNumber reads a comparison of the number of an interface, which means
// its name here and now.
func (r *ruleReader) interfaceNumber(key, op uint32, data []byte) bool {
	if len(data) != 4 {
		return false
	}
	name, ok := r.links[binary.NativeEndian.Uint32(data)]
	if !ok {
		return false
	}
	field := firewall.InInterface
	if key == unix.NFT_META_OIF {
		field = firewall.OutInterface
	}
	r.add(firewall.Match{Field: field, From: widened([]byte(name), unix.IFNAMSIZ), Not: op == unix.NFT_CMP_NEQ})
	return true
}

// ordered reads a comparison by order. Two of them are a range.
func (r *ruleReader) ordered(b bound) bool {
	lower := b.op == unix.NFT_CMP_GTE || b.op == unix.NFT_CMP_GT
	if !lower && r.lower != nil && r.lower.register == b.register {
		from := *r.lower
		r.lower = nil
		return r.addRange(b.register, &from, &b, false)
	}
	r.flush()
	if lower {
		r.lower = &b
		return true
	}
	return r.addRange(b.register, nil, &b, false)
}

// flush ends a range that has no upper bound.
func (r *ruleReader) flush() {
	if r.lower == nil {
		return
	}
	from := r.lower
	r.lower = nil
	if !r.addRange(from.register, from, nil, false) {
		r.unknown("cmp", &values{})
	}
}

func (r *ruleReader) ranges(v *values) bool {
	op, register := v.big32(unix.NFTA_RANGE_OP), v.register(unix.NFTA_RANGE_SREG)
	from, to := dataValue(v.nested(unix.NFTA_RANGE_FROM_DATA)), dataValue(v.nested(unix.NFTA_RANGE_TO_DATA))
	if register < 0 || from == nil || to == nil || op > unix.NFT_RANGE_NEQ || !v.known(1, 2, 3, 4) {
		return false
	}
	return r.addRange(register, &bound{register, unix.NFT_CMP_GTE, from}, &bound{register, unix.NFT_CMP_LTE, to}, op == unix.NFT_RANGE_NEQ)
}

// addRange appends the match of a range; a bound that is nil is open.
func (r *ruleReader) addRange(register int, from, to *bound, not bool) bool {
	parts := r.resolve(register, -1)
	if len(parts) != 1 || parts[0].length != parts[0].field.Width {
		return false
	}
	f, c := parts[0].field, &r.registers[register]
	m := firewall.Match{Field: parts[0].id, Not: not, Mask: bytes.Clone(c.mask), From: make([]byte, f.Width), To: bytes.Repeat([]byte{0xff}, f.Width)}
	if from != nil {
		m.From = widened(from.data, f.Width)
		if _, ok := successor(m.From[:boolWidth(from.op == unix.NFT_CMP_GT, f.Width)]); !ok && from.op == unix.NFT_CMP_GT {
			return false
		}
	}
	if to != nil {
		m.To = widened(to.data, f.Width)
		if to.op == unix.NFT_CMP_LT && !predecessor(m.To) {
			return false
		}
	}
	if f.Host != c.swapped && f.Width > 1 {
		return false // the kernel compares in network order
	}
	if c.swapped {
		m.From, m.To = reversed(m.From), reversed(m.To)
	}
	r.add(m)
	return true
}

// boolWidth returns width where on holds, else 0.
func boolWidth(on bool, width int) int {
	if on {
		return width
	}
	return 0
}

// predecessor subtracts one from a number in network order, in place; false for zero.
func predecessor(key []byte) bool {
	for i := len(key) - 1; i >= 0; i-- {
		if key[i]--; key[i] != 0xff {
			return true
		}
	}
	return false
}

// looksUp reads the search in a set, or in a verdict map.
func (r *ruleReader) looksUp(v *values) bool {
	name, register := string(text(v[unix.NFTA_LOOKUP_SET])), v.register(unix.NFTA_LOOKUP_SREG)
	index, ok := r.table.index[name]
	if !ok || register < 0 || r.table.sets[index].unknown {
		return false
	}
	key := r.keyAt(register, int(r.table.sets[index].length), r.table.Program.Sets[index].Interval)
	if key == nil {
		return false
	}
	r.keyOf(name, key)
	flags := v.big32(unix.NFTA_LOOKUP_FLAGS)
	if v[unix.NFTA_LOOKUP_DREG] == nil {
		r.add(firewall.Match{Field: key[0], Concat: key[1:], Set: name, Not: flags&unix.NFT_LOOKUP_F_INV != 0})
		return flags&^unix.NFT_LOOKUP_F_INV == 0
	}
	if v.big32(unix.NFTA_LOOKUP_DREG) != verdictRegister || flags != 0 {
		return false
	}
	r.reach(deciding)
	r.rule.Lookup = firewall.Lookup{Fields: key, Set: name}
	return true
}

// keyAt returns the fields in the registers that make up a key of that length.
func (r *ruleReader) keyAt(register, length int, interval bool) (key []firewall.FieldID) {
	for at := 0; at < length; {
		index := register + at/4
		if index >= len(r.registers) {
			return nil
		}
		c := &r.registers[index]
		parts := r.resolve(index, -1)
		if len(parts) == 0 || c.mask != nil {
			return nil
		}
		for _, p := range parts {
			if p.length != p.field.Width || p.field.Host && interval && !c.swapped {
				return nil
			}
			key = append(key, p.id)
		}
		at += padded(parts[len(parts)-1].at + parts[len(parts)-1].length)
	}
	return key
}

// keyOf tells a set what its key is made of, which only the rules that use it know.
func (r *ruleReader) keyOf(name string, key []firewall.FieldID) {
	if s := r.table.index.of(r.table.Program.Sets, name); s != nil && s.Key == nil {
		s.Key = key
	}
}

func (r *ruleReader) readNAT(name string, v *values) (*firewall.NAT, bool) {
	n := &firewall.NAT{Kind: firewall.Masquerade}
	flags, first, last := unix.NFTA_MASQ_FLAGS, unix.NFTA_MASQ_REG_PROTO_MIN, unix.NFTA_MASQ_REG_PROTO_MAX
	ok := true
	switch name {
	case "redir":
		n.Kind = firewall.Redirect
		flags, first, last = unix.NFTA_REDIR_FLAGS, unix.NFTA_REDIR_REG_PROTO_MIN, unix.NFTA_REDIR_REG_PROTO_MAX
	case "nat":
		n.Kind = firewall.DestinationNAT
		if v.big32(unix.NFTA_NAT_TYPE) == unix.NFT_NAT_SNAT {
			n.Kind = firewall.SourceNAT
		}
		n.Family = firewall.Family(v.big32(unix.NFTA_NAT_FAMILY))
		flags, first, last = unix.NFTA_NAT_FLAGS, unix.NFTA_NAT_REG_PROTO_MIN, unix.NFTA_NAT_REG_PROTO_MAX
		from, fromOK := r.constant(v, unix.NFTA_NAT_REG_ADDR_MIN)
		to, toOK := r.constant(v, unix.NFTA_NAT_REG_ADDR_MAX)
		n.From, n.To, ok = from, to, fromOK && toOK
		if bytes.Equal(n.From, n.To) {
			n.To = nil
		}
	}
	minPort, minOK := r.constant(v, first)
	maxPort, maxOK := r.constant(v, last)
	n.MinPort, n.MaxPort = port(minPort), port(maxPort)
	bits := v.big32(flags)
	n.Random, n.Persistent = bits&natRandom != 0, bits&natPersistent != 0
	return n, ok && minOK && maxOK && bits&^(natAddresses|natPorts|natRandom|natPersistent) == 0
}

// constant returns the immediate in the register that an attribute names, nil if
// it names none; false if the register holds something else.
func (r *ruleReader) constant(v *values, kind int) ([]byte, bool) {
	if v[kind] == nil {
		return nil, true
	}
	register := v.register(kind)
	if register < 0 || r.registers[register].kind != immediate {
		return nil, false
	}
	return r.registers[register].data, true
}

func port(b []byte) uint16 {
	if len(b) != 2 {
		return 0
	}
	return binary.BigEndian.Uint16(b)
}
