package firewall

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"wirelab/internal/setting"
)

var stateNames = map[string]uint32{
	"new": StateNew, "established": StateEstablished, "related": StateRelated, "invalid": StateInvalid, "untracked": StateUntracked,
}

var statusNames = map[string]uint32{
	"snat": StatusSNAT, "dnat": StatusDNAT, "assured": StatusAssured, "confirmed": StatusConfirmed, "seen-reply": StatusSeenReply,
}

// Bits of Clause.Casts: PACKET_* of the kernel as bits.
const (
	CastHost      = 1 << 0
	CastBroadcast = 1 << 1
	CastMulticast = 1 << 2
)

var castNames = map[string]uint32{"unicast": CastHost, "broadcast": CastBroadcast, "multicast": CastMulticast}

var addressTypes = map[string]uint32{
	"local": AddressLocal, "broadcast": AddressBroadcast, "multicast": AddressMulticast, "unicast": AddressUnicast, "anycast": AddressAnycast,
}

var flagNames = map[string]uint8{"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ece": 64, "cwr": 128, "none": 0, "all": 63}

// answers are what "reject with" may answer, by the names that iptables has for them;
// those without a family answer both.
var answers = map[string]Answer{
	"tcp-reset": {Type: ResetAnswer}, "port-unreachable": {ICMPXAnswer, ICMPXPortUnreachable, 0}, "no-route": {ICMPXAnswer, ICMPXNoRoute, 0},
	"host-unreachable": {ICMPXAnswer, ICMPXHostUnreachable, 0}, "admin-prohibited": {ICMPXAnswer, ICMPXAdminProhibited, 0},
	"icmp-net-unreachable": {ICMPAnswer, 0, IPv4}, "icmp-host-unreachable": {ICMPAnswer, 1, IPv4}, "icmp-proto-unreachable": {ICMPAnswer, 2, IPv4}, "icmp-port-unreachable": {ICMPAnswer, 3, IPv4},
	"icmp-net-prohibited": {ICMPAnswer, 9, IPv4}, "icmp-host-prohibited": {ICMPAnswer, 10, IPv4}, "icmp-admin-prohibited": {ICMPAnswer, 13, IPv4},
	"icmp6-no-route": {ICMPAnswer, 0, IPv6}, "icmp6-adm-prohibited": {ICMPAnswer, 1, IPv6}, "icmp6-addr-unreachable": {ICMPAnswer, 3, IPv6}, "icmp6-port-unreachable": {ICMPAnswer, 4, IPv6},
	"icmp6-policy-fail": {ICMPAnswer, 5, IPv6}, "icmp6-reject-route": {ICMPAnswer, 6, IPv6},
}

var units = map[string]time.Duration{
	"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour,
}

func partOf(name string) func(*ruleReader, word) { return parts[name] }

func (r *ruleReader) service(w word) {
	if r.err != nil {
		return
	}
	if known, ok := r.names.services[w.text]; ok {
		r.rule.Services = append(r.rule.Services, known...)
		return
	}
	if digits(w.text) && len(r.rule.Services) > 0 { // tcp/80,443
		last := &r.rule.Services[len(r.rule.Services)-1]
		if HasPorts(last.Protocol) && len(last.Ports) > 0 {
			ports, err := parsePort(w.text, last.Protocol)
			if err != nil {
				r.fail(w, "%v", err)
			}
			last.Ports = append(slices.Clip(last.Ports), ports)
			return
		}
	}
	services, err := parseService(w.text)
	switch {
	case err == nil:
		r.rule.Services = append(r.rule.Services, services...)
	case strings.Contains(w.text, "/"):
		r.fail(w, "%v; expected a service, such as tcp/80, udp/5000-5010 or icmp/8", err)
	default:
		r.unknown(w, "a service, such as ssh or tcp/80, or from, to, on, state, limit, log", slices.Concat(r.names.names, partWords))
	}
}

func digits(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// notProtocol reads the protocol after "not".
func (r *ruleReader) notProtocol() {
	w := r.take("a protocol")
	protocol, ok := ParseProtocol(w.text)
	if !ok {
		r.fail(w, "expected a protocol after \"not\", such as tcp; \"tcp/!80\" is all ports but one")
	}
	r.rule.Services = append(r.rule.Services, Service{Protocol: protocol, NotProto: true, Type: -1, Code: -1})
}

func (r *ruleReader) twice(w word, is bool) {
	if is {
		r.fail(w, "%s stands twice", setting.Quote(w.text))
	}
}

func (r *ruleReader) ends(at word, e *Ends) {
	r.twice(at, !e.empty())
	e.Not = r.not()
	r.list("an address, a prefix, a range or the name of a net", func(w word) { r.end(w, e) })
	if e.Type != 0 && len(e.Ranges) > 0 {
		r.fail(at, "a type of address stands alone")
	}
}

func (r *ruleReader) end(w word, e *Ends) {
	if ranges, ok := r.names.nets[w.text]; ok {
		e.Ranges = append(e.Ranges, ranges...)
		e.Nets = append(e.Nets, w.text)
		return
	}
	if kind, ok := addressTypes[w.text]; ok {
		r.twice(w, e.Type != 0)
		e.Type = kind
		return
	}
	if w.text == "any" {
		e.Ranges = append(e.Ranges, RangeOf(netip.PrefixFrom(netip.IPv4Unspecified(), 0)), RangeOf(netip.PrefixFrom(netip.IPv6Unspecified(), 0)))
		return
	}
	one, err := ParseRange(w.text)
	switch {
	case err == nil:
		e.Ranges = append(e.Ranges, one)
		e.Nets = append(e.Nets, "")
	case strings.ContainsAny(w.text, "/:") || digits(w.text):
		r.fail(w, "%v; expected an address, a prefix such as 10.0.0.0/8, or a range first-last", err)
	default:
		r.unknown(w, "an address, a prefix, a range or a name of \"nets:\" (names of hosts are not looked up)", append(slices.Sorted(maps.Keys(addressTypes)), r.names.netNames...))
	}
}

func (r *ruleReader) interfaces(at word, i *Interfaces) {
	r.twice(at, len(i.Names) > 0)
	i.Not = r.not()
	r.list("the name of an interface", func(w word) {
		if name := strings.TrimSuffix(w.text, "*"); len(name) > 15 || strings.ContainsAny(name, "/*\x00") {
			r.fail(w, "%s is not the name of an interface, which has at most 15 characters; eth* stands for all that begin with eth", setting.Quote(w.text))
		}
		i.Names = append(i.Names, w.text)
	})
}

func (r *ruleReader) ports(at word, p *Ports) {
	r.twice(at, len(p.Ranges) > 0)
	p.Not = r.not()
	r.list("a port, or ports first-last", func(w word) {
		one, err := parsePort(w.text, protocolTCP)
		if err != nil {
			r.fail(w, "%v", err)
		}
		p.Ranges = append(p.Ranges, one)
	})
}

func (r *ruleReader) bits(at word, b *Bits, names map[string]uint32) {
	r.twice(at, b.Bits != 0)
	b.Not = r.not()
	known := slices.Sorted(maps.Keys(names))
	expected := strings.Join(known, ", ")
	r.list("one of "+expected, func(w word) {
		bit, ok := names[w.text]
		if !ok {
			r.unknown(w, expected, known)
		}
		b.Bits |= bit
	})
}

// flags reads "flags syn,ack", all that must be set, and "flags syn of syn,ack,fin,rst",
// or "flags any syn,fin".
func (r *ruleReader) flags(at word) {
	f := &r.rule.Flags
	r.twice(at, f.Set)
	f.Set, f.Not = true, r.not()
	f.Any = r.accept("any")
	f.Value = r.flagList()
	f.Mask = f.Value
	if !f.Any && r.accept("of") {
		f.Mask = r.flagList()
	}
	if f.Value&^f.Mask != 0 {
		r.fail(at, "the flags that are set must be among those that are looked at")
	}
}

func (r *ruleReader) flagList() uint8 {
	var bits uint8
	known := slices.Sorted(maps.Keys(flagNames))
	r.list("flags of TCP, such as syn,ack", func(w word) {
		bit, ok := flagNames[strings.ToLower(w.text)]
		if !ok {
			r.unknown(w, strings.Join(known, ", "), known)
		}
		bits |= bit
	})
	return bits
}

func (r *ruleReader) mark(at word, m *Mark) {
	r.twice(at, m.Set)
	m.Set, m.Not = true, r.not()
	w := r.take("a mark, such as 0x1 or 0x1/0xff")
	value, mask, hasMask := strings.Cut(w.text, "/")
	v, err := strconv.ParseUint(value, 0, 32)
	m.Value, m.Mask = uint32(v), ^uint32(0)
	if hasMask && err == nil {
		v, err = strconv.ParseUint(mask, 0, 32)
		m.Mask = uint32(v)
	}
	if err != nil {
		r.fail(w, "%s is not a mark, such as 0x1 or 0x1/0xff", setting.Quote(w.text))
	}
}

// limit reads "limit [over] 6/minute [burst 10] [per source]".
func (r *ruleReader) limit(at word) {
	r.twice(at, r.rule.Limit != nil)
	l := &Limit{Burst: 5, Over: r.accept("over")}
	r.rule.Limit = l
	w := r.take("a rate, such as 6/minute")
	count, unit, _ := strings.Cut(w.text, "/")
	rate, err := strconv.ParseUint(count, 10, 32)
	per, ok := units[unit]
	if l.Rate, l.Per = rate, per; err != nil || rate == 0 || !ok {
		r.fail(w, "%s is not a rate, such as 6/minute (second, minute, hour, day, week)", setting.Quote(w.text))
	}
	for r.more() {
		switch {
		case r.accept("burst"):
			w := r.take("a number of packets")
			burst, err := strconv.ParseUint(w.text, 10, 32)
			if l.Burst = uint32(burst); err != nil || burst == 0 {
				r.fail(w, "%s is not a number of packets from 1", setting.Quote(w.text))
			}
		case r.accept("per"):
			if w := r.take("\"source\""); w.text != "source" {
				r.fail(w, "expected \"source\" after \"per\"")
			}
			r.rule.PerHost = true
		default:
			return
		}
	}
}

// log reads "log ["prefix"] [level 7] [group 2]".
func (r *ruleReader) log(at word) {
	r.twice(at, r.rule.Log != nil)
	l := &Log{Level: 4}
	r.rule.Log = l
	if w := r.peek(); w.quoted {
		r.next++
		if l.Prefix = w.text; len(w.text) > 127 || strings.ContainsFunc(w.text, func(c rune) bool { return c < ' ' }) {
			r.fail(w, "the prefix of a log line has at most 127 bytes without control characters")
		}
	}
	for r.more() {
		switch {
		case r.accept("level"):
			l.Level = uint8(r.number("a level from 0 to 7", 7))
		case r.accept("group"):
			l.Group, l.HasGroup = uint16(r.number("a group of NFLOG from 0 to 65535", 65535)), true
		default:
			return
		}
	}
}

func (r *ruleReader) number(expected string, most uint64) uint64 {
	w := r.take(expected)
	n, err := strconv.ParseUint(w.text, 10, 64)
	if err != nil || n > most {
		r.fail(w, "expected %s, not %s", expected, setting.Quote(w.text))
	}
	return n
}

// answer reads "with icmp-host-prohibited".
func (r *ruleReader) answer(at word) {
	known := slices.Sorted(maps.Keys(answers))
	w := r.take("an answer, such as tcp-reset")
	answer, ok := answers[w.text]
	switch {
	case r.err != nil:
	case !ok:
		r.unknown(w, strings.Join(known, ", "), known)
	case r.rule.Verdict.Kind != Reject:
		r.fail(at, "\"with\" belongs to reject")
	}
	r.rule.Verdict.Answer = answer
	if answer.Type == ICMPAnswer {
		r.family(w, answer.Family)
	}
}

func (r *ruleReader) family(w word, f Family) {
	if r.rule.Family != 0 && r.rule.Family != f {
		r.fail(w, "the rule would have to be of both families at once")
	}
	r.rule.Family = f
}

func (r *ruleReader) natFlag(w word, persistent bool) {
	if r.rule.NAT == nil {
		r.fail(w, "%s belongs to a rule that changes addresses, under \"nat:\"", setting.Quote(w.text))
		return
	}
	if persistent {
		r.rule.NAT.Persistent = true
	} else {
		r.rule.NAT.Random = true
	}
}

// target reads what comes after "->": ADDRESS, ADDRESS:PORT, :PORT, and ranges of
// both; an IPv6 address with a port stands in brackets.
func (r *ruleReader) target(at word) {
	w := r.take("where to, such as 192.168.1.1:80")
	nat := r.rule.NAT
	if nat == nil {
		r.fail(at, "\"->\" belongs to a rule that changes addresses, under \"nat:\"")
	}
	if r.err != nil {
		return
	}
	addresses, ports := SplitTarget(w.text)
	if addresses != "" {
		one, err := ParseRange(addresses)
		if err != nil {
			r.fail(w, "%v; expected where to, such as 192.168.1.1:80", err)
			return
		}
		nat.Family, nat.From, nat.To = one.Family(), one.First.AsSlice(), one.Last.AsSlice()
		r.family(w, nat.Family)
	}
	if ports != "" {
		p, err := parsePort(ports, protocolTCP)
		if err != nil || p.First == 0 {
			r.fail(w, "expected where to, such as 192.168.1.1:80, not %s", setting.Quote(w.text))
		}
		nat.MinPort, nat.MaxPort = p.First, p.Last
	}
}

// SplitTarget cuts "192.168.1.1:80", "[2001:db8::1]:80", "2001:db8::1" and ":80".
func SplitTarget(s string) (addresses, ports string) {
	if inside, is := strings.CutPrefix(s, "["); is {
		addresses, ports, _ = strings.Cut(inside, "]")
		return addresses, strings.TrimPrefix(ports, ":")
	}
	if strings.Count(s, ":") == 1 {
		addresses, ports, _ = strings.Cut(s, ":")
		return addresses, ports
	}
	return s, ""
}
