package firewall

// A FieldID names a row of the table of fields.
type FieldID uint8

// The fields.
const (
	NoField FieldID = iota
	NetworkProtocol
	TransportProtocol
	InInterface
	OutInterface
	PacketMark
	PacketType
	IPv4Source
	IPv4Destination
	IPv4Protocol
	IPv6Source
	IPv6Destination
	IPv6NextHeader
	SourcePort
	DestinationPort
	TCPFlags
	ICMPType
	ICMPCode
	ICMPv6Type
	ICMPv6Code
	ConnectionState
	ConnectionStatus
	ConnectionMark
	ConnectionDirection
	OriginalPort
	OriginalIPv4Destination
	SourceType
	DestinationType
	fieldCount
)

// FieldLimit is one more than the largest FieldID, for tables by field.
const FieldLimit = int(fieldCount)

// A Load is how nft gets a field into a register.
type Load uint8

// The ways to load a field.
const (
	LoadMeta               Load = iota // Key is NFT_META_*
	LoadNetwork                        // payload at Offset of the network header
	LoadTransport                      // payload at Offset of the transport header
	LoadConnection                     // Key is NFT_CT_*
	LoadConnectionOrigin               // the same, of the original direction
	LoadSourceAddress                  // fib: NFTA_F_SADDR, result NFT_FIB_RESULT_ADDRTYPE
	LoadDestinationAddress             // fib: NFTA_F_DADDR, result NFT_FIB_RESULT_ADDRTYPE
)

// A Field is a row of the table of fields: all that any walk over a Program needs
// to know of it. A new field is one row.
type Field struct {
	Name   string // as nft writes it
	Width  int    // in bytes
	Load   Load
	Key    uint32 // of LoadMeta, LoadConnection
	Offset uint32 // of a payload
	// Host is set where the kernel keeps the value in the machine's own byte order.
	// Values of a Match are in that order too.
	Host bool
	// Family and Protocol are what a rule must match before it (AnyFamily and 0: nothing).
	Family   Family
	Protocol uint8
	// Type is nft's number for the type, which a set's key is made of, and TypeName
	// its name.
	Type     uint32
	TypeName string
	IPTables string // iptables' option, such as "-s" or "--dport"; "": none
}

// Info returns the row of the table.
func (f FieldID) Info() *Field {
	if f >= fieldCount {
		f = NoField
	}
	row := fields[f]
	return &row
}

// String returns nft's name.
func (f FieldID) String() string { return f.Info().Name }

// Fields returns all fields in the order of the table.
func Fields() []FieldID {
	all := make([]FieldID, 0, fieldCount-1)
	for f := NoField + 1; f < fieldCount; f++ {
		all = append(all, f)
	}
	return all
}

// Types of values, from nft's include/datatype.h.
const (
	typeVerdict   = 1
	typeNFProto   = 2
	typeIPv4      = 7
	typeIPv6      = 8
	typeProtocol  = 12
	typePort      = 13
	typeICMP      = 14
	typeTCPFlags  = 15
	typeMark      = 19
	typeState     = 26
	typeDirection = 27
	typeStatus    = 28
	typeICMPv6    = 29
	typePacket    = 31
	typeICMPCode  = 32
	typeICMPv6Cod = 33
	typeInterface = 41
	typeFIB       = 38
)

// Keys of the kernel (include/uapi/linux/netfilter/nf_tables.h): NFT_META_* and
// NFT_CT_*.
const (
	metaMark          = 3
	metaInName        = 6
	metaOutName       = 7
	metaFamily        = 15
	metaProtocol      = 16
	metaPacketType    = 19
	ctState           = 0
	ctDirection       = 1
	ctStatus          = 2
	ctMark            = 3
	ctPortDestination = 12
	ctDestinationIP   = 20
)

// Numbers of protocols (IANA).
const (
	protocolICMP   = 1
	protocolTCP    = 6
	protocolUDP    = 17
	protocolICMPv6 = 58
)

var fields = [fieldCount]Field{
	NetworkProtocol:   {Name: "meta nfproto", Width: 1, Load: LoadMeta, Key: metaFamily, Type: typeNFProto, TypeName: "nf_proto"},
	TransportProtocol: {Name: "meta l4proto", Width: 1, Load: LoadMeta, Key: metaProtocol, Type: typeProtocol, TypeName: "inet_proto", IPTables: "-p"},
	InInterface:       {Name: "iifname", Width: 16, Load: LoadMeta, Key: metaInName, Type: typeInterface, TypeName: "ifname", IPTables: "-i"},
	OutInterface:      {Name: "oifname", Width: 16, Load: LoadMeta, Key: metaOutName, Type: typeInterface, TypeName: "ifname", IPTables: "-o"},
	PacketMark:        {Name: "meta mark", Width: 4, Load: LoadMeta, Key: metaMark, Host: true, Type: typeMark, TypeName: "mark", IPTables: "--mark"},
	PacketType:        {Name: "meta pkttype", Width: 1, Load: LoadMeta, Key: metaPacketType, Type: typePacket, TypeName: "pkt_type", IPTables: "--pkt-type"},

	IPv4Source:      {Name: "ip saddr", Width: 4, Load: LoadNetwork, Offset: 12, Family: IPv4, Type: typeIPv4, TypeName: "ipv4_addr", IPTables: "-s"},
	IPv4Destination: {Name: "ip daddr", Width: 4, Load: LoadNetwork, Offset: 16, Family: IPv4, Type: typeIPv4, TypeName: "ipv4_addr", IPTables: "-d"},
	IPv4Protocol:    {Name: "ip protocol", Width: 1, Load: LoadNetwork, Offset: 9, Family: IPv4, Type: typeProtocol, TypeName: "inet_proto", IPTables: "-p"},
	IPv6Source:      {Name: "ip6 saddr", Width: 16, Load: LoadNetwork, Offset: 8, Family: IPv6, Type: typeIPv6, TypeName: "ipv6_addr", IPTables: "-s"},
	IPv6Destination: {Name: "ip6 daddr", Width: 16, Load: LoadNetwork, Offset: 24, Family: IPv6, Type: typeIPv6, TypeName: "ipv6_addr", IPTables: "-d"},
	IPv6NextHeader:  {Name: "ip6 nexthdr", Width: 1, Load: LoadNetwork, Offset: 6, Family: IPv6, Type: typeProtocol, TypeName: "inet_proto", IPTables: "-p"},

	SourcePort:      {Name: "th sport", Width: 2, Load: LoadTransport, Offset: 0, Type: typePort, TypeName: "inet_service", IPTables: "--sport"},
	DestinationPort: {Name: "th dport", Width: 2, Load: LoadTransport, Offset: 2, Type: typePort, TypeName: "inet_service", IPTables: "--dport"},
	TCPFlags:        {Name: "tcp flags", Width: 1, Load: LoadTransport, Offset: 13, Protocol: protocolTCP, Type: typeTCPFlags, TypeName: "tcp_flag", IPTables: "--tcp-flags"},
	ICMPType:        {Name: "icmp type", Width: 1, Load: LoadTransport, Offset: 0, Protocol: protocolICMP, Type: typeICMP, TypeName: "icmp_type", IPTables: "--icmp-type"},
	ICMPCode:        {Name: "icmp code", Width: 1, Load: LoadTransport, Offset: 1, Protocol: protocolICMP, Type: typeICMPCode, TypeName: "icmp_code", IPTables: "--icmp-type"},
	ICMPv6Type:      {Name: "icmpv6 type", Width: 1, Load: LoadTransport, Offset: 0, Protocol: protocolICMPv6, Type: typeICMPv6, TypeName: "icmpv6_type", IPTables: "--icmpv6-type"},
	ICMPv6Code:      {Name: "icmpv6 code", Width: 1, Load: LoadTransport, Offset: 1, Protocol: protocolICMPv6, Type: typeICMPv6Cod, TypeName: "icmpv6_code", IPTables: "--icmpv6-type"},

	ConnectionState:     {Name: "ct state", Width: 4, Load: LoadConnection, Key: ctState, Host: true, Type: typeState, TypeName: "ct_state", IPTables: "--ctstate"},
	ConnectionStatus:    {Name: "ct status", Width: 4, Load: LoadConnection, Key: ctStatus, Host: true, Type: typeStatus, TypeName: "ct_status", IPTables: "--ctstatus"},
	ConnectionMark:      {Name: "ct mark", Width: 4, Load: LoadConnection, Key: ctMark, Host: true, Type: typeMark, TypeName: "mark", IPTables: "--mark"},
	ConnectionDirection: {Name: "ct direction", Width: 1, Load: LoadConnection, Key: ctDirection, Type: typeDirection, TypeName: "ct_dir", IPTables: "--ctdir"},

	OriginalPort:            {Name: "ct original proto-dst", Width: 2, Load: LoadConnectionOrigin, Key: ctPortDestination, Type: typePort, TypeName: "inet_service", IPTables: "--ctorigdstport"},
	OriginalIPv4Destination: {Name: "ct original ip daddr", Width: 4, Load: LoadConnectionOrigin, Key: ctDestinationIP, Family: IPv4, Type: typeIPv4, TypeName: "ipv4_addr", IPTables: "--ctorigdst"},

	SourceType:      {Name: "fib saddr type", Width: 4, Load: LoadSourceAddress, Host: true, Type: typeFIB, TypeName: "fib_addrtype", IPTables: "--src-type"},
	DestinationType: {Name: "fib daddr type", Width: 4, Load: LoadDestinationAddress, Host: true, Type: typeFIB, TypeName: "fib_addrtype", IPTables: "--dst-type"},
}

// Bits of the connection's state, as nft has them: bit n+1 for IP_CT_* n,
// invalid and untracked apart.
const (
	StateInvalid     = 1 << 0
	StateEstablished = 1 << 1
	StateRelated     = 1 << 2
	StateNew         = 1 << 3
	StateUntracked   = 1 << 6
)

// Bits of the connection's status: IPS_* of the kernel.
const (
	StatusSeenReply = 1 << 1
	StatusAssured   = 1 << 2
	StatusConfirmed = 1 << 3
	StatusSNAT      = 1 << 4
	StatusDNAT      = 1 << 5
)

// Types of addresses: RTN_* of the kernel, as fib returns them.
const (
	AddressUnicast   = 1
	AddressLocal     = 2
	AddressBroadcast = 3
	AddressAnycast   = 4
	AddressMulticast = 5
)
