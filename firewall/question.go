package firewall

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"wirelab/internal/setting"
)

// A Question is a packet to ask a Program about: the first of a connection, unless
// State or Flags say otherwise.
type Question struct {
	Value    setting.Value // as it was written
	Expected VerdictKind   // Continue: not said
	Reply    string        // what a reject must answer: "icmp 3", "icmpv6 4", "tcp reset"; "": not said

	Protocol        uint8
	Source          netip.Addr // invalid: any
	Destination     netip.Addr // invalid: an address of this host
	SourcePort      uint16
	DestinationPort uint16
	Type, Code      uint8 // of ICMP
	Flags           uint8 // of TCP
	In, Out         string
	Outgoing        bool   // this host sends it
	State           uint32 // one of the State bits; 0: as the kernel's connection tracking would say
	Status          uint32
	Mark            uint32
}

// IPv6 reports whether the packet is one of IPv6.
func (q *Question) IPv6() bool {
	return q.Source.Is6() || q.Destination.Is6() || q.Protocol == protocolICMPv6 && !q.Source.IsValid() && !q.Destination.IsValid()
}

const flagSYN = 2

// String writes the question in words that ParseQuestion reads.
func (q *Question) String() string {
	text := ProtocolName(q.Protocol)
	end := func(a netip.Addr, port uint16) string {
		switch {
		case !a.IsValid() && port == 0:
			return "any"
		case !a.IsValid():
			return fmt.Sprintf(":%d", port)
		case port == 0:
			return a.String()
		}
		return netip.AddrPortFrom(a, port).String()
	}
	switch q.Protocol {
	case protocolICMP, protocolICMPv6:
		text += fmt.Sprintf("/%d/%d", q.Type, q.Code)
	case protocolTCP:
		if q.Flags != flagSYN {
			text += " flags " + FlagNames(q.Flags)
		}
	}
	text += " " + end(q.Source, q.SourcePort) + " -> " + end(q.Destination, q.DestinationPort)
	for _, part := range []struct{ word, value string }{{"on", q.In}, {"out", q.Out}, {"state", bitNames(q.State, stateNames)}} {
		if part.value != "" {
			text += " " + part.word + " " + part.value
		}
	}
	return text
}

// ParseQuestion reads a question: an optional verdict, a protocol or service, where
// from, where to, and what else is known of the packet, such as
//
//	tcp 203.0.113.9 -> :22 on eth0
//	accept udp 10.0.0.7:4000 -> 192.0.2.1:53 on eth1 out eth0
//	icmp/8 203.0.113.9 -> 10.0.0.1
//	drop tcp 203.0.113.9:4000 -> 10.0.0.1:80 on eth0 flags syn,ack
//	reject udp 203.0.113.9 -> :53 icmp 3
//
// "->" may be left out where both ends are given. The policy's own services are not
// known here; Policy.Question knows them.
func ParseQuestion(v setting.Value) (Question, *setting.Error) {
	names := dictionary{services: map[string][]Service{}}
	for name, text := range wellKnown {
		for _, s := range strings.Fields(text) {
			one, _ := parseService(s)
			names.services[name] = append(names.services[name], one...)
		}
	}
	names.names = serviceNames()
	return parseQuestion(v, &names)
}

// A questionReader reads one question.
type questionReader struct {
	*reader
	q        Question
	ends     []word
	arrow    int // ends before the arrow; -1: none
	hasFlags bool
}

func parseQuestion(v setting.Value, names *dictionary) (Question, *setting.Error) {
	r := &questionReader{reader: newReader(v), arrow: -1}
	r.q.Value = v
	if kind, ok := verbs[r.peek().text]; ok && r.more() {
		r.next++
		r.q.Expected = kind
	}
	r.protocol(names)
	for r.more() {
		r.part(r.take("a part of the question"))
	}
	if r.err == nil {
		r.place()
	}
	if r.err == nil {
		r.complete()
	}
	return r.q, r.err
}

// protocol reads "tcp", "tcp:SA", "icmp/8", "ssh". An interface may stand in front,
// as in tables of verdicts.
func (r *questionReader) protocol(names *dictionary) {
	w := r.take("a protocol or a service")
	if r.err != nil {
		return
	}
	if r.isProtocol(w.text, names) {
		return
	}
	if w2 := r.peek(); r.more() && r.isProtocol(w2.text, names) {
		r.next++
		r.q.In = w.text
		return
	}
	known := slices.Concat(slices.Sorted(maps.Keys(names.services)), slices.Sorted(maps.Keys(protocols)))
	r.unknown(w, "a protocol or a service, as in \"tcp 203.0.113.9 -> :22\"", known)
}

func (r *questionReader) isProtocol(text string, names *dictionary) bool {
	name, flags, hasFlags := strings.Cut(text, ":")
	if hasFlags && strings.ToLower(name) == "tcp" {
		bits, ok := flagLetters(flags)
		r.q.Protocol, r.q.Flags, r.hasFlags = protocolTCP, bits, true
		return ok
	}
	services, known := names.services[text]
	if !known {
		var err error
		if services, err = parseService(strings.ToLower(text)); err != nil {
			return false
		}
	}
	s := services[0]
	r.q.Protocol = s.Protocol
	if len(s.Ports) > 0 {
		r.q.DestinationPort = s.Ports[0].First
	}
	if s.Type >= 0 {
		r.q.Type = uint8(s.Type)
	} else if s.Protocol == protocolICMP || s.Protocol == protocolICMPv6 {
		r.q.Type = map[uint8]uint8{protocolICMP: 8, protocolICMPv6: 128}[s.Protocol]
	}
	r.q.Code = uint8(max(s.Code, 0))
	return s.Protocol != 0
}

// flagLetters reads flags of TCP as tcpdump and scapy write them: "SA"; "0" is none.
func flagLetters(s string) (uint8, bool) {
	var bits uint8
	for _, c := range strings.ToUpper(s) {
		i := strings.IndexRune("FSRPAUEC", c)
		if i < 0 && c != '0' {
			return 0, false
		}
		if i >= 0 {
			bits |= 1 << i
		}
	}
	return bits, s != ""
}

func (r *questionReader) part(w word) {
	switch w.text {
	case "->", "to":
		if r.arrow >= 0 {
			r.fail(w, "\"->\" stands twice")
		}
		r.arrow = len(r.ends)
	case "from":
	case "on", "in":
		r.q.In = r.take("the name of an interface").text
	case "out":
		r.q.Out = r.take("the name of an interface").text
	case "state":
		r.q.State = r.oneOf(stateNames)
	case "status":
		r.q.Status = r.oneOf(statusNames)
	case "mark":
		r.q.Mark = uint32(r.number("a mark"))
	case "flags":
		r.flags()
	case "icmp", "icmpv6":
		r.q.Reply = fmt.Sprintf("%s %d", w.text, r.number("the code of the answer"))
	case "tcp":
		r.q.Reply = "tcp " + r.take("\"reset\"").text
	default:
		r.ends = append(r.ends, w)
		if len(r.ends) > 2 {
			r.fail(w, "%s is one word too many; expected on INTERFACE, out INTERFACE, state, flags or mark", setting.Quote(w.text))
		}
	}
}

func (r *questionReader) oneOf(names map[string]uint32) uint32 {
	known := slices.Sorted(maps.Keys(names))
	w := r.take("one of " + strings.Join(known, ", "))
	bit, ok := names[w.text]
	if !ok {
		r.unknown(w, strings.Join(known, ", "), known)
	}
	return bit
}

func (r *questionReader) number(expected string) uint64 {
	w := r.take(expected)
	n, err := strconv.ParseUint(w.text, 0, 32)
	if err != nil {
		r.fail(w, "expected %s, not %s", expected, setting.Quote(w.text))
	}
	return n
}

// flags reads "flags syn,ack" or "flags SA".
func (r *questionReader) flags() {
	r.hasFlags = true
	r.list("flags of TCP, such as syn,ack", func(w word) {
		bit, ok := flagNames[strings.ToLower(w.text)]
		if !ok {
			bit, ok = flagLetters(w.text)
		}
		if !ok {
			r.fail(w, "%s are no flags of TCP, such as syn,ack", setting.Quote(w.text))
		}
		r.q.Flags |= bit
	})
}

// place finds out which end is which.
func (r *questionReader) place() {
	var source, destination word
	switch {
	case len(r.ends) == 2:
		source, destination = r.ends[0], r.ends[1]
	case len(r.ends) == 1 && r.arrow == 1:
		source = r.ends[0]
	case len(r.ends) == 1 && r.arrow < 0 && !strings.HasPrefix(r.ends[0].text, ":"):
		source = r.ends[0]
	case len(r.ends) == 1:
		destination = r.ends[0]
		r.q.Outgoing = r.q.In == "" && !strings.HasPrefix(destination.text, ":")
	}
	r.q.Source, r.q.SourcePort = r.end(source, 0)
	r.q.Destination, r.q.DestinationPort = r.end(destination, r.q.DestinationPort)
}

// end reads "203.0.113.9", "203.0.113.9:4000", ":22", "[2001:db8::1]:22", "2001:db8::1" or "any".
func (r *questionReader) end(w word, port uint16) (netip.Addr, uint16) {
	if w.text == "" || w.text == "any" {
		return netip.Addr{}, port
	}
	address, ports := SplitTarget(w.text)
	if ports != "" {
		n, err := strconv.ParseUint(ports, 10, 16)
		if err != nil {
			one, known := LookupPort(ports, r.q.Protocol)
			if n = uint64(one); !known {
				r.fail(w, "%s is not a port", setting.Quote(ports))
			}
		}
		port = uint16(n)
	}
	if address == "" {
		return netip.Addr{}, port
	}
	a, err := netip.ParseAddr(address)
	if err != nil {
		r.fail(w, "%s is not an address (names are not looked up); expected such as 203.0.113.9:4000 or [2001:db8::1]:22", setting.Quote(w.text))
	}
	return a.Unmap().WithZone(""), port
}

// complete fills in what goes without saying.
func (r *questionReader) complete() {
	q := &r.q
	if q.Source.IsValid() && q.Destination.IsValid() && q.Source.Is4() != q.Destination.Is4() {
		r.fail(r.words[0], "one end is IPv4 and the other IPv6")
	}
	switch {
	case q.Protocol == protocolTCP && !r.hasFlags:
		q.Flags = flagSYN
	case q.Protocol != protocolTCP && r.hasFlags:
		r.fail(r.words[0], "only tcp has flags")
	}
	icmp := q.Protocol == protocolICMP || q.Protocol == protocolICMPv6
	if icmp && q.DestinationPort != 0 {
		q.Type = uint8(min(q.DestinationPort, 255))
	} else if icmp && slices.ContainsFunc(r.ends, func(w word) bool { return strings.HasSuffix(w.text, ":0") && w == r.ends[len(r.ends)-1] }) {
		q.Type = 0
	}
	if q.Protocol == protocolICMP && (q.Source.Is6() || q.Destination.Is6()) {
		q.Protocol = protocolICMPv6
		if q.Type == 8 && q.DestinationPort == 0 {
			q.Type = 128
		}
	}
	if !HasPorts(q.Protocol) {
		q.SourcePort, q.DestinationPort = 0, 0
	} else if q.SourcePort == 0 {
		q.SourcePort = 40000
	}
}

// parseProtect reads who must be able to reach what: "ssh from office on eth0".
func parseProtect(v setting.Value, names *dictionary) (Clause, *setting.Error) {
	r := &ruleReader{reader: newReader(v), names: names, rule: Clause{Value: v}}
	for r.more() {
		w := r.take("a service")
		if slices.Contains([]string{"limit", "log", "with", "->", "state", "count", "clamp-mss", "status", "random", "persistent", "flags"}, w.text) {
			r.fail(w, "expected who must reach what, such as \"ssh from office\"")
		}
		r.part(w)
	}
	switch {
	case r.err != nil:
	case len(r.rule.Services) == 0:
		r.fail(r.peek(), "expected a service to protect, such as \"ssh from office\"")
	case r.rule.Sources.Not || r.rule.Targets.Not || r.rule.In.Not || r.rule.Sources.Type != 0:
		r.fail(r.words[0], "what is protected is named, not excluded")
	}
	return r.rule, r.err
}
