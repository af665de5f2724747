package trial

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// Numbers of protocols (IANA), and how packets are told from those of the kernel.
const (
	icmp, tcp, udp, icmpv6, sctp = 1, 6, 17, 58, 132

	hopLimit    = 77      // of packets in trial; what the kernel sends itself has 64 or 255
	maxIdentity = 1 << 16 // of packets tried at once
)

// appendPacket appends the IP packet, which carries its identity, 1 to 65,535, in the identification
// of IPv4 or the flow label of IPv6, and in the numbers of TCP. The checksum of UDP
// is left out, those of TCP and ICMP are right.
func (p *Packet) appendPacket(b []byte, identity int) []byte {
	start := len(b)
	if p.Source.Is4() {
		b = p.appendIPv4(b, identity)
	} else {
		b = p.appendIPv6(b, identity)
	}
	header := len(b)
	b = p.appendTransport(b, uint32(identity)<<8)
	if p.Source.Is4() {
		binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
		binary.BigEndian.PutUint16(b[start+10:], checksum(0, b[start:header]))
	} else {
		binary.BigEndian.PutUint16(b[start+4:], uint16(len(b)-header))
	}
	p.sum(b[header:])
	return b
}

func (p *Packet) appendIPv4(b []byte, identity int) []byte {
	source, destination := p.Source.As4(), p.Destination.As4()
	b = append(b, 0x45, 0, 0, 0, byte(identity>>8), byte(identity), 0x40, 0, hopLimit, p.Protocol, 0, 0)
	return append(append(b, source[:]...), destination[:]...)
}

func (p *Packet) appendIPv6(b []byte, identity int) []byte {
	source, destination := p.Source.As16(), p.Destination.As16()
	b = append(b, 0x60, byte(identity>>16), byte(identity>>8), byte(identity), 0, 0, p.Protocol, hopLimit)
	return append(append(b, source[:]...), destination[:]...)
}

func (p *Packet) appendTransport(b []byte, number uint32) []byte {
	switch p.Protocol {
	case icmp, icmpv6:
		b = append(b, p.Type, p.Code, 0, 0, 0, 1, 0, 1)
		return append(b, make([]byte, 48)...) // an error carries the packet that it is about
	}
	if p.Protocol != tcp && p.Protocol != udp && p.Protocol != sctp {
		return append(b, make([]byte, 16)...)
	}
	b = binary.BigEndian.AppendUint16(b, p.SourcePort)
	b = binary.BigEndian.AppendUint16(b, p.DestinationPort)
	switch p.Protocol {
	case tcp:
		b = binary.BigEndian.AppendUint32(b, number)
		b = binary.BigEndian.AppendUint32(b, number)
		return append(b, 0x50, p.Flags, 0x10, 0, 0, 0, 0, 0)
	case udp:
		return append(b, 0, 8, 0, 0)
	}
	// The INIT chunk of SCTP (RFC 9260, section 3.3.2).
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 20, 0, 0, 0, 1, 0, 0, 16, 0, 0, 1, 0, 1, 0, 0, 0, 1)
}

// sum fills in the checksum of the transport header. UDP needs one in IPv6. That of
// an unknown protocol stands at its end: the kernel answers nothing whose sum is wrong.
func (p *Packet) sum(transport []byte) {
	at := len(transport) - 2
	switch p.Protocol {
	case icmp, icmpv6:
		at = 2
	case tcp:
		at = 16
	case udp:
		if at = 6; p.Source.Is4() {
			return
		}
	case sctp:
		sum := crc32.Checksum(transport, crc32.MakeTable(crc32.Castagnoli))
		binary.LittleEndian.PutUint32(transport[8:], sum)
		return
	}
	start := uint32(0)
	if p.Protocol == tcp || p.Protocol == udp || p.Source.Is6() {
		start = add(add(0, p.Source.AsSlice()), p.Destination.AsSlice()) + uint32(p.Protocol) + uint32(len(transport))
	}
	binary.BigEndian.PutUint16(transport[at:], checksum(start, transport))
}

// checksum returns the Internet checksum (RFC 1071) of b on top of a sum.
func checksum(sum uint32, b []byte) uint16 {
	sum = add(sum, b)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func add(sum uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	return sum
}

// seen is a packet that the kernel logged.
type seen struct {
	identity            int // 0: none of ours
	protocol            uint8
	ours                bool // it has our hop limit, or one less
	source, destination netip.AddrPort
	transport           []byte
}

// parse reads an IP packet; false if it is too short.
func parse(b []byte) (s seen, ok bool) {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		header := int(b[0]&15) * 4
		if header < 20 || len(b) < header {
			return s, false
		}
		s.identity, s.protocol, s.ours = int(binary.BigEndian.Uint16(b[4:])), b[9], ours(b[8])
		return s.ends(b[12:16], b[16:20], b[header:]), true
	case len(b) >= 40 && b[0]>>4 == 6:
		s.identity, s.protocol, s.ours = int(binary.BigEndian.Uint32(b))&0xfffff, b[6], ours(b[7])
		return s.ends(b[8:24], b[24:40], b[40:]), true
	}
	return s, false
}

func ours(hops byte) bool { return hops == hopLimit || hops == hopLimit-1 }

func (s seen) ends(source, destination, transport []byte) seen {
	s.transport = transport
	var ports [4]byte
	if s.protocol != icmp && s.protocol != icmpv6 {
		copy(ports[:], transport)
	}
	from, _ := netip.AddrFromSlice(source)
	to, _ := netip.AddrFromSlice(destination)
	s.source = netip.AddrPortFrom(from, binary.BigEndian.Uint16(ports[:]))
	s.destination = netip.AddrPortFrom(to, binary.BigEndian.Uint16(ports[2:]))
	return s
}

// reply reads an answer of the kernel: which packet it answers, 0 for none, and how.
func (s seen) reply() (identity int, text string) {
	t := s.transport
	switch {
	case s.protocol == tcp && len(t) >= 14 && t[13]&4 != 0:
		number := binary.BigEndian.Uint32(t[4:])
		if number == 0 {
			number = binary.BigEndian.Uint32(t[8:])
		}
		return int(number >> 8), "tcp reset"
	case s.protocol == icmp && len(t) >= 8 && t[0] == 3:
		return embedded(t[8:]), "icmp " + decimal(t[1])
	case s.protocol == icmpv6 && len(t) >= 8 && t[0] == 1:
		return embedded(t[8:]), "icmpv6 " + decimal(t[1])
	}
	return 0, ""
}

func embedded(b []byte) int {
	inner, ok := parse(b)
	if !ok || !inner.ours {
		return 0
	}
	return inner.identity
}

func decimal(n byte) string {
	if n >= 10 {
		return string([]byte{'0' + n/10, '0' + n%10})
	}
	return string([]byte{'0' + n})
}
