package filter

// The words of the language. Whatever stands in none of these tables is unknown.

// etherTypes are protocols that a link layer names. Numbers up to 1500 are SAPs of IEEE 802.2.
var etherTypes = map[string]uint32{
	"ip": 0x0800, "arp": 0x0806, "rarp": 0x8035, "ip6": 0x86dd, "atalk": 0x809b, "aarp": 0x80f3, "decnet": 0x6003,
	"sca": 0x6007, "lat": 0x6004, "mopdl": 0x6001, "moprc": 0x6002, "iso": sapISO, "stp": 0x42, "ipx": sapIPX,
	"netbeui": sapNetBEUI, "loopback": 0x9000,
}

const (
	sapISO     = 0xfe
	sapIPX     = 0xe0
	sapNetBEUI = 0xf0

	etherIPv4  = 0x0800
	etherARP   = 0x0806
	etherRARP  = 0x8035
	etherIPv6  = 0x86dd
	etherIPX   = 0x8137
	etherATalk = 0x809b
	etherAARP  = 0x80f3
	etherMPLS  = 0x8847
	etherPPPoE = 0x8864
	maxLength  = 1500 // larger numbers in its place are types, not lengths
)

// ipProtocols are protocols above IP, and which of IPv4 and IPv6 a word alone means.
var ipProtocols = map[string]struct {
	number uint32
	four   bool
	six    bool
}{
	"icmp": {1, true, false}, "igmp": {2, true, false}, "igrp": {9, true, false}, "pim": {103, true, true},
	"tcp": {6, true, true}, "udp": {17, true, true}, "sctp": {132, true, true}, "ah": {51, true, true}, "esp": {50, true, true},
	"vrrp": {112, true, false}, "carp": {112, true, false}, "icmp6": {58, false, true},
}

// otherProtocols are protocols above IP that only go after proto, by their names in
// /etc/protocols.
var otherProtocols = map[string]uint32{
	"ipencap": 4, "egp": 8, "dccp": 33, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "rsvp": 46, "gre": 47, "ipv6-icmp": 58,
	"ipv6-nonxt": 59, "ipv6-opts": 60, "eigrp": 88, "ospf": 89, "ipip": 94, "ipcomp": 108, "l2tp": 115, "udplite": 136,
}

// isoProtocols are network layer protocol identifiers of ISO.
var isoProtocols = map[string]uint32{"clnp": 0x81, "esis": 0x82, "isis": 0x83}

// linkWords are words for where a link's own header begins.
var linkWords = map[string]bool{"ether": true, "link": true}

// constants are numbers with a name, for use in fields such as tcp[tcpflags].
var constants = map[string]uint32{
	"icmptype": 0, "icmpcode": 1, "icmp6type": 0, "icmp6code": 1, "tcpflags": 13,

	"tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16, "tcp-urg": 32, "tcp-ece": 64, "tcp-cwr": 128,

	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5, "icmp-echo": 8,
	"icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12, "icmp-tstamp": 13,
	"icmp-tstampreply": 14, "icmp-ireq": 15, "icmp-ireqreply": 16, "icmp-maskreq": 17, "icmp-maskreply": 18,

	"icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3, "icmp6-parameterproblem": 4,
	"icmp6-echo": 128, "icmp6-echoreply": 129, "icmp6-multicastlistenerquery": 130, "icmp6-multicastlistenerreportv1": 131,
	"icmp6-multicastlistenerdone": 132, "icmp6-routersolicit": 133, "icmp6-routeradvert": 134, "icmp6-neighborsolicit": 135,
	"icmp6-neighboradvert": 136, "icmp6-redirect": 137, "icmp6-routerrenum": 138, "icmp6-nodeinformationquery": 139,
	"icmp6-nodeinformationresponse": 140, "icmp6-ineighbordiscoverysolicit": 141, "icmp6-ineighbordiscoveryadvert": 142,
	"icmp6-multicastlistenerreportv2": 143, "icmp6-homeagentdiscoveryrequest": 144, "icmp6-homeagentdiscoveryreply": 145,
	"icmp6-mobileprefixsolicit": 146, "icmp6-mobileprefixadvert": 147, "icmp6-certpathsolicit": 148, "icmp6-certpathadvert": 149,
	"icmp6-multicastrouteradvert": 151, "icmp6-multicastroutersolicit": 152, "icmp6-multicastroutertermination": 153,
}

// protocolWord reports whether a word names a protocol that qualifies what follows it.
func protocolWord(word string) bool {
	_, ether := etherTypes[word]
	_, ip := ipProtocols[word]
	_, iso := isoProtocols[word]
	return ether || ip || iso || linkWords[word]
}

// unsupported are words of tcpdump that need what a filter here does not have.
var unsupported = map[string]string{
	"gateway":    "needs names of hosts, which are not looked up",
	"protochain": "needs a loop, which the kernel does not allow in a filter",
	"geneve":     "is not supported",
	"wlan":       "is for wireless frames, which are not supported",
	"type":       "is for wireless frames, which are not supported",
	"subtype":    "is for wireless frames, which are not supported",
	"fddi":       "is for FDDI, which is not supported",
	"ppp":        "is for PPP, which is not supported",
	"slip":       "is for SLIP, which is not supported",
	"llc":        "is for kinds of LLC frames, which are not supported",
	"l1":         "is for kinds of IS-IS packets, which are not supported",
	"l2":         "is for kinds of IS-IS packets, which are not supported",
	"iih":        "is for kinds of IS-IS packets, which are not supported",
	"lsp":        "is for kinds of IS-IS packets, which are not supported",
	"snp":        "is for kinds of IS-IS packets, which are not supported",
	"csnp":       "is for kinds of IS-IS packets, which are not supported",
	"psnp":       "is for kinds of IS-IS packets, which are not supported",
}
