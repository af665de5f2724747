package foreign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
