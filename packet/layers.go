package packet

import (
	"encoding/binary"
)

// echoTypes and the rest are the ICMP types with a layout of their own, as they
// stand in the first 16 bits of a header.
var (
	icmpEcho     = []uint16{0x0800, 0x0000, 0x0d00, 0x0e00, 0x0f00, 0x1000, 0x1100, 0x1200}
	icmpTimes    = []uint16{0x0d00, 0x0e00}
	icmpOwn      = []uint16{0x0800, 0x0000, 0x0d00, 0x0e00, 0x0f00, 0x1000, 0x1100, 0x1200, 0x0300, 0x0500, 0x0c00}
	icmp6Own     = []uint16{0x8000, 0x8100, 0x0200, 0x0400, 0x8200, 0x8300, 0x8400, 0x8500, 0x8600, 0x8700, 0x8800, 0x8900}
	icmp6Echo    = []uint16{0x8000, 0x8100}
	icmp6Members = []uint16{0x8200, 0x8300, 0x8400}
	icmp6Plain   = []uint16{0x8500, 0x8700, 0x8900} // 32 reserved bits
	icmp6Targets = []uint16{0x8700, 0x8800, 0x8900}
)

var onIP = []Layer{IPv4, IPv6, HopByHop, Routing, Fragment, Destination}
var onIPv6 = []Layer{IPv6, HopByHop, Routing, Fragment, Destination}

var etherNames = []named{
	{0x0800, "ip", "IPv4"}, {0x86dd, "ip6", "IPv6"}, {0x0806, "arp", "ARP"}, {0x8100, "vlan", "VLAN tag (802.1Q)"},
	{0x88a8, "svlan", "service VLAN tag (802.1ad)"}, {0x8864, "pppoe", "PPPoE session"}, {0x6558, "eth", "Ethernet"},
	{0x88b5, "local", "local experiment"}, {0x88cc, "lldp", "LLDP"},
}

var protocolNames = []named{
	{0, "hop", "hop-by-hop options"}, {1, "icmp", "ICMP"}, {2, "igmp", "IGMP"}, {4, "ip", "IPv4 inside"}, {6, "tcp", "TCP"},
	{17, "udp", "UDP"}, {41, "ip6", "IPv6 inside"}, {43, "routing", "routing header"}, {44, "fragment", "fragment header"},
	{47, "gre", "GRE"}, {50, "esp", "ESP"}, {51, "ah", "authentication header"}, {58, "icmp6", "ICMPv6"},
	{59, "none", "nothing follows"}, {60, "dest", "destination options"}, {89, "ospf", "OSPF"}, {132, "sctp", "SCTP"},
	{253, "experiment", "experiments (RFC 3692)"},
}

var icmpNames = []named{
	{0, "echo-reply", ""}, {3, "unreachable", "destination unreachable"}, {4, "quench", "source quench"}, {5, "redirect", ""},
	{8, "echo", "echo request"}, {9, "router-advertisement", ""}, {10, "router-solicitation", ""}, {11, "exceeded", "time exceeded"},
	{12, "parameter", "parameter problem"}, {13, "timestamp", ""}, {14, "timestamp-reply", ""},
}

var icmp6Names = []named{
	{1, "unreachable", "destination unreachable"}, {2, "too-big", "packet too big"}, {3, "exceeded", "time exceeded"},
	{4, "parameter", "parameter problem"}, {128, "echo", "echo request"}, {129, "echo-reply", ""},
	{130, "mld-query", "listener query"}, {131, "mld-report", "listener report"}, {132, "mld-done", "listener done"},
	{133, "rs", "router solicitation"}, {134, "ra", "router advertisement"}, {135, "ns", "neighbour solicitation"},
	{136, "na", "neighbour advertisement"}, {137, "redirect", ""}, {143, "mld2-report", "listener report, version 2"},
}

var portNames = []named{
	{7, "echo", ""}, {9, "discard", ""}, {22, "ssh", ""}, {25, "smtp", ""}, {53, "dns", ""}, {67, "dhcp-server", ""}, {68, "dhcp-client", ""},
	{80, "http", ""}, {123, "ntp", ""}, {443, "https", ""}, {514, "syslog", ""}, {546, "dhcp6-client", ""}, {547, "dhcp6-server", ""},
	{862, "stamp", ""}, {4789, "vxlan", ""}, {5353, "mdns", ""}, {12123, "wirelab-ntp", ""}, {12345, "wirelab", ""},
}

var tcpFlags = []named{
	{0x100, "ae", "accurate ECN"}, {0x80, "cwr", "congestion window reduced"}, {0x40, "ece", "ECN echo"}, {0x20, "urg", "urgent pointer counts"},
	{0x10, "ack", "acknowledgment counts"}, {0x08, "psh", "hand over at once"}, {0x04, "rst", "reset"}, {0x02, "syn", "begin: synchronize"}, {0x01, "fin", "no more data"},
}

// layouts is the field table. Whoever adds a layer adds a row here, a constant,
// and its number in numbers.go.
var layouts = [layerCount]*layout{
	Ethernet: lay(layout{layer: Ethernet, name: "eth", title: "Ethernet", source: "IEEE 802.3", next: etherTypes, fields: []field{
		{name: "dst", bits: 48, kind: addressMAC, help: "destination address"},
		{name: "src", bits: 48, kind: addressMAC, help: "source address"},
		{name: "type", bits: 16, kind: hexadecimal, by: nextNumber, named: etherNames, help: "what follows; below 0600 the length"},
	}}),
	VLAN: lay(layout{layer: VLAN, name: "vlan", title: "VLAN tag", source: "IEEE 802.1Q", next: etherTypes, within: []Layer{Ethernet, VLAN, LinuxCooked, LinuxCooked2, GRE}, below: Ethernet, fields: []field{
		{name: "prio", also: []string{"pcp"}, bits: 3, help: "priority"},
		{name: "dei", bits: 1, help: "may be dropped first"},
		{name: "id", also: []string{"vid"}, bits: 12, value: 1, help: "number of the VLAN; 0: priority alone"},
		{name: "type", bits: 16, kind: hexadecimal, by: nextNumber, named: etherNames, help: "what follows"},
	}}),
	ARP: lay(layout{layer: ARP, name: "arp", title: "Address Resolution Protocol", source: "RFC 826", within: []Layer{Ethernet, VLAN, LinuxCooked, LinuxCooked2, GRE}, below: Ethernet, fields: []field{
		{name: "hw", bits: 16, value: 1, named: []named{{1, "ethernet", ""}}, help: "kind of hardware address"},
		{name: "proto", bits: 16, kind: hexadecimal, value: 0x0800, named: etherNames, help: "kind of protocol address"},
		{name: "hwlen", bits: 8, value: 6, help: "length of a hardware address in bytes"},
		{name: "protolen", bits: 8, value: 4, help: "length of a protocol address in bytes"},
		{name: "op", bits: 16, value: 1, named: []named{{1, "request", "who has?"}, {2, "reply", "is at"}}, help: "what is asked or told"},
		{name: "sha", also: []string{"hwsrc"}, bits: 48, kind: addressMAC, when: arpEthernet(), help: "sender's hardware address"},
		{name: "spa", also: []string{"src", "psrc"}, bits: 32, kind: addressIPv4, when: arpEthernet(), help: "sender's protocol address"},
		{name: "tha", also: []string{"hwdst"}, bits: 48, kind: addressMAC, when: arpEthernet(), help: "target's hardware address"},
		{name: "tpa", also: []string{"dst", "pdst"}, bits: 32, kind: addressIPv4, when: arpEthernet(), help: "target's protocol address"},
	}}),
	IPv4: lay(layout{layer: IPv4, name: "ip", title: "Internet Protocol version 4", source: "RFC 791", version: 4, next: ipProtocols, tail: ipOptions, sum: headerSum, fields: []field{
		{name: "ver", also: []string{"version"}, bits: 4, value: 4, help: "version of IP"},
		{name: "hdrlen", also: []string{"ihl"}, bits: 4, by: headerLength, unit: 4, help: "header length in units of 4 bytes, at least 5"},
		{name: "tos", also: []string{"tc"}, bits: 8, kind: trafficClass, help: "service class (DSCP, 6 bits) and congestion (ECN, 2 bits)"},
		{name: "len", bits: 16, by: totalLength, help: "length of header and content in bytes"},
		{name: "id", bits: 16, value: 1, help: "the fragments of one datagram have the same"},
		{name: "flags", bits: 3, kind: flags, named: []named{{4, "rf", "reserved"}, {2, "df", "don't fragment"}, {1, "mf", "more fragments follow"}}, help: "fragmentation flags"},
		{name: "frag", also: []string{"offset"}, bits: 13, unit: 8, help: "where this fragment belongs, in units of 8 bytes"},
		{name: "ttl", bits: 8, value: 64, help: "how many routers may pass it on"},
		{name: "proto", bits: 8, by: nextNumber, named: protocolNames, help: "what follows"},
		{name: "csum", also: []string{"chksum"}, bits: 16, kind: hexadecimal, by: checksum, help: "checksum of the header"},
		{name: "src", bits: 32, kind: addressIPv4, value: 0x7f000001, help: "source address"},
		{name: "dst", bits: 32, kind: addressIPv4, value: 0x7f000001, help: "destination address"},
	}}),
	IPv6: lay(layout{layer: IPv6, name: "ip6", title: "Internet Protocol version 6", source: "RFC 8200", version: 6, next: ipProtocols, fields: []field{
		{name: "ver", also: []string{"version"}, bits: 4, value: 6, help: "version of IP"},
		{name: "tc", also: []string{"tos"}, bits: 8, kind: trafficClass, help: "service class (DSCP, 6 bits) and congestion (ECN, 2 bits)"},
		{name: "flow", also: []string{"fl"}, bits: 20, kind: hexadecimal, help: "flow label: packets of one flow have the same"},
		{name: "len", also: []string{"plen"}, bits: 16, by: payloadLength, help: "length of all behind this header in bytes"},
		{name: "next", also: []string{"proto", "nh"}, bits: 8, by: nextNumber, named: protocolNames, help: "what follows"},
		{name: "hlim", also: []string{"ttl", "hop"}, bits: 8, value: 64, help: "how many routers may pass it on"},
		{name: "src", bits: 128, kind: addressIPv6, value: 1, help: "source address"},
		{name: "dst", bits: 128, kind: addressIPv6, value: 1, help: "destination address"},
	}}),
	HopByHop:    lay(extension(HopByHop, "hop", "IPv6 hop-by-hop options", "RFC 8200, section 4.3", ip6Options)),
	Destination: lay(extension(Destination, "dest", "IPv6 destination options", "RFC 8200, section 4.6", ip6Options)),
	Routing: lay(extension(Routing, "routing", "IPv6 routing header", "RFC 8200, section 4.4; RFC 8754", addresses,
		field{name: "type", bits: 8, value: 4, named: []named{{0, "source", "source route (deprecated)"}, {2, "mobile", "mobile IPv6"}, {4, "segments", "segment routing"}}, help: "kind of route"},
		field{name: "segleft", bits: 8, help: "stops that are still to be visited"},
		field{name: "last", bits: 8, by: lastEntry, when: segmentRouting(), help: "index of the last address"},
		field{name: "flags", bits: 8, kind: hexadecimal, when: segmentRouting(), help: "no flags are defined"},
		field{name: "tag", bits: 16, kind: hexadecimal, when: segmentRouting(), help: "packets of one class have the same"},
		field{name: "reserved", bits: 32, kind: reserved, when: condition{at: 2, mask: 0xff00, values: []uint16{0x0400}, not: true}, help: "zero"},
	)),
	Fragment: lay(layout{layer: Fragment, name: "fragment", title: "IPv6 fragment header", source: "RFC 8200, section 4.5", next: ipProtocols, within: onIPv6, below: IPv6, fields: []field{
		{name: "next", also: []string{"proto", "nh"}, bits: 8, by: nextNumber, named: protocolNames, help: "what follows"},
		{name: "reserved", bits: 8, kind: reserved, help: "zero"},
		{name: "frag", also: []string{"offset"}, bits: 13, unit: 8, help: "where this fragment belongs, in units of 8 bytes"},
		{name: "reserved2", bits: 2, kind: reserved, help: "zero"},
		{name: "more", also: []string{"m", "mf"}, bits: 1, help: "1: more fragments follow"},
		{name: "id", bits: 32, kind: hexadecimal, value: 1, help: "the fragments of one packet have the same"},
	}}),
	ICMP: lay(layout{layer: ICMP, name: "icmp", title: "Internet Control Message Protocol", source: "RFC 792", sum: contentSum, within: onIP, below: IPv4, fields: []field{
		{name: "type", bits: 8, value: 8, named: icmpNames, help: "kind of message"},
		{name: "code", bits: 8, help: "what kind of that"},
		{name: "csum", also: []string{"chksum"}, bits: 16, kind: hexadecimal, by: checksum, help: "checksum of the message"},
		{name: "id", bits: 16, when: condition{mask: 0xff00, values: icmpEcho}, help: "whose question it is"},
		{name: "seq", bits: 16, when: condition{mask: 0xff00, values: icmpEcho}, help: "number of the question"},
		{name: "gateway", bits: 32, kind: addressIPv4, when: condition{mask: 0xff00, values: []uint16{0x0500}}, help: "the better router"},
		{name: "unused", bits: 16, kind: reserved, when: condition{mask: 0xff00, values: []uint16{0x0300}}, help: "zero"},
		{name: "mtu", bits: 16, when: condition{mask: 0xff00, values: []uint16{0x0300}}, help: "largest datagram of the next link, with code 4"},
		{name: "pointer", bits: 8, when: condition{mask: 0xff00, values: []uint16{0x0c00}}, help: "offset of the byte at fault"},
		{name: "unused2", bits: 24, kind: reserved, when: condition{mask: 0xff00, values: []uint16{0x0c00}}, help: "zero"},
		{name: "rest", bits: 32, kind: hexadecimal, when: condition{mask: 0xff00, values: icmpOwn, not: true}, help: "depends on the type"},
		{name: "originate", bits: 32, when: condition{mask: 0xff00, values: icmpTimes}, help: "when it was asked, in ms since midnight UT"},
		{name: "receive", bits: 32, when: condition{mask: 0xff00, values: icmpTimes}, help: "when the question arrived"},
		{name: "transmit", bits: 32, when: condition{mask: 0xff00, values: icmpTimes}, help: "when the answer left"},
	}}),
	ICMPv6: lay(layout{layer: ICMPv6, name: "icmp6", title: "Internet Control Message Protocol version 6", source: "RFC 4443, RFC 4861", sum: pseudoSum, tail: ndOptions, within: onIP, below: IPv6, fields: []field{
		{name: "type", bits: 8, value: 128, named: icmp6Names, help: "kind of message"},
		{name: "code", bits: 8, help: "what kind of that"},
		{name: "csum", also: []string{"chksum"}, bits: 16, kind: hexadecimal, by: checksum, help: "checksum of pseudo header and message"},
		{name: "id", bits: 16, when: condition{mask: 0xff00, values: icmp6Echo}, help: "whose question it is"},
		{name: "seq", bits: 16, when: condition{mask: 0xff00, values: icmp6Echo}, help: "number of the question"},
		{name: "mtu", bits: 32, when: condition{mask: 0xff00, values: []uint16{0x0200}}, help: "largest packet of the next link"},
		{name: "pointer", bits: 32, when: condition{mask: 0xff00, values: []uint16{0x0400}}, help: "offset of the byte at fault"},
		{name: "maxdelay", bits: 16, when: condition{mask: 0xff00, values: icmp6Members}, help: "how long an answer may wait, in ms"},
		{name: "reserved", bits: 16, kind: reserved, when: condition{mask: 0xff00, values: icmp6Members}, help: "zero"},
		{name: "group", bits: 128, kind: addressIPv6, when: condition{mask: 0xff00, values: icmp6Members}, help: "multicast address; :: asks for all"},
		{name: "hlim", bits: 8, value: 64, when: condition{mask: 0xff00, values: []uint16{0x8600}}, help: "hop limit that hosts should use; 0: not said"},
		{name: "flags", bits: 8, kind: flags, when: condition{mask: 0xff00, values: []uint16{0x8600}}, named: []named{{0x80, "m", "addresses by DHCPv6"}, {0x40, "o", "other settings by DHCPv6"}, {0x20, "h", "home agent"}}, help: "router's flags"},
		{name: "lifetime", bits: 16, value: 1800, when: condition{mask: 0xff00, values: []uint16{0x8600}}, help: "seconds as default router; 0: none"},
		{name: "reachable", bits: 32, when: condition{mask: 0xff00, values: []uint16{0x8600}}, help: "ms that a neighbour counts as reachable; 0: not said"},
		{name: "retrans", bits: 32, when: condition{mask: 0xff00, values: []uint16{0x8600}}, help: "ms between solicitations; 0: not said"},
		{name: "r", bits: 1, when: condition{mask: 0xff00, values: []uint16{0x8800}}, help: "the sender is a router"},
		{name: "s", bits: 1, value: 1, when: condition{mask: 0xff00, values: []uint16{0x8800}}, help: "it answers a solicitation"},
		{name: "o", bits: 1, value: 1, when: condition{mask: 0xff00, values: []uint16{0x8800}}, help: "it overrides what is known"},
		{name: "reserved3", bits: 29, kind: reserved, when: condition{mask: 0xff00, values: []uint16{0x8800}}, help: "zero"},
		{name: "reserved2", bits: 32, kind: reserved, when: condition{mask: 0xff00, values: icmp6Plain}, help: "zero"},
		{name: "target", bits: 128, kind: addressIPv6, when: condition{mask: 0xff00, values: icmp6Targets}, help: "the address asked or told about"},
		{name: "dst", bits: 128, kind: addressIPv6, when: condition{mask: 0xff00, values: []uint16{0x8900}}, help: "the destination that is redirected"},
		{name: "rest", bits: 32, kind: hexadecimal, when: condition{mask: 0xff00, values: icmp6Own, not: true}, help: "depends on the type"},
	}}),
	TCP: lay(layout{layer: TCP, name: "tcp", title: "Transmission Control Protocol", source: "RFC 9293", tail: tcpOptions, sum: pseudoSum, within: onIP, below: IPv4, fields: []field{
		{name: "sport", bits: 16, value: 40000, named: portNames, help: "source port"},
		{name: "dport", bits: 16, value: 80, named: portNames, help: "destination port"},
		{name: "seq", bits: 32, help: "number of the first byte of data, or of SYN"},
		{name: "ack", bits: 32, help: "number of the next byte that is expected"},
		{name: "hdrlen", also: []string{"doff", "dataofs"}, bits: 4, by: headerLength, unit: 4, help: "header length in units of 4 bytes, at least 5"},
		{name: "reserved", bits: 3, kind: reserved, help: "zero"},
		{name: "flags", bits: 9, kind: flags, value: 2, named: tcpFlags, help: "control bits"},
		{name: "win", also: []string{"window"}, bits: 16, value: 64240, help: "bytes that the sender can take, before scaling"},
		{name: "csum", also: []string{"chksum"}, bits: 16, kind: hexadecimal, by: checksum, help: "checksum of pseudo header, header and data"},
		{name: "urg", also: []string{"urgptr"}, bits: 16, help: "end of urgent data, from seq"},
	}}),
	UDP: lay(layout{layer: UDP, name: "udp", title: "User Datagram Protocol", source: "RFC 768", sum: pseudoSum, next: udpPorts, within: onIP, below: IPv4, fields: []field{
		{name: "sport", bits: 16, value: 40000, named: portNames, help: "source port"},
		{name: "dport", bits: 16, value: 9, named: portNames, help: "destination port"},
		{name: "len", bits: 16, by: totalLength, help: "length of header and data in bytes, at least 8"},
		{name: "csum", also: []string{"chksum"}, bits: 16, kind: hexadecimal, by: checksum, help: "checksum of pseudo header, header and data; 0: none"},
	}}),
	GRE: lay(layout{layer: GRE, name: "gre", title: "Generic Routing Encapsulation", source: "RFC 2784, RFC 2890, RFC 2637", sum: contentSum, next: etherTypes, within: onIP, below: IPv4, fields: []field{
		{name: "flags", bits: 5, kind: flags, by: presence, named: []named{{16, "c", "checksum present"}, {8, "r", "routing present"}, {4, "k", "key present"}, {2, "s", "sequence number present"}, {1, "ssr", "strict source route"}}, help: "which fields follow"},
		{name: "recur", bits: 3, help: "recursion control"},
		{name: "a", bits: 1, by: presence, help: "acknowledgment number present (version 1)"},
		{name: "reserved", bits: 4, kind: reserved, help: "zero"},
		{name: "ver", also: []string{"version"}, bits: 3, help: "0; 1 for PPTP"},
		{name: "proto", also: []string{"type"}, bits: 16, kind: hexadecimal, by: nextNumber, named: etherNames, help: "what follows"},
		{name: "csum", also: []string{"chksum"}, bits: 16, kind: hexadecimal, by: checksum, when: condition{mask: 0xc000, any: true}, help: "checksum of header and content"},
		{name: "offset", bits: 16, when: condition{mask: 0xc000, any: true}, help: "zero"},
		{name: "key", bits: 32, kind: hexadecimal, when: condition{mask: 0x2000, any: true}, help: "which flow it belongs to"},
		{name: "seq", bits: 32, when: condition{mask: 0x1000, any: true}, help: "number of the packet"},
		{name: "ack", bits: 32, when: condition{mask: 0x0080, any: true}, help: "highest number that was received"},
	}}),
	VXLAN: lay(layout{layer: VXLAN, name: "vxlan", title: "Virtual eXtensible LAN", source: "RFC 7348", next: onlyEthernet, within: []Layer{UDP}, below: UDP, fields: []field{
		{name: "flags", bits: 8, kind: flags, value: 0x08, named: []named{{0x08, "i", "the VNI counts"}}, help: "flags"},
		{name: "reserved", bits: 24, kind: reserved, help: "zero"},
		{name: "vni", bits: 24, value: 1, help: "number of the virtual network"},
		{name: "reserved2", bits: 8, kind: reserved, help: "zero"},
	}}),
	STAMP: lay(layout{layer: STAMP, name: "stamp", title: "STAMP sender's test packet", source: "RFC 8762, section 4.2.1", within: []Layer{UDP}, below: UDP, fields: []field{
		{name: "seq", bits: 32, help: "number of the packet"},
		{name: "time", bits: 64, kind: ntpTime, help: "when it was sent"},
		{name: "error", bits: 16, kind: hexadecimal, value: 0x0001, help: "error estimate: S, Z, scale, multiplier"},
		{name: "ssid", bits: 16, help: "number of the session; 0: none"},
		{name: "reserved", bits: 96, kind: reserved, help: "zero"},
		{name: "reserved2", bits: 128, kind: reserved, help: "zero"},
	}}),
	STAMPReply: lay(layout{layer: STAMPReply, name: "stamp-reply", title: "STAMP reflector's test packet", source: "RFC 8762, section 4.3.1", within: []Layer{UDP}, below: UDP, fields: []field{
		{name: "seq", bits: 32, help: "number of the packet"},
		{name: "time", bits: 64, kind: ntpTime, help: "when it was sent back"},
		{name: "error", bits: 16, kind: hexadecimal, value: 0x0001, help: "error estimate: S, Z, scale, multiplier"},
		{name: "ssid", bits: 16, help: "number of the session; 0: none"},
		{name: "received", bits: 64, kind: ntpTime, help: "when the sender's packet arrived"},
		{name: "sender-seq", bits: 32, help: "number of the sender's packet"},
		{name: "sender-time", bits: 64, kind: ntpTime, help: "when the sender sent it"},
		{name: "sender-error", bits: 16, kind: hexadecimal, value: 0x0001, help: "the sender's error estimate"},
		{name: "reserved", bits: 16, kind: reserved, help: "zero"},
		{name: "sender-ttl", bits: 8, value: 64, help: "TTL of the sender's packet on arrival"},
		{name: "reserved2", bits: 24, kind: reserved, help: "zero"},
	}}),
	NTP: lay(layout{layer: NTP, name: "ntp", title: "Network Time Protocol", source: "RFC 5905, section 7.3", within: []Layer{UDP}, below: UDP, fields: []field{
		{name: "leap", also: []string{"li"}, bits: 2, named: []named{{1, "61s", "the last minute has 61 s"}, {2, "59s", "the last minute has 59 s"}, {3, "unknown", "not synchronized"}}, help: "warning of a leap second"},
		{name: "version", also: []string{"ver", "vn"}, bits: 3, value: 4, help: "version of NTP"},
		{name: "mode", bits: 3, value: 3, named: []named{{1, "active", "symmetric active"}, {2, "passive", "symmetric passive"}, {3, "client", ""}, {4, "server", ""}, {5, "broadcast", ""}, {6, "control", ""}}, help: "who speaks"},
		{name: "stratum", bits: 8, help: "steps from a reference clock; 0: none, 16: not synchronized"},
		{name: "poll", bits: 8, kind: signedPower, value: 6, help: "most time between questions, as a power of two in s"},
		{name: "precision", bits: 8, kind: signedPower, value: 0xec, help: "of the clock, as a power of two in s"},
		{name: "delay", bits: 32, kind: shortTime, help: "round trip to the reference clock"},
		{name: "dispersion", bits: 32, kind: shortTime, help: "error bound against the reference clock"},
		{name: "refid", bits: 32, kind: hexadecimal, help: "which reference: a name or an address"},
		{name: "reftime", bits: 64, kind: ntpTime, help: "when the clock was last set"},
		{name: "origin", bits: 64, kind: ntpTime, help: "T1: when the client asked"},
		{name: "receive", bits: 64, kind: ntpTime, help: "T2: when the question arrived"},
		{name: "transmit", bits: 64, kind: ntpTime, help: "T3: when this left"},
	}}),
	DNS: lay(layout{layer: DNS, name: "dns", title: "Domain Name System", source: "RFC 1035", tail: dnsRecords, within: []Layer{UDP}, below: UDP, fields: []field{
		{name: "id", bits: 16, value: 1, kind: hexadecimal, help: "the answer has the same"},
		{name: "qr", bits: 1, named: []named{{0, "query", ""}, {1, "answer", ""}}, help: "question or answer"},
		{name: "opcode", bits: 4, named: []named{{0, "standard", ""}, {4, "notify", ""}, {5, "update", ""}}, help: "kind of question"},
		{name: "aa", bits: 1, help: "the answer has authority"},
		{name: "tc", bits: 1, help: "the answer was cut"},
		{name: "rd", bits: 1, value: 1, help: "please ask others (recursion desired)"},
		{name: "ra", bits: 1, help: "the server asks others (recursion available)"},
		{name: "z", bits: 1, kind: reserved, help: "zero"},
		{name: "ad", bits: 1, help: "checked by DNSSEC"},
		{name: "cd", bits: 1, help: "do not check by DNSSEC"},
		{name: "rcode", bits: 4, named: []named{{0, "ok", ""}, {1, "formerr", "question not understood"}, {2, "servfail", "server failed"}, {3, "nxdomain", "no such name"}, {4, "notimp", "not implemented"}, {5, "refused", ""}}, help: "how it went"},
		{name: "qdcount", bits: 16, by: recordCount, help: "number of questions"},
		{name: "ancount", bits: 16, by: recordCount, help: "number of answers"},
		{name: "nscount", bits: 16, by: recordCount, help: "number of authority records"},
		{name: "arcount", bits: 16, by: recordCount, help: "number of additional records"},
	}}),
	PPPoE: lay(layout{layer: PPPoE, name: "pppoe", title: "PPP over Ethernet", source: "RFC 2516", next: pppProtocols, within: []Layer{Ethernet, VLAN}, below: Ethernet, fields: []field{
		{name: "ver", bits: 4, value: 1, help: "version"},
		{name: "type", bits: 4, value: 1, help: "type"},
		{name: "code", bits: 8, help: "0: session data"},
		{name: "session", bits: 16, value: 1, help: "number of the session"},
		{name: "len", bits: 16, by: payloadLength, add: -2, help: "length of all behind this field in bytes"},
		{name: "ppp", also: []string{"proto"}, bits: 16, kind: hexadecimal, by: nextNumber, named: []named{{0x21, "ip", "IPv4"}, {0x57, "ip6", "IPv6"}, {0xc021, "lcp", "link control"}}, help: "what follows"},
	}}),
	LinuxCooked: lay(layout{layer: LinuxCooked, name: "sll", title: "Linux cooked capture", source: "LINKTYPE_LINUX_SLL", next: etherTypes, fields: []field{
		{name: "direction", bits: 16, named: cookedNames, help: "to whom it went"},
		{name: "hw", bits: 16, value: 1, help: "ARPHRD type of the device"},
		{name: "addrlen", bits: 16, value: 6, help: "length of the address"},
		{name: "addr", bits: 64, kind: hexadecimal, help: "sender's link address"},
		{name: "proto", also: []string{"type"}, bits: 16, kind: hexadecimal, by: nextNumber, named: etherNames, help: "what follows"},
	}}),
	LinuxCooked2: lay(layout{layer: LinuxCooked2, name: "sll2", title: "Linux cooked capture, version 2", source: "LINKTYPE_LINUX_SLL2", next: etherTypes, fields: []field{
		{name: "proto", also: []string{"type"}, bits: 16, kind: hexadecimal, by: nextNumber, named: etherNames, help: "what follows"},
		{name: "reserved", bits: 16, kind: reserved, help: "zero"},
		{name: "ifindex", bits: 32, value: 1, help: "number of the interface"},
		{name: "hw", bits: 16, value: 1, help: "ARPHRD type of the device"},
		{name: "direction", bits: 8, named: cookedNames, help: "to whom it went"},
		{name: "addrlen", bits: 8, value: 6, help: "length of the address"},
		{name: "addr", bits: 64, kind: hexadecimal, help: "sender's link address"},
	}}),
	Loopback: lay(layout{layer: Loopback, name: "loop", title: "BSD loopback", source: "LINKTYPE_NULL, LINKTYPE_LOOP", next: loopbackFamilies, fields: []field{
		{name: "family", bits: 32, kind: hexadecimal, by: nextNumber, help: "what follows, in the byte order of the host that captured it"},
	}}),
	Data:    lay(layout{layer: Data, name: "data", title: "Data"}),
	Trailer: lay(layout{layer: Trailer, name: "trailer", title: "Trailer", source: "behind the end of the datagram"}),
	Text:    lay(layout{layer: Text, name: "text", title: "Text"}),
	Hex:     lay(layout{layer: Hex, name: "hex", title: "Bytes in hexadecimal"}),
	File:    lay(layout{layer: File, name: "file", title: "Content of a file"}),
	Zero:    lay(layout{layer: Zero, name: "zero", title: "Zeros"}),
	Random:  lay(layout{layer: Random, name: "random", title: "Random bytes"}),
	Counter: lay(layout{layer: Counter, name: "counter", title: "Counter"}),
	Time:    lay(layout{layer: Time, name: "time", title: "Time in nanoseconds since 1970"}),
	Struct:  lay(layout{layer: Struct, name: "struct", title: "Binary structure"}),
}

var cookedNames = []named{{0, "host", "to this host"}, {1, "broadcast", ""}, {2, "multicast", ""}, {3, "otherhost", "to another host"}, {4, "outgoing", "sent by this host"}}

// extension is the layout of an IPv6 extension header with a length.
func extension(layer Layer, name, title, source string, tail tail, more ...field) layout {
	return layout{layer: layer, name: name, title: title, source: source, next: ipProtocols, tail: tail, within: onIPv6, below: IPv6, fields: append([]field{
		{name: "next", also: []string{"proto", "nh"}, bits: 8, by: nextNumber, named: protocolNames, help: "what follows"},
		{name: "hdrlen", also: []string{"len"}, bits: 8, by: headerLength, unit: 8, add: 8, help: "header length in units of 8 bytes, without the first 8"},
	}, more...)}
}

// arpEthernet holds where ARP is about Ethernet and IPv4 addresses.
func arpEthernet() condition { return condition{at: 4, mask: 0xffff, values: []uint16{0x0604}} }

func segmentRouting() condition { return condition{at: 2, mask: 0xff00, values: []uint16{0x0400}} }

// A LinkType says what a frame begins with, as capture files number it
// (LINKTYPE_ values of tcpdump.org).
type LinkType uint16

// The link types that Scan reads. Frames of others are Data.
const (
	LinkNull     LinkType = 0
	LinkEthernet LinkType = 1
	LinkRawBSD   LinkType = 12
	LinkRaw      LinkType = 101
	LinkLoop     LinkType = 108
	LinkCooked   LinkType = 113
	LinkIPv4     LinkType = 228
	LinkIPv6     LinkType = 229
	LinkCooked2  LinkType = 276
	// LinkUser frames have no header at all: they are Data (LINKTYPE_USER0).
	LinkUser LinkType = 147
)

// A numbered layer is one entry of a space.
type numbered struct {
	number uint32
	layer  Layer
}

var etherNumbers = [...]numbered{
	{0x0800, IPv4}, {0x86dd, IPv6}, {0x8100, VLAN}, {0x88a8, VLAN}, {0x9100, VLAN}, {0x0806, ARP}, {0x8864, PPPoE}, {0x6558, Ethernet},
}

var protocolNumbers = [...]numbered{
	{6, TCP}, {17, UDP}, {1, ICMP}, {58, ICMPv6}, {47, GRE}, {4, IPv4}, {41, IPv6}, {0, HopByHop}, {43, Routing}, {44, Fragment}, {60, Destination},
}

// familyNumbers are the address families of BSD, macOS and Linux in the order of
// bytes that a little-endian host writes.
var familyNumbers = [...]numbered{
	{0x02000000, IPv4}, {0x1e000000, IPv6}, {0x18000000, IPv6}, {0x1c000000, IPv6}, {0x0a000000, IPv6},
	{2, IPv4}, {30, IPv6}, {24, IPv6}, {28, IPv6}, {10, IPv6},
}

var pppNumbers = [...]numbered{{0x0021, IPv4}, {0x0057, IPv6}}

// portNumbers are the UDP ports behind which a layer is looked for.
var portNumbers = [...]numbered{{53, DNS}, {123, NTP}, {862, STAMP}, {4789, VXLAN}, {12123, NTP}}

// layerIn returns the layer with that number, Data if none has it.
func layerIn(numbers []numbered, n uint32) Layer {
	for i := range numbers {
		if numbers[i].number == n {
			return numbers[i].layer
		}
	}
	return Data
}

// numberOfLayer returns the number that says that layer follows. Data has the
// number for experiments.
func numberOfLayer(s space, layer Layer) uint32 {
	for _, e := range numbersOf(s) {
		if e.layer == layer {
			return e.number
		}
	}
	switch s {
	case etherTypes:
		return 0x88b5 // IEEE 802: local experiments
	case ipProtocols:
		return 253 // RFC 3692
	case pppProtocols:
		return 0xc021
	}
	return 0
}

func numbersOf(s space) []numbered {
	switch s {
	case etherTypes:
		return etherNumbers[:]
	case ipProtocols:
		return protocolNumbers[:]
	case loopbackFamilies:
		return familyNumbers[:]
	case pppProtocols:
		return pppNumbers[:]
	}
	return nil
}

// firstLayer returns the layer that a frame of the link type begins with.
func firstLayer(link LinkType, frame []byte) Layer {
	switch link {
	case LinkEthernet:
		return Ethernet
	case LinkNull, LinkLoop:
		return Loopback
	case LinkCooked:
		return LinuxCooked
	case LinkCooked2:
		return LinuxCooked2
	case LinkIPv4:
		return IPv4
	case LinkIPv6:
		return IPv6
	case LinkRaw, LinkRawBSD:
		if len(frame) > 0 && frame[0]>>4 == 6 {
			return IPv6
		}
		return IPv4
	}
	return Data
}

// linkOf returns the link type of a frame that begins with the layer.
func linkOf(first Layer) LinkType {
	switch first {
	case Ethernet:
		return LinkEthernet
	case Loopback:
		return LinkNull
	case LinuxCooked:
		return LinkCooked
	case LinuxCooked2:
		return LinkCooked2
	case IPv4, IPv6:
		return LinkRaw
	}
	return LinkUser
}

// guess looks behind UDP for a layer by its port, and takes it only if the bytes
// can be that. It returns Data otherwise.
func guess(sport, dport uint16, content []byte) Layer {
	for _, e := range portNumbers {
		port := uint16(e.number)
		switch {
		case port != sport && port != dport:
		case e.layer == STAMP && dport != port && plausible(STAMPReply, content):
			return STAMPReply
		case e.layer == VXLAN && dport != port:
		case plausible(e.layer, content):
			return e.layer
		}
	}
	return Data
}

// plausible reports whether content can be the layer.
func plausible(layer Layer, content []byte) bool {
	if len(content) < layouts[layer].fixed {
		return false
	}
	switch layer {
	case NTP:
		version, mode := content[0]>>3&7, content[0]&7
		return version >= 1 && version <= 4 && mode >= 1 && mode <= 5
	case VXLAN:
		return content[0] == 0x08
	case DNS:
		return plausibleDNS(content)
	}
	return true
}

// plausibleDNS reports whether there are no more records than bytes for them.
func plausibleDNS(content []byte) bool {
	records := 0
	for i := 4; i < 12; i += 2 {
		records += int(binary.BigEndian.Uint16(content[i:]))
	}
	return records*5 <= len(content)-12
}
