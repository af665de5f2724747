package foreign

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"wirelab/firewall"
)

// nftFields are the fields by the names that nft's JSON has for them.
var nftFields = map[string]firewall.FieldID{
	"ip saddr": firewall.IPv4Source, "ip daddr": firewall.IPv4Destination, "ip protocol": firewall.IPv4Protocol,
	"ip6 saddr": firewall.IPv6Source, "ip6 daddr": firewall.IPv6Destination, "ip6 nexthdr": firewall.IPv6NextHeader,
	"tcp sport": firewall.SourcePort, "tcp dport": firewall.DestinationPort, "udp sport": firewall.SourcePort, "udp dport": firewall.DestinationPort,
	"th sport": firewall.SourcePort, "th dport": firewall.DestinationPort, "sctp sport": firewall.SourcePort, "sctp dport": firewall.DestinationPort,
	"dccp sport": firewall.SourcePort, "dccp dport": firewall.DestinationPort, "udplite sport": firewall.SourcePort, "udplite dport": firewall.DestinationPort,
	"tcp flags": firewall.TCPFlags, "icmp type": firewall.ICMPType, "icmp code": firewall.ICMPCode, "icmpv6 type": firewall.ICMPv6Type, "icmpv6 code": firewall.ICMPv6Code,
	"meta iifname": firewall.InInterface, "meta oifname": firewall.OutInterface, "meta iif": firewall.InInterface, "meta oif": firewall.OutInterface,
	"meta l4proto": firewall.TransportProtocol, "meta nfproto": firewall.NetworkProtocol, "meta mark": firewall.PacketMark, "meta pkttype": firewall.PacketType,
	"ct state": firewall.ConnectionState, "ct status": firewall.ConnectionStatus, "ct mark": firewall.ConnectionMark,
	"fib daddr": firewall.DestinationType, "fib saddr": firewall.SourceType,
}

// fields reads the left side of a match: a field, or several. It also returns what
// protocols they need.
func (x *nftExpr) fields(raw json.RawMessage) (fields []firewall.FieldID, protocols []string, err error) {
	var e struct {
		Payload *struct{ Protocol, Field string }
		Meta    *struct{ Key string }
		CT      *struct{ Key, Dir string }
		FIB     *struct {
			Result string
			Flags  []string
		}
		Concat []json.RawMessage
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, nil, errors.New("an expression that is not known here")
	}
	name := ""
	switch {
	case e.Concat != nil:
		for _, part := range e.Concat {
			f, p, err := x.fields(part)
			if err != nil {
				return nil, nil, err
			}
			fields, protocols = append(fields, f...), append(protocols, p...)
		}
		return fields, protocols, nil
	case e.Payload != nil:
		name = e.Payload.Protocol + " " + e.Payload.Field
		protocols = []string{e.Payload.Protocol}
	case e.Meta != nil:
		name = "meta " + e.Meta.Key
	case e.CT != nil && e.CT.Dir == "original" && e.CT.Key == "proto-dst":
		return []firewall.FieldID{firewall.OriginalPort}, nil, nil
	case e.CT != nil && e.CT.Dir == "":
		name = "ct " + e.CT.Key
	case e.FIB != nil && e.FIB.Result == "type" && len(e.FIB.Flags) == 1:
		name = "fib " + e.FIB.Flags[0]
	}
	f, ok := nftFields[name]
	if !ok {
		return nil, nil, fmt.Errorf("%s is not known here", string(bytes.TrimSpace(raw[:min(len(raw), 80)])))
	}
	return []firewall.FieldID{f}, protocols, nil
}

// has reports whether the rule matches this value already.
func (x *nftExpr) has(f firewall.FieldID, value uint8) bool {
	return slices.ContainsFunc(x.known, func(m firewall.Match) bool { return m.Field == f && m.From[0] == value })
}

func (x *nftExpr) need(f firewall.FieldID, value uint8) error {
	if x.has(f, value) {
		return nil
	}
	m := firewall.Match{Field: f, From: []byte{value}}
	x.known = append(x.known, m)
	return x.match.add(m)
}

// depend adds the matches that a field depends on and nft's text leaves out.
func (x *nftExpr) depend(f firewall.FieldID) error {
	if family := f.Info().Family; family != 0 && x.program.Family != family {
		if err := x.need(firewall.NetworkProtocol, uint8(family)); err != nil {
			return err
		}
	}
	if p := f.Info().Protocol; p != 0 {
		return x.need(firewall.TransportProtocol, p)
	}
	return nil
}

// dependencies adds what all fields of an expression depend on.
func (x *nftExpr) dependencies(fields []firewall.FieldID, protocols []string) error {
	for _, f := range fields {
		if err := x.depend(f); err != nil {
			return err
		}
	}
	for _, p := range protocols {
		if number, ok := firewall.ParseProtocol(p); ok && p != "ip" {
			if err := x.need(firewall.TransportProtocol, number); err != nil {
				return err
			}
		}
	}
	return nil
}

// matchOf reads a match.
func (x *nftExpr) matchOf(body json.RawMessage) error {
	var m struct {
		Op          string
		Left, Right json.RawMessage
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return errors.New("a match that is not known here")
	}
	left, mask := m.Left, json.RawMessage(nil)
	var masked struct {
		And []json.RawMessage `json:"&"`
	}
	if json.Unmarshal(left, &masked) == nil && len(masked.And) == 2 {
		left, mask = masked.And[0], masked.And[1]
	}
	fields, protocols, err := x.fields(left)
	if err != nil {
		return err
	}
	if err := x.dependencies(fields, protocols); err != nil {
		return err
	}
	if m.Op != "==" && m.Op != "!=" && m.Op != "in" {
		return x.ordered(fields[0], m.Op, m.Right)
	}
	if mask != nil {
		return x.maskedMatch(fields[0], mask, m.Right, m.Op == "!=")
	}
	isBits := m.Op == "in" || fields[0] == firewall.ConnectionState && isList(m.Right) || fields[0] == firewall.ConnectionStatus
	if len(fields) == 1 && isBits && !isSet(m.Right) {
		return x.bits(fields[0], m.Right, m.Op == "!=")
	}
	return x.compare(fields, m.Right, m.Op == "!=")
}

func isList(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '[' }

func isSet(raw json.RawMessage) bool {
	return bytes.HasPrefix(raw, []byte(`"@`)) || bytes.Contains(raw[:min(len(raw), 8)], []byte(`"set"`))
}

// compare compares with a value, a range, or a set.
func (x *nftExpr) compare(fields []firewall.FieldID, right json.RawMessage, not bool) error {
	match := firewall.Match{Field: fields[0], Concat: fields[1:], Not: not}
	if len(fields) == 1 {
		match.Concat = nil
	}
	var name string
	if json.Unmarshal(right, &name) == nil && strings.HasPrefix(name, "@") {
		match.Set = name[1:]
		return x.match.add(match)
	}
	var set struct{ Set []json.RawMessage }
	if isSet(right) && json.Unmarshal(right, &set) == nil {
		s := firewall.Set{Name: fmt.Sprintf("__%d", len(x.program.Sets)), Key: fields}
		if err := fill(&s, set.Set); err != nil {
			return err
		}
		x.program.Sets = append(x.program.Sets, s)
		match.Set = s.Name
		return x.match.add(match)
	}
	from, to, err := keyOf(fields, right)
	if err != nil {
		return err
	}
	if len(fields) > 1 {
		return errors.New("a concatenation without a set")
	}
	match.From, match.To = from, to
	if to == nil && (fields[0] == firewall.InInterface || fields[0] == firewall.OutInterface) {
		match.From, match.Mask = interfaceOf(right)
	}
	if !not && (fields[0] == firewall.TransportProtocol || fields[0] == firewall.NetworkProtocol) && to == nil {
		return x.need(fields[0], from[0])
	}
	return x.match.add(match)
}

func interfaceOf(raw json.RawMessage) (value, mask []byte) {
	var name string
	_ = json.Unmarshal(raw, &name) // keyOf has read it
	return firewall.InterfaceName(name)
}

// bits reads a test of states: any of some bits.
func (x *nftExpr) bits(f firewall.FieldID, right json.RawMessage, not bool) error {
	mask, err := maskOf(f, right)
	if err != nil {
		return err
	}
	return x.match.add(firewall.Match{Field: f, Mask: mask, From: make([]byte, len(mask)), Not: !not})
}

// maskedMatch reads "field & mask == value".
func (x *nftExpr) maskedMatch(f firewall.FieldID, mask, right json.RawMessage, not bool) error {
	m, err := maskOf(f, mask)
	if err != nil {
		return err
	}
	v, err := maskOf(f, right)
	if err != nil {
		return err
	}
	return x.match.add(firewall.Match{Field: f, Mask: m, From: v, Not: not})
}

// maskOf reads bits: a number, a name, a list, or names with "|" between them.
func maskOf(f firewall.FieldID, raw json.RawMessage) ([]byte, error) {
	var or struct {
		Or []json.RawMessage `json:"|"`
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil && json.Unmarshal(raw, &or) == nil {
		list = or.Or
	}
	if list == nil {
		return valueOfField(f, raw)
	}
	sum := make([]byte, f.Info().Width)
	for _, one := range list {
		v, err := maskOf(f, one)
		if err != nil {
			return nil, err
		}
		for i := range sum {
			sum[i] |= v[i]
		}
	}
	return sum, nil
}

// ordered reads "<", ">", "<=" and ">=".
func (x *nftExpr) ordered(f firewall.FieldID, op string, right json.RawMessage) error {
	v, err := valueOfField(f, right)
	if err != nil {
		return err
	}
	first, last := make([]byte, len(v)), bytes.Repeat([]byte{0xff}, len(v))
	if f.Info().Host {
		return errors.New("an order of states or marks")
	}
	match := firewall.Match{Field: f}
	switch op {
	case "<=":
		match.From, match.To = first, v
	case ">=":
		match.From, match.To = v, last
	case "<":
		match.From, match.To, match.Not = v, last, true
	case ">":
		match.From, match.To, match.Not = first, v, true
	default:
		return fmt.Errorf("the comparison %q", op)
	}
	return x.match.add(match)
}

// unwrapElement takes an element out of its counter, comment or timeout.
func unwrapElement(raw json.RawMessage) json.RawMessage {
	var e struct {
		Elem *struct{ Val json.RawMessage }
	}
	if json.Unmarshal(raw, &e) == nil && e.Elem != nil {
		return e.Elem.Val
	}
	return raw
}

// set takes a named set or map.
func (r *nftReader) set(from *nftSet, isMap bool) {
	p := r.programs[from.Family+" "+from.Table]
	if p == nil {
		return
	}
	s := firewall.Set{Name: from.Name, Dynamic: slices.Contains(from.Flags, "dynamic")}
	var types []string
	var one string
	if json.Unmarshal(from.Type, &one) == nil {
		types = []string{one}
	} else if json.Unmarshal(from.Type, &types) != nil {
		return
	}
	for _, t := range types {
		s.Key = append(s.Key, fieldOfType(t))
	}
	if slices.Contains(s.Key, firewall.NoField) {
		return // whoever uses it cannot be taken
	}
	elements := from.Elem
	var values []json.RawMessage
	if isMap {
		elements, values = pairsOf(from.Elem)
		s.Verdicts = string(from.Map) == `"verdict"`
		if !s.Verdicts {
			return
		}
	}
	if fill(&s, elements) != nil {
		return
	}
	for i, raw := range values {
		v, err := verdictOf(raw)
		if err != nil {
			return
		}
		s.Elements[i].Verdict = v
	}
	p.Sets = append(p.Sets, s)
}

// fieldOfType returns some field of nft's type: in a set the type alone counts.
func fieldOfType(name string) firewall.FieldID {
	for _, f := range firewall.Fields() {
		if f.Info().TypeName == name {
			return f
		}
	}
	return firewall.NoField
}

func pairsOf(elements []json.RawMessage) (keys, values []json.RawMessage) {
	for _, raw := range elements {
		var pair []json.RawMessage
		if json.Unmarshal(raw, &pair) == nil && len(pair) == 2 {
			keys, values = append(keys, unwrapElement(pair[0])), append(values, pair[1])
		}
	}
	return keys, values
}

// fill adds elements to a set.
func fill(s *firewall.Set, elements []json.RawMessage) error {
	for _, raw := range elements {
		from, to, err := keyOf(s.Key, unwrapElement(raw))
		if err != nil {
			return err
		}
		s.Interval = s.Interval || to != nil
		s.Elements = append(s.Elements, firewall.Element{From: from, To: to})
	}
	return nil
}

// keyOf reads a key of some fields; to is nil where it is a single one.
func keyOf(fields []firewall.FieldID, raw json.RawMessage) (from, to []byte, err error) {
	if len(fields) == 1 {
		return rangeOfField(fields[0], raw)
	}
	var concat struct{ Concat []json.RawMessage }
	if json.Unmarshal(raw, &concat) != nil || len(concat.Concat) != len(fields) {
		return nil, nil, errors.New("a concatenation that is not known here")
	}
	isRange := false
	for i, f := range fields {
		first, last, err := rangeOfField(f, concat.Concat[i])
		if err != nil {
			return nil, nil, err
		}
		isRange = isRange || last != nil
		if last == nil {
			last = first
		}
		from, to = pad(append(from, first...)), pad(append(to, last...))
	}
	if !isRange {
		to = nil
	}
	return from, to, nil
}

func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// rangeOfField reads a value, a prefix or a range.
func rangeOfField(f firewall.FieldID, raw json.RawMessage) (from, to []byte, err error) {
	var e struct {
		Prefix *struct {
			Addr string
			Len  int
		}
		Range []json.RawMessage
	}
	if len(raw) > 0 && raw[0] == '{' && json.Unmarshal(raw, &e) == nil {
		switch {
		case e.Prefix != nil:
			a, err := netip.ParseAddr(e.Prefix.Addr)
			p := netip.PrefixFrom(a, e.Prefix.Len)
			if err != nil || !p.IsValid() {
				return nil, nil, errors.New("a prefix that is not known here")
			}
			r := firewall.RangeOf(p)
			return r.First.AsSlice(), r.Last.AsSlice(), nil
		case len(e.Range) == 2:
			if from, err = valueOfField(f, e.Range[0]); err == nil {
				to, err = valueOfField(f, e.Range[1])
			}
			return from, to, err
		}
	}
	from, err = valueOfField(f, raw)
	return from, nil, err
}

// valueOfField reads one value of a field.
func valueOfField(f firewall.FieldID, raw json.RawMessage) ([]byte, error) {
	var number uint64
	var text string
	if json.Unmarshal(raw, &number) == nil {
		text = strconv.FormatUint(number, 10)
	} else if json.Unmarshal(raw, &text) != nil {
		return nil, fmt.Errorf("the value %s is not known here", string(raw[:min(len(raw), 60)]))
	}
	row := f.Info()
	switch {
	case row.Family != 0 && (row.Width == 4 || row.Width == 16):
		a, err := netip.ParseAddr(text)
		if err != nil || len(a.AsSlice()) != row.Width {
			return nil, fmt.Errorf("%q is no address here", text)
		}
		return a.AsSlice(), nil
	case f == firewall.InInterface || f == firewall.OutInterface:
		if len(text) > 16 {
			return nil, fmt.Errorf("%q is no name of an interface", text)
		}
		value, _ := firewall.InterfaceName(text)
		return value, nil
	}
	n, ok := firewall.ParseValue(f, text)
	if !ok {
		return nil, fmt.Errorf("%s %q is not known here", f, text)
	}
	return encode(row, n), nil
}

func encode(row *firewall.Field, n uint32) []byte {
	switch {
	case row.Width == 1:
		return []byte{byte(n)}
	case row.Width == 2:
		return be16(uint16(n))
	case row.Host:
		return host32(n)
	}
	return binary.BigEndian.AppendUint32(nil, n)
}

// mapOf reads a verdict map: where the key is, and its elements.
func (x *nftExpr) mapOf(body json.RawMessage) ([]nftPair, error) {
	var m struct{ Key, Data json.RawMessage }
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, errors.New("a map that is not known here")
	}
	fields, protocols, err := x.fields(m.Key)
	if err != nil {
		return nil, err
	}
	if err := x.dependencies(fields, protocols); err != nil {
		return nil, err
	}
	var name string
	if json.Unmarshal(m.Data, &name) == nil {
		if x.program.Set(strings.TrimPrefix(name, "@")) == nil {
			return nil, fmt.Errorf("the map %s is not known here", name)
		}
		x.rule.Lookup = firewall.Lookup{Fields: fields, Set: strings.TrimPrefix(name, "@")}
		return nil, nil
	}
	var data struct{ Set []json.RawMessage }
	if json.Unmarshal(m.Data, &data) != nil {
		return nil, errors.New("a map that is not known here")
	}
	keys, values := pairsOf(data.Set)
	pairs := []nftPair{}
	for i, raw := range keys {
		from, to, err := keyOf(fields, raw)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, nftPair{matchesOf(fields, from, to), values[i]})
	}
	return pairs, nil
}

// matchesOf makes matches of a key, one for each field.
func matchesOf(fields []firewall.FieldID, from, to []byte) []firewall.Match {
	var matches []firewall.Match
	first := firewall.SplitKey(fields, from)
	last := first
	if to != nil {
		last = firewall.SplitKey(fields, to)
	}
	for i, f := range fields {
		m := firewall.Match{Field: f, From: first[i]}
		if !bytes.Equal(first[i], last[i]) {
			m.To = last[i]
		}
		matches = append(matches, m)
	}
	return matches
}

// natOf reads a change of addresses.
func (x *nftExpr) natOf(name string, body json.RawMessage) error {
	kinds := map[string]firewall.NATKind{"dnat": firewall.DestinationNAT, "snat": firewall.SourceNAT, "masquerade": firewall.Masquerade, "redirect": firewall.Redirect}
	n := &firewall.NAT{Kind: kinds[name]}
	x.rule.Effects.NAT = n
	if string(body) == "null" {
		return nil
	}
	var from struct {
		Family     string
		Addr, Port json.RawMessage
		Flags      json.RawMessage
		TypeFlags  json.RawMessage `json:"type_flags"`
	}
	if err := json.Unmarshal(body, &from); err != nil {
		return errors.New("a change of addresses that is not known here")
	}
	flags := string(from.Flags)
	n.Random, n.Persistent = strings.Contains(flags, "random"), strings.Contains(flags, "persistent")
	if n.Family = nftFamilies[from.Family]; n.Family == firewall.AnyFamily {
		n.Family = 0
	}
	if n.Family != 0 && x.program.Family == firewall.AnyFamily {
		if err := x.need(firewall.NetworkProtocol, uint8(n.Family)); err != nil {
			return err
		}
	}
	var isMap struct {
		Map json.RawMessage
	}
	if json.Unmarshal(from.Addr, &isMap) == nil && isMap.Map != nil {
		var err error
		x.maps, err = x.mapOf(isMap.Map)
		if err == nil && x.maps == nil {
			err = errors.New("a named map of addresses")
		}
		return err
	}
	if from.Addr != nil {
		if err := natAddress(n, from.Addr); err != nil {
			return err
		}
	}
	if from.Port != nil {
		return natPort(n, from.Port)
	}
	return nil
}

// natTarget reads the value of a map: an address, or an address with a port.
func natTarget(n *firewall.NAT, raw json.RawMessage) error {
	var concat struct{ Concat []json.RawMessage }
	if json.Unmarshal(raw, &concat) == nil && len(concat.Concat) == 2 {
		if err := natAddress(n, concat.Concat[0]); err != nil {
			return err
		}
		return natPort(n, concat.Concat[1])
	}
	return natAddress(n, raw)
}

func natAddress(n *firewall.NAT, raw json.RawMessage) error {
	for _, f := range []firewall.FieldID{firewall.IPv4Destination, firewall.IPv6Destination} {
		from, to, err := rangeOfField(f, raw)
		if err == nil {
			if to == nil {
				to = from
			}
			n.From, n.To, n.Family = from, to, f.Info().Family
			return nil
		}
	}
	return errors.New("an address to map to that is not known here")
}

func natPort(n *firewall.NAT, raw json.RawMessage) error {
	from, to, err := rangeOfField(firewall.DestinationPort, raw)
	if err != nil {
		return err
	}
	if to == nil {
		to = from
	}
	n.MinPort, n.MaxPort = binary.BigEndian.Uint16(from), binary.BigEndian.Uint16(to)
	return nil
}
