package simulate

import (
	"encoding/binary"
	"net/netip"

	"wirelab/firewall"
)

// Numbers of protocols (IANA).
const (
	protocolICMP   = 1
	protocolTCP    = 6
	protocolUDP    = 17
	protocolICMPv6 = 58
)

// A packet is one on its way through the kernel: its headers as bytes, and what the
// kernel knows of it.
type packet struct {
	v6        bool
	protocol  uint8
	network   [40]byte
	transport [20]byte
	length    int // of transport
	in, out   [16]byte
	hasIn     bool // the question says by which interface it comes in
	hasOut    bool // and it is known by which it leaves
	state     uint32
	status    uint32
	mark      uint32
	cast      uint8
	original  netip.AddrPort // the destination before NAT
	types     [2]uint32      // of source and destination, as fib has them
}

// newPacket makes the packet of a question, with addresses where it names none.
func newPacket(q *firewall.Question, host *Host) *packet {
	p := &packet{v6: q.IPv6(), protocol: q.Protocol, mark: q.Mark, status: q.Status}
	source, destination := q.Source, q.Destination
	if !source.IsValid() {
		source = host.stranger(p.v6)
	}
	if !destination.IsValid() {
		destination = host.own(q.In, p.v6)
	}
	if p.v6 {
		p.network[0], p.network[6], p.network[7] = 0x60, q.Protocol, 64
	} else {
		p.network[0], p.network[8], p.network[9] = 0x45, 64, q.Protocol
	}
	p.setSource(source)
	p.setDestination(destination)
	p.ports(q)
	p.original = netip.AddrPortFrom(destination, q.DestinationPort)
	p.setIn(q.In)
	p.state = q.State
	if p.state == 0 {
		p.state = connectionState(q, p.protocol)
	}
	return p
}

func (p *packet) ports(q *firewall.Question) {
	t := &p.transport
	switch q.Protocol {
	case protocolICMP, protocolICMPv6:
		t[0], t[1] = q.Type, q.Code
		p.length = 8
		return
	case protocolTCP:
		t[12], t[13] = 0x50, q.Flags
		p.length = 20
	default:
		p.length = 8
	}
	binary.BigEndian.PutUint16(t[0:], q.SourcePort)
	binary.BigEndian.PutUint16(t[2:], q.DestinationPort)
}

func (p *packet) setIn(name string) {
	p.in, p.hasIn = [16]byte{}, name != ""
	copy(p.in[:15], name)
}

func (p *packet) setOut(name string) {
	p.out, p.hasOut = [16]byte{}, name != ""
	copy(p.out[:15], name)
}

func (p *packet) addressField(source bool) []byte {
	switch {
	case p.v6 && source:
		return p.network[8:24]
	case p.v6:
		return p.network[24:40]
	case source:
		return p.network[12:16]
	}
	return p.network[16:20]
}

func (p *packet) source() netip.Addr {
	a, _ := netip.AddrFromSlice(p.addressField(true))
	return a
}

func (p *packet) destination() netip.Addr {
	a, _ := netip.AddrFromSlice(p.addressField(false))
	return a
}

func (p *packet) setSource(a netip.Addr) { copy(p.addressField(true), a.AsSlice()) }

func (p *packet) setDestination(a netip.Addr) { copy(p.addressField(false), a.AsSlice()) }

func (p *packet) destinationPort() uint16 { return binary.BigEndian.Uint16(p.transport[2:]) }

// load returns the value of a field, as nft's expression would load it into a
// register, and whether it can be loaded.
func (p *packet) load(f firewall.FieldID, row *firewall.Field, buffer *[16]byte) ([]byte, bool) {
	switch row.Load {
	case firewall.LoadNetwork:
		length := 20
		if p.v6 {
			length = 40
		}
		end := int(row.Offset) + row.Width
		if end > length {
			return nil, false
		}
		return p.network[row.Offset:end], true
	case firewall.LoadTransport:
		end := int(row.Offset) + row.Width
		if end > p.length {
			return nil, false
		}
		return p.transport[row.Offset:end], true
	}
	return p.known(f, buffer)
}

// known returns what stands in no header.
func (p *packet) known(f firewall.FieldID, b *[16]byte) ([]byte, bool) {
	switch f {
	case firewall.NetworkProtocol:
		b[0] = byte(firewall.IPv4)
		if p.v6 {
			b[0] = byte(firewall.IPv6)
		}
		return b[:1], true
	case firewall.TransportProtocol:
		b[0] = p.protocol
		return b[:1], true
	case firewall.InInterface:
		return p.in[:], true
	case firewall.OutInterface:
		return p.out[:], true
	case firewall.PacketType:
		b[0] = p.cast
		return b[:1], true
	case firewall.PacketMark:
		return number(b, p.mark)
	case firewall.ConnectionState:
		return number(b, p.state)
	case firewall.SourceType:
		return number(b, p.types[0])
	case firewall.DestinationType:
		return number(b, p.types[1])
	}
	if p.state == firewall.StateInvalid || p.state == firewall.StateUntracked {
		return nil, false // there is no connection to ask
	}
	return p.connection(f, b)
}

// connection returns what the connection knows.
func (p *packet) connection(f firewall.FieldID, b *[16]byte) ([]byte, bool) {
	switch f {
	case firewall.ConnectionStatus:
		return number(b, p.status)
	case firewall.ConnectionMark:
		return number(b, 0)
	case firewall.ConnectionDirection:
		b[0] = 0
		return b[:1], true
	case firewall.OriginalPort:
		binary.BigEndian.PutUint16(b[:], p.original.Port())
		return b[:2], true
	case firewall.OriginalIPv4Destination:
		if p.v6 {
			return nil, false
		}
		raw := p.original.Addr().As4()
		copy(b[:], raw[:])
		return b[:4], true
	}
	return nil, false
}

func number(b *[16]byte, n uint32) ([]byte, bool) {
	binary.NativeEndian.PutUint32(b[:], n)
	return b[:4], true
}

// connectionState returns what the kernel's connection tracking makes of a packet
// that belongs to no known connection (nf_conntrack_proto_tcp.c,
// nf_conntrack_proto_icmp.c, nf_conntrack_proto_icmpv6.c).
func connectionState(q *firewall.Question, protocol uint8) uint32 {
	ok := true
	switch protocol {
	case protocolTCP:
		ok = newTCP(q.Flags)
	case protocolICMP:
		ok = q.Type == 8 || q.Type == 13 || q.Type == 15 || q.Type == 17
	case protocolICMPv6:
		if t := q.Type; t >= 130 && t <= 137 || t == 143 {
			return firewall.StateUntracked
		}
		ok = q.Type == 128 || q.Type == 139
	}
	if !ok {
		return firewall.StateInvalid
	}
	return firewall.StateNew
}

// newTCP reports whether flags begin a connection: a SYN, or an ACK in the middle of
// one that the kernel picks up (nf_conntrack_tcp_loose).
func newTCP(flags uint8) bool {
	const fin, syn, rst, ack, urg = 1, 2, 4, 16, 32
	switch flags & (fin | syn | rst | ack | urg) {
	case syn, syn | urg, ack, ack | urg:
		return true
	}
	return false
}
