package foreign

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"wirelab/firewall"
)

// options reads the options of one iptables rule.
type options struct {
	family   firewall.Family
	table    string
	args     []string
	match    *conditions
	modules  []string
	protocol uint8
	not      bool
	target   string
	jump     firewall.VerdictKind
	effects  firewall.Effects
	reject   string
	nat      struct {
		to, ports          string
		random, persistent bool
	}
	log  firewall.Log
	mss  bool
	hash struct {
		rate  string
		over  bool
		burst string
		mode  string
	}
	limit, burst string
	sets         []firewall.Set // that matches refer to
}

// flagOptions are the options without a value.
var flagOptions = map[string]func(*options) error{
	"--syn": func(o *options) error {
		return o.add(firewall.Match{Field: firewall.TCPFlags, Mask: []byte{0x17}, From: []byte{0x02}, Not: o.not})
	},
	"--random":               func(o *options) error { o.nat.random = true; return nil },
	"--random-fully":         func(o *options) error { o.nat.random = true; return nil },
	"--persistent":           func(o *options) error { o.nat.persistent = true; return nil },
	"--clamp-mss-to-pmtu":    func(o *options) error { o.mss = true; return nil },
	"-4":                     func(o *options) error { return o.only(firewall.IPv4) },
	"--ipv4":                 func(o *options) error { return o.only(firewall.IPv4) },
	"-6":                     func(o *options) error { return o.only(firewall.IPv6) },
	"--ipv6":                 func(o *options) error { return o.only(firewall.IPv6) },
	"--log-tcp-sequence":     ignoreFlag,
	"--log-tcp-options":      ignoreFlag,
	"--log-ip-options":       ignoreFlag,
	"--log-uid":              ignoreFlag,
	"--log-macdecode":        ignoreFlag,
	"-w":                     ignoreFlag,
	"--wait":                 ignoreFlag,
	"-n":                     ignoreFlag,
	"--numeric":              ignoreFlag,
	"-v":                     ignoreFlag,
	"--verbose":              ignoreFlag,
	"--hashlimit-rate-match": func(*options) error { return errors.New("hashlimit by rate is not known here") },
}

func ignoreFlag(*options) error { return nil }

// valueOptions are the options with a value.
var valueOptions = map[string]func(*options, string) error{
	"-p": (*options).setProtocol, "--protocol": (*options).setProtocol, "--proto": (*options).setProtocol,
	"-s": source, "--source": source, "--src": source, "-d": destination, "--destination": destination, "--dst": destination,
	"--src-range": source, "--dst-range": destination,
	"-i": inInterface, "--in-interface": inInterface, "-o": outInterface, "--out-interface": outInterface,
	"-m": (*options).module, "--match": (*options).module,
	"-j": (*options).setTarget, "--jump": (*options).setTarget, "-g": (*options).setGoto, "--goto": (*options).setGoto,
	"--sport": sourcePort, "--source-port": sourcePort, "--sports": sourcePort, "--source-ports": sourcePort,
	"--dport": destinationPort, "--destination-port": destinationPort, "--dports": destinationPort, "--destination-ports": destinationPort,
	"--icmp-type": (*options).icmpType, "--icmpv6-type": (*options).icmpType,
	"--state": (*options).state, "--ctstate": (*options).state, "--ctstatus": (*options).ctStatus,
	"--ctorigdstport": func(o *options, v string) error { return o.ports(firewall.OriginalPort, v) },
	"--ctorigdst": func(o *options, v string) error {
		return o.addresses(firewall.OriginalIPv4Destination, firewall.NoField, v)
	},
	"--limit": func(o *options, v string) error { o.limit = v; return nil }, "--limit-burst": func(o *options, v string) error { o.burst = v; return nil },
	"--hashlimit":      func(o *options, v string) error { o.hash.rate = v; return nil },
	"--hashlimit-upto": func(o *options, v string) error { o.hash.rate = v; return nil }, "--hashlimit-above": func(o *options, v string) error { o.hash.rate, o.hash.over = v, true; return nil },
	"--hashlimit-burst": func(o *options, v string) error { o.hash.burst = v; return nil }, "--hashlimit-mode": func(o *options, v string) error { o.hash.mode = v; return nil },
	"--hashlimit-name": ignore, "--hashlimit-htable-size": ignore, "--hashlimit-htable-max": ignore, "--hashlimit-htable-expire": ignore, "--hashlimit-htable-gcinterval": ignore,
	"--mark": (*options).mark, "--pkt-type": (*options).packetType, "--src-type": sourceType, "--dst-type": destinationType,
	"--comment": ignore, "--to-destination": natTo, "--to-source": natTo, "--to-ports": natPorts, "--to-port": natPorts,
	"--reject-with": func(o *options, v string) error { o.reject = v; return nil },
	"--log-prefix":  logPrefix, "--nflog-prefix": logPrefix, "--log-level": (*options).logLevel, "--nflog-group": (*options).logGroup,
}

func ignore(*options, string) error { return nil }
func source(o *options, v string) error {
	return o.addresses(firewall.IPv4Source, firewall.IPv6Source, v)
}
func destination(o *options, v string) error {
	return o.addresses(firewall.IPv4Destination, firewall.IPv6Destination, v)
}
func inInterface(o *options, v string) error     { return o.onInterface(firewall.InInterface, v) }
func outInterface(o *options, v string) error    { return o.onInterface(firewall.OutInterface, v) }
func sourcePort(o *options, v string) error      { return o.ports(firewall.SourcePort, v) }
func destinationPort(o *options, v string) error { return o.ports(firewall.DestinationPort, v) }
func sourceType(o *options, v string) error      { return o.addressType(firewall.SourceType, v) }
func destinationType(o *options, v string) error { return o.addressType(firewall.DestinationType, v) }
func natTo(o *options, v string) error           { o.nat.to = v; return nil }
func natPorts(o *options, v string) error        { o.nat.ports = v; return nil }
func logPrefix(o *options, v string) error       { o.log.Prefix = v; return nil }

func flagOf(name string) func(*options) error          { return flagOptions[name] }
func valueOf(name string) func(*options, string) error { return valueOptions[name] }

// read goes through the options. "!" stands before an option, or, as in old files,
// before its value.
func (o *options) read() error {
	o.log.Level = 4
	for i := 0; i < len(o.args); i++ {
		name := o.args[i]
		if o.not = name == "!"; o.not {
			if i++; i >= len(o.args) {
				return errors.New("\"!\" at the end")
			}
			name = o.args[i]
		}
		name, inline, hasInline := strings.Cut(name, "=")
		if set := flagOf(name); set != nil && !hasInline {
			if err := set(o); err != nil {
				return err
			}
			continue
		}
		if name == "-c" || name == "--set-counters" {
			i += 2
			continue
		}
		next, err := o.value(name, inline, hasInline, i)
		if err != nil {
			return err
		}
		i = next
	}
	return nil
}

// value reads the value of an option, which stands at i, and returns where it ends.
func (o *options) value(name, inline string, hasInline bool, i int) (int, error) {
	values := 1
	set := valueOf(name)
	if name == "--tcp-flags" {
		values = 2
	} else if set == nil {
		return i, fmt.Errorf("%s is not known here", name)
	}
	if hasInline {
		return i, set(o, inline)
	}
	if i+1 < len(o.args) && o.args[i+1] == "!" {
		o.not = true
		i++
	}
	if i+values >= len(o.args) {
		return i, fmt.Errorf("the value of %s is missing", name)
	}
	if values == 2 {
		return i + 2, o.tcpFlags(o.args[i+1], o.args[i+2])
	}
	return i + 1, set(o, o.args[i+1])
}

func (o *options) add(any ...firewall.Match) error { return o.match.add(any...) }

func (o *options) only(f firewall.Family) error {
	if f != o.family {
		return errors.New("a rule of the other family")
	}
	return nil
}

func (o *options) setProtocol(v string) error {
	if strings.ToLower(v) == "all" || v == "0" {
		return nil
	}
	protocol, ok := firewall.ParseProtocol(v)
	if !ok {
		return fmt.Errorf("%q is no protocol", v)
	}
	if !o.not {
		o.protocol = protocol
	}
	return o.add(firewall.Match{Field: firewall.TransportProtocol, From: []byte{protocol}, Not: o.not})
}

// module takes the modules whose options are known.
func (o *options) module(v string) error {
	switch v {
	case "tcp", "udp", "icmp", "icmp6", "icmpv6", "sctp", "dccp", "udplite", "state", "conntrack", "limit", "hashlimit", "multiport", "comment", "mark", "connmark", "pkttype", "addrtype", "iprange":
		o.modules = append(o.modules, v)
		return nil
	}
	return fmt.Errorf("the module %s is not known here", v)
}

// addresses reads addresses, prefixes and ranges with commas between them.
func (o *options) addresses(v4, v6 firewall.FieldID, v string) error {
	f := v4
	if o.family == firewall.IPv6 {
		f = v6
	}
	var any []firewall.Match
	for text := range strings.SplitSeq(v, ",") {
		one, err := parseAddress(text)
		switch {
		case err != nil:
			return err
		case one.Family() != o.family || f == firewall.NoField:
			return fmt.Errorf("%q is of the other family", text)
		}
		if p, ok := one.Prefix(); ok && p.Bits() == 0 && !o.not {
			return nil // any address
		}
		m := firewall.RangeMatch(f, one)
		m.Not = o.not
		any = append(any, m)
	}
	if o.not {
		return o.match.every(any...)
	}
	return o.add(any...)
}

func parseAddress(text string) (firewall.Range, error) {
	one, err := firewall.ParseRange(text)
	if err != nil {
		return one, fmt.Errorf("%w (names are not looked up)", err)
	}
	return one, nil
}

func (o *options) onInterface(f firewall.FieldID, v string) error {
	if strings.HasSuffix(v, "+") {
		v = strings.TrimSuffix(v, "+") + "*"
	}
	if v == "*" && !o.not {
		return nil
	}
	value, mask := firewall.InterfaceName(v)
	return o.add(firewall.Match{Field: f, From: value, Mask: mask, Not: o.not})
}

// ports reads "80", "8000:8010", "22,80,443" and names.
func (o *options) ports(f firewall.FieldID, v string) error {
	if !firewall.HasPorts(o.protocol) {
		return errors.New("ports without a protocol that has some")
	}
	set := firewall.Set{Name: "ports_" + v, Key: []firewall.FieldID{f}, Interval: true}
	for text := range strings.SplitSeq(v, ",") {
		first, last, isRange := strings.Cut(text, ":")
		if !isRange {
			last = first
		}
		a, err := o.port(first, "0")
		if err != nil {
			return err
		}
		b, err := o.port(last, "65535")
		if err != nil {
			return err
		}
		e := firewall.Element{From: be16(a)}
		if b < a {
			return fmt.Errorf("the ports %s end before they begin", text)
		}
		if a != b {
			e.To = be16(b)
		}
		set.Elements = append(set.Elements, e)
	}
	if e := set.Elements[0]; len(set.Elements) == 1 {
		return o.add(firewall.Match{Field: f, From: e.From, To: e.To, Not: o.not})
	}
	o.sets = append(o.sets, set)
	return o.add(firewall.Match{Field: f, Set: set.Name, Not: o.not})
}

func (o *options) port(text, byDefault string) (uint16, error) {
	if text == "" {
		text = byDefault
	}
	if n, err := strconv.ParseUint(text, 10, 16); err == nil {
		return uint16(n), nil
	}
	if n, ok := firewall.LookupPort(text, o.protocol); ok {
		return n, nil
	}
	return 0, fmt.Errorf("%q is a port that is not known here", text)
}

func be16(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }

func host32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

// iptablesTypes are types of ICMP with a code that iptables has names for.
var iptablesTypes = map[string][2]int{
	"network-unreachable": {3, 0}, "host-unreachable": {3, 1}, "protocol-unreachable": {3, 2}, "port-unreachable": {3, 3}, "fragmentation-needed": {3, 4}, "source-route-failed": {3, 5},
	"network-unknown": {3, 6}, "host-unknown": {3, 7}, "network-prohibited": {3, 9}, "host-prohibited": {3, 10}, "tos-network-unreachable": {3, 11}, "tos-host-unreachable": {3, 12}, "communication-prohibited": {3, 13},
	"host-precedence-violation": {3, 14}, "precedence-cutoff": {3, 15}, "network-redirect": {5, 0}, "host-redirect": {5, 1}, "tos-network-redirect": {5, 2}, "tos-host-redirect": {5, 3},
	"ttl-zero-during-transit": {11, 0}, "ttl-zero-during-reassembly": {11, 1}, "ip-header-bad": {12, 0}, "required-option-missing": {12, 1},
}

var ip6tablesTypes = map[string][2]int{
	"no-route": {1, 0}, "communication-prohibited": {1, 1}, "beyond-scope": {1, 2}, "address-unreachable": {1, 3}, "port-unreachable": {1, 4}, "failed-policy": {1, 5}, "reject-route": {1, 6},
	"ttl-zero-during-transit": {3, 0}, "ttl-zero-during-reassembly": {3, 1}, "bad-header": {4, 0}, "unknown-header-type": {4, 1}, "unknown-option": {4, 2},
}

func (o *options) icmpType(v string) error {
	kindField, codeField, names := firewall.ICMPType, firewall.ICMPCode, iptablesTypes
	protocol := uint8(protocolICMP)
	if o.family == firewall.IPv6 {
		kindField, codeField, names, protocol = firewall.ICMPv6Type, firewall.ICMPv6Code, ip6tablesTypes, protocolICMPv6
	}
	if o.protocol != protocol {
		return errors.New("a type of ICMP without its protocol")
	}
	if v == "any" || v == "255" {
		return nil
	}
	kind, code, hasCode := strings.Cut(v, "/")
	number, ok := firewall.ParseICMPType(kind, protocol)
	codeNumber := -1
	if named, is := names[v]; is {
		number, codeNumber, ok = named[0], named[1], true
	} else if hasCode {
		n, err := strconv.ParseUint(code, 10, 8)
		codeNumber, ok = int(n), ok && err == nil
	}
	switch {
	case !ok:
		return fmt.Errorf("%q is a type of ICMP that is not known here", v)
	case codeNumber < 0:
		return o.add(firewall.Match{Field: kindField, From: []byte{byte(number)}, Not: o.not})
	case o.not:
		return errors.New("all types and codes but one")
	}
	return o.match.every(firewall.Match{Field: kindField, From: []byte{byte(number)}}, firewall.Match{Field: codeField, From: []byte{byte(codeNumber)}})
}

func (o *options) tcpFlags(mask, set string) error {
	if o.protocol != protocolTCP {
		return errors.New("flags without -p tcp")
	}
	m, err := flagBits(mask)
	if err != nil {
		return err
	}
	s, err := flagBits(set)
	if err != nil {
		return err
	}
	return o.add(firewall.Match{Field: firewall.TCPFlags, Mask: []byte{m}, From: []byte{s}, Not: o.not})
}

func flagBits(list string) (uint8, error) {
	var bits uint8
	for name := range strings.SplitSeq(strings.ToLower(list), ",") {
		i := strings.Index("fin syn rst psh ack urg ", name+" ")
		switch {
		case name == "all":
			bits |= 63
		case name == "none":
		case i < 0 || len(name) != 3:
			return 0, fmt.Errorf("%q is no flag of TCP", name)
		default:
			bits |= 1 << (i / 4)
		}
	}
	return bits, nil
}

// state reads states, among which iptables counts SNAT and DNAT.
func (o *options) state(v string) error {
	var states, statuses uint32
	for name := range strings.SplitSeq(strings.ToUpper(v), ",") {
		switch name {
		case "NEW":
			states |= firewall.StateNew
		case "ESTABLISHED":
			states |= firewall.StateEstablished
		case "RELATED":
			states |= firewall.StateRelated
		case "INVALID":
			states |= firewall.StateInvalid
		case "UNTRACKED":
			states |= firewall.StateUntracked
		case "SNAT":
			statuses |= firewall.StatusSNAT
		case "DNAT":
			statuses |= firewall.StatusDNAT
		default:
			return fmt.Errorf("%q is a state that is not known here", name)
		}
	}
	var any []firewall.Match
	if states != 0 {
		any = append(any, bitTest(firewall.ConnectionState, states, o.not))
	}
	if statuses != 0 {
		any = append(any, bitTest(firewall.ConnectionStatus, statuses, o.not))
	}
	if o.not {
		return o.match.every(any...)
	}
	return o.add(any...)
}

// bitTest holds if one of the bits is set, or with not if none is.
func bitTest(f firewall.FieldID, bits uint32, not bool) firewall.Match {
	return firewall.Match{Field: f, Mask: host32(bits), From: host32(0), Not: !not}
}

func (o *options) ctStatus(v string) error {
	var bits uint32
	for name := range strings.SplitSeq(strings.ToUpper(v), ",") {
		bit, ok := map[string]uint32{"SEEN_REPLY": firewall.StatusSeenReply, "ASSURED": firewall.StatusAssured, "CONFIRMED": firewall.StatusConfirmed}[name]
		if !ok {
			return fmt.Errorf("%q is a status that is not known here", name)
		}
		bits |= bit
	}
	return o.add(bitTest(firewall.ConnectionStatus, bits, o.not))
}

func (o *options) mark(v string) error {
	value, mask, hasMask := strings.Cut(v, "/")
	n, err := strconv.ParseUint(value, 0, 32)
	f := firewall.PacketMark
	for _, m := range o.modules {
		if m == "connmark" {
			f = firewall.ConnectionMark
		}
	}
	match := firewall.Match{Field: f, From: host32(uint32(n)), Not: o.not}
	if hasMask && err == nil {
		n, err = strconv.ParseUint(mask, 0, 32)
		match.Mask = host32(uint32(n))
	}
	if err != nil {
		return fmt.Errorf("%q is no mark", v)
	}
	return o.add(match)
}

func (o *options) packetType(v string) error {
	kind, ok := map[string]byte{"unicast": 0, "broadcast": 1, "multicast": 2}[v]
	if !ok {
		return fmt.Errorf("%q is no kind of packet", v)
	}
	return o.add(firewall.Match{Field: firewall.PacketType, From: []byte{kind}, Not: o.not})
}

func (o *options) addressType(f firewall.FieldID, v string) error {
	var any []firewall.Match
	for name := range strings.SplitSeq(strings.ToUpper(v), ",") {
		kind, ok := map[string]uint32{"UNICAST": 1, "LOCAL": 2, "BROADCAST": 3, "ANYCAST": 4, "MULTICAST": 5}[name]
		if !ok {
			return fmt.Errorf("%q is a type of address that is not known here", name)
		}
		any = append(any, firewall.Match{Field: f, From: host32(kind), Not: o.not})
	}
	if o.not {
		return o.match.every(any...)
	}
	return o.add(any...)
}
