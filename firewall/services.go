package firewall

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"wirelab/internal/setting"
)

// A Service is what a rule is about: a protocol with ports, or a type of ICMP.
type Service struct {
	Protocol uint8 // IANA's number; 0: any
	NotProto bool  // all but Protocol
	Ports    []PortRange
	NotPorts bool // all ports but these
	Type     int  // of ICMP and ICMPv6; -1: all
	Code     int  // -1: all
	NotType  bool // all types but Type
}

// HasPorts reports whether the protocol has ports at the start of its header.
func HasPorts(protocol uint8) bool {
	switch protocol {
	case protocolTCP, protocolUDP, 33, 132, 136: // DCCP, SCTP, UDP-Lite
		return true
	}
	return false
}

// protocols are the names of protocols, as /etc/protocols has them.
var protocols = map[string]uint8{
	"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51,
	"icmpv6": 58, "ospf": 89, "pim": 103, "vrrp": 112, "sctp": 132, "udplite": 136,
}

// ProtocolName returns the name of a protocol, or its number.
func ProtocolName(protocol uint8) string {
	for name, number := range protocols {
		if number == protocol {
			return name
		}
	}
	return strconv.Itoa(int(protocol))
}

// ParseProtocol reads a name, also one of those that iptables and nft use, or a number.
func ParseProtocol(s string) (uint8, bool) {
	s = strings.ToLower(s)
	if number, ok := protocols[s]; ok {
		return number, true
	}
	switch s {
	case "ipv6-icmp", "icmp6":
		return protocolICMPv6, true
	case "ipencap":
		return 4, true
	}
	number, err := strconv.ParseUint(s, 10, 8)
	return uint8(number), err == nil && number > 0
}

// wellKnown are services that rules name, with what they are.
var wellKnown = map[string]string{
	"ssh": "tcp/22", "telnet": "tcp/23", "smtp": "tcp/25", "smtps": "tcp/465", "submission": "tcp/587", "submissions": "tcp/465",
	"dns": "tcp/53 udp/53", "domain": "tcp/53 udp/53", "dns-over-tls": "tcp/853", "domain-s": "tcp/853 udp/853", "mdns": "udp/5353", "llmnr": "tcp/5355 udp/5355",
	"dhcp": "udp/67", "bootps": "udp/67", "bootpc": "udp/68", "dhcpv6": "udp/547", "dhcpv6-client": "udp/546", "dhcpv6-server": "udp/547", "tftp": "udp/69",
	"http": "tcp/80", "www": "tcp/80", "https": "tcp/443", "quic": "udp/443", "http-alt": "tcp/8080", "webcache": "tcp/8080", "gopher": "tcp/70", "finger": "tcp/79",
	"pop3": "tcp/110", "pop3s": "tcp/995", "imap": "tcp/143", "imap2": "tcp/143", "imaps": "tcp/993", "nntp": "tcp/119", "sieve": "tcp/4190",
	"ntp": "udp/123", "nts-ke": "tcp/4460", "ptp": "udp/319 udp/320", "snmp": "udp/161", "snmptrap": "udp/162", "snmp-trap": "udp/162", "syslog": "udp/514", "syslog-tls": "tcp/6514",
	"ldap": "tcp/389", "ldaps": "tcp/636", "kerberos": "tcp/88 udp/88", "kpasswd": "tcp/464 udp/464", "radius": "udp/1812", "radius-acct": "udp/1813",
	"sunrpc": "tcp/111 udp/111", "rpcbind": "tcp/111 udp/111", "portmapper": "tcp/111 udp/111", "nfs": "tcp/2049", "netbios-ns": "udp/137", "netbios-dgm": "udp/138", "netbios-ssn": "tcp/139",
	"microsoft-ds": "tcp/445", "smb": "tcp/445", "rsync": "tcp/873", "ftp": "tcp/21", "ftp-data": "tcp/20", "ftps": "tcp/990", "git": "tcp/9418", "svn": "tcp/3690", "irc": "tcp/6667", "ircs": "tcp/6697",
	"mysql": "tcp/3306", "postgresql": "tcp/5432", "redis": "tcp/6379", "mongodb": "tcp/27017", "memcached": "tcp/11211", "elasticsearch": "tcp/9200", "amqp": "tcp/5672", "mqtt": "tcp/1883", "mqtts": "tcp/8883",
	"rdp": "tcp/3389", "ms-wbt-server": "tcp/3389", "vnc": "tcp/5900", "x11": "tcp/6000-6063", "socks": "tcp/1080", "openvpn": "udp/1194", "wireguard": "udp/51820", "isakmp": "udp/500", "ipsec-nat-t": "udp/4500", "l2tp": "udp/1701", "l2f": "udp/1701",
	"bgp": "tcp/179", "ldp": "tcp/646 udp/646", "bfd": "udp/3784", "vxlan": "udp/4789", "sip": "udp/5060 tcp/5060", "sips": "tcp/5061", "rtsp": "tcp/554", "ipp": "tcp/631", "cups": "tcp/631", "printer": "tcp/515",
	"prometheus": "tcp/9090", "node-exporter": "tcp/9100", "squid": "tcp/3128", "proxmox": "tcp/8006", "ssdp": "udp/1900", "upnp": "udp/1900", "whois": "tcp/43", "time": "tcp/37", "auth": "tcp/113", "ident": "tcp/113",
	"echo": "tcp/7 udp/7", "discard": "tcp/9 udp/9", "daytime": "tcp/13 udp/13", "chargen": "tcp/19 udp/19", "qotd": "tcp/17", "stamp": "udp/862", "iperf3": "tcp/5201 udp/5201", "wirelab": "tcp/12345 udp/12345",
}

// serviceNames returns the names of all services that need no declaration.
func serviceNames() []string {
	return append(slices.Sorted(maps.Keys(wellKnown)), "ping", "tcp", "udp", "icmp", "icmpv6", "any")
}

// IsService reports whether rules know a service by the name without a declaration.
func IsService(name string) bool { return wellKnown[name] != "" || name == "ping" }

// LookupPort returns the port of a service that goes by the name, first as the
// protocol has it. No file and no network is asked.
func LookupPort(name string, protocol uint8) (uint16, bool) {
	found, ok := uint16(0), false
	for _, s := range strings.Fields(wellKnown[strings.ToLower(name)]) {
		proto, ports, _ := strings.Cut(s, "/")
		port, err := strconv.ParseUint(ports, 10, 16)
		switch {
		case err != nil:
		case protocols[proto] == protocol:
			return uint16(port), true
		default:
			found, ok = uint16(port), true
		}
	}
	return found, ok
}

// icmpTypes are the names of types that rules may use, in IPv4 and IPv6.
var icmpTypes, icmpv6Types = map[string]int{
	"echo-reply": 0, "pong": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5, "echo-request": 8, "ping": 8,
	"router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11, "ttl-exceeded": 11, "parameter-problem": 12, "timestamp-request": 13, "timestamp-reply": 14,
	"info-request": 15, "info-reply": 16, "address-mask-request": 17, "address-mask-reply": 18,
}, map[string]int{
	"destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "ttl-exceeded": 3, "parameter-problem": 4, "echo-request": 128, "ping": 128, "echo-reply": 129, "pong": 129,
	"mld-listener-query": 130, "mld-listener-report": 131, "mld-listener-done": 132, "mld-listener-reduction": 132, "router-solicitation": 133, "nd-router-solicit": 133, "router-advertisement": 134, "nd-router-advert": 134,
	"neighbour-solicitation": 135, "neighbor-solicitation": 135, "nd-neighbor-solicit": 135, "neighbour-advertisement": 136, "neighbor-advertisement": 136, "nd-neighbor-advert": 136, "redirect": 137, "nd-redirect": 137,
	"router-renumbering": 138, "ind-neighbor-solicit": 141, "ind-neighbor-advert": 142, "mld2-listener-report": 143,
}

// ParseICMPType reads the name or the number of a type of ICMP, or of ICMPv6.
func ParseICMPType(s string, protocol uint8) (int, bool) {
	names := icmpTypes
	if protocol == protocolICMPv6 {
		names = icmpv6Types
	}
	if n, ok := names[strings.ToLower(s)]; ok {
		return n, true
	}
	n, err := strconv.ParseUint(s, 10, 8)
	return int(n), err == nil
}

// parseService reads what is no name: "tcp/80", "udp/5000-5010", "tcp/!22",
// "icmp/8", "icmpv6/destination-unreachable/4", "gre", "proto/47", "ping", "any".
func parseService(s string) ([]Service, error) {
	switch s {
	case "ping":
		return []Service{{Protocol: protocolICMP, Type: 8, Code: -1}, {Protocol: protocolICMPv6, Type: 128, Code: -1}}, nil
	case "any":
		return []Service{{Type: -1, Code: -1}}, nil
	}
	name, rest, detailed := strings.Cut(s, "/")
	if name == "proto" && detailed {
		name, rest, detailed = strings.Cut(rest, "/")
	}
	protocol, ok := ParseProtocol(name)
	service := Service{Protocol: protocol, Type: -1, Code: -1}
	switch {
	case !ok:
		return nil, fmt.Errorf("%s is neither a service nor a protocol", setting.Quote(name))
	case !detailed:
		return []Service{service}, nil
	case protocol == protocolICMP || protocol == protocolICMPv6:
		return service.parseType(rest)
	case !HasPorts(protocol):
		return nil, fmt.Errorf("%s has no ports", name)
	}
	rest, service.NotPorts = strings.CutPrefix(rest, "!")
	ports, err := parsePort(rest, protocol)
	service.Ports = []PortRange{ports}
	return []Service{service}, err
}

func (s Service) parseType(text string) ([]Service, error) {
	text, s.NotType = strings.CutPrefix(text, "!")
	kind, code, hasCode := strings.Cut(text, "/")
	var ok bool
	if s.Type, ok = ParseICMPType(kind, s.Protocol); !ok {
		return nil, fmt.Errorf("%s is not a type of %s", setting.Quote(kind), ProtocolName(s.Protocol))
	}
	if hasCode {
		number, err := strconv.ParseUint(code, 10, 8)
		if err != nil {
			return nil, fmt.Errorf("%s is not a code of ICMP, which is 0 to 255", setting.Quote(code))
		}
		s.Code = int(number)
	}
	return []Service{s}, nil
}

// parsePort reads "80", "5000-5010" or the name of a service that the protocol has.
func parsePort(s string, protocol uint8) (PortRange, error) {
	if port, ok := LookupPort(s, protocol); ok {
		return PortRange{port, port}, nil
	}
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	a, err := strconv.ParseUint(first, 10, 16)
	b, err2 := strconv.ParseUint(last, 10, 16)
	switch {
	case err != nil || err2 != nil:
		return PortRange{}, fmt.Errorf("%s is not a port, which is 0 to 65535, or first-last", setting.Quote(s))
	case b < a:
		return PortRange{}, fmt.Errorf("the ports %s end before they begin", s)
	}
	return PortRange{uint16(a), uint16(b)}, nil
}

// String returns the service as a rule has it.
func (s Service) String() string {
	if s.Protocol == 0 {
		return "any"
	}
	text := ProtocolName(s.Protocol)
	if text[0] >= '0' && text[0] <= '9' {
		text = "proto/" + text
	}
	switch {
	case s.NotProto:
		return "!" + text
	case s.Type >= 0 && s.Code >= 0:
		return fmt.Sprintf("%s/%s%d/%d", text, mark(s.NotType), s.Type, s.Code)
	case s.Type >= 0:
		return fmt.Sprintf("%s/%s%d", text, mark(s.NotType), s.Type)
	}
	for i, p := range s.Ports {
		text += string("/,"[min(i, 1)]) + mark(s.NotPorts && i == 0) + p.String()
	}
	return text
}

func mark(not bool) string {
	if not {
		return "!"
	}
	return ""
}
