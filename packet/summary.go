package packet

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// AppendSummary appends one line without its end that says what the frame is, in
// the order in which it is nested, such as
//
//	192.0.2.1:40000 > 192.0.2.35:9 UDP 5 bytes
//
// It allocates nothing if dst has room.
func AppendSummary(dst, frame []byte, h *Headers) []byte {
	s := summary{frame, h}
	start := len(dst)
	for i := range h.All() {
		one := &h.List[i]
		if one.Quoted && !h.List[max(i-1, 0)].Quoted {
			dst = append(dst, " about"...)
		}
		dst = s.layer(dst, i, one)
	}
	if len(dst) == start {
		dst = appendNumber(append(dst, ' '), uint64(h.Original))
		dst = appendNumber(append(dst, " bytes of link type "...), uint64(h.Link))
	}
	dst = s.faults(dst)
	return append(dst[:start], dst[start+1:]...) // without the space that all begin with
}

// A summary appends what the headers of a frame say, each word behind a space.
type summary struct {
	frame []byte
	h     *Headers
}

// layer appends what a header says. What is cut off is left out.
func (s *summary) layer(dst []byte, i int, h *Header) []byte {
	b := s.frame[h.Offset : h.Offset+h.Length]
	l := layouts[h.Layer]
	if h.Fault == ShortHeader && len(b) < l.size(b) {
		return dst
	}
	switch h.Layer {
	case Ethernet:
		return s.ethernet(dst, i, b)
	case VLAN:
		return appendNumber(append(dst, " vlan "...), uint64(word(b, 0)&0xfff))
	case ARP:
		return appendARP(dst, b)
	case IPv4, IPv6:
		return s.internet(dst, i, h, b)
	case TCP:
		return appendTCP(dst, h, b)
	case UDP:
		return appendSize(append(dst, " UDP"...), h)
	case ICMP, ICMPv6:
		return appendICMP(dst, h, b)
	case Fragment:
		dst = appendNumber(append(dst, " fragment at "...), uint64(word(b, 2)>>3)*8)
		return appendFragmentID(dst, uint64(binary.BigEndian.Uint32(b[4:])), word(b, 2)&1 != 0)
	case GRE, HopByHop, Destination, Routing, PPPoE:
		return appendWord(dst, l.name)
	case VXLAN:
		return appendNumber(append(dst, " vxlan "...), uint64(binary.BigEndian.Uint32(b[4:])>>8))
	case NTP:
		dst = appendNumber(append(dst, " NTP version "...), uint64(b[0]>>3&7))
		dst = appendWord(dst, nameOf("mode", NTP, uint64(b[0]&7)))
		return appendNumber(append(dst, " stratum "...), uint64(b[1]))
	case STAMP, STAMPReply:
		dst = append(appendWord(dst, l.name), " seq "...)
		return appendNumber(dst, uint64(binary.BigEndian.Uint32(b)))
	case DNS:
		return appendDNS(dst, b)
	}
	return dst
}

func appendWord(dst []byte, word string) []byte { return append(append(dst, ' '), word...) }

// ethernet says more only where nothing above it does.
func (s *summary) ethernet(dst []byte, i int, b []byte) []byte {
	if i+1 < s.h.N && s.h.List[i+1].Layer != Data {
		return dst
	}
	dst = appendMAC(append(dst, ' '), b[6:12])
	dst = appendMAC(append(dst, " > "...), b[:6])
	dst = appendHex(append(dst, " type 0x"...), b[12:14])
	dst = appendNumber(append(dst, ' '), uint64(max(s.h.Original-14, 0)))
	return append(dst, " bytes"...)
}

func appendHex(dst, b []byte) []byte {
	const digits = "0123456789abcdef"
	for _, octet := range b {
		dst = append(dst, digits[octet>>4], digits[octet&15])
	}
	return dst
}

func appendARP(dst, b []byte) []byte {
	if len(b) < 28 {
		return append(dst, " ARP"...)
	}
	switch word(b, 6) {
	case 1:
		dst = appendAddress(append(dst, " ARP who has "...), b[24:28])
		return appendAddress(append(dst, "? tell "...), b[14:18])
	case 2:
		dst = appendAddress(append(dst, " ARP "...), b[14:18])
		return appendMAC(append(dst, " is at "...), b[8:14])
	}
	return appendNumber(append(dst, " ARP operation "...), uint64(word(b, 6)))
}

// internet appends both addresses, with the ports of what follows.
func (s *summary) internet(dst []byte, i int, h *Header, b []byte) []byte {
	from, to, protocol := b[12:16], b[16:20], b[9]
	if h.Layer == IPv6 {
		from, to, protocol = b[8:24], b[24:40], b[6]
	}
	sport, dport, ok := s.ports(i)
	dst = appendEndpoint(append(dst, ' '), from, sport, ok)
	dst = appendEndpoint(append(dst, " > "...), to, dport, ok)
	if h.FromFrame {
		dst = append(dst, " [length from the frame]"...)
	}
	switch {
	case h.Layer == IPv4 && word(b, 6)&0x3fff != 0:
		dst = appendNumber(append(dst, " fragment at "...), uint64(word(b, 6)&0x1fff)*8)
		return appendFragmentID(dst, uint64(word(b, 4)), word(b, 6)&0x2000 != 0)
	case i+1 == s.h.N || s.h.List[i+1].Layer == Data || s.h.List[i+1].Layer == Trailer:
		dst = appendNumber(append(dst, " protocol "...), uint64(protocol))
		if name := nameIn(protocolNames, uint64(protocol)); name != "" {
			dst = appendWord(dst, name)
		}
		return appendSize(dst, h)
	}
	return dst
}

func appendFragmentID(dst []byte, id uint64, more bool) []byte {
	dst = appendNumber(append(dst, " of "...), id)
	if more {
		dst = append(dst, ", more follow"...)
	}
	return dst
}

// ports returns those of the transport header above the IP header i.
func (s *summary) ports(i int) (sport, dport uint16, ok bool) {
	for i++; i < s.h.N; i++ {
		switch h := &s.h.List[i]; h.Layer {
		case HopByHop, Routing, Destination, Fragment:
			continue
		case TCP, UDP:
			if b := s.frame[h.Offset : h.Offset+h.Length]; len(b) >= 4 {
				return word(b, 0), word(b, 2), true
			}
		}
		break
	}
	return 0, 0, false
}

func appendEndpoint(dst, address []byte, port uint16, hasPort bool) []byte {
	switch {
	case hasPort && len(address) == 16:
		dst = append(appendAddress(append(dst, '['), address), "]:"...)
	case hasPort:
		dst = append(appendAddress(dst, address), ':')
	default:
		return appendAddress(dst, address)
	}
	return appendNumber(dst, uint64(port))
}

// appendSize appends how many bytes the layer carries.
func appendSize(dst []byte, h *Header) []byte {
	dst = appendNumber(append(dst, ' '), uint64(max(h.End-h.Offset-h.Length, 0)))
	return append(dst, " bytes"...)
}

func appendTCP(dst []byte, h *Header, b []byte) []byte {
	dst = append(dst, " TCP"...)
	set := word(b, 12) & 0x1ff
	separator := byte(' ')
	for left := set; left != 0; left &= left - 1 {
		name := tcpFlags[len(tcpFlags)-1-bits.TrailingZeros16(left)].name // the highest bit is first
		dst = append(append(dst, separator), name...)
		separator = ','
	}
	if set == 0 {
		dst = append(dst, " no flags"...)
	}
	dst = appendNumber(append(dst, " seq "...), uint64(binary.BigEndian.Uint32(b[4:])))
	if set&0x10 != 0 {
		dst = appendNumber(append(dst, " ack "...), uint64(binary.BigEndian.Uint32(b[8:])))
	}
	dst = appendNumber(append(dst, " win "...), uint64(word(b, 14)))
	return appendSize(dst, h)
}

func appendICMP(dst []byte, h *Header, b []byte) []byte {
	dst = append(dst, " ICMP"...)
	if h.Layer == ICMPv6 {
		dst = append(dst, "v6"...)
	}
	dst = appendWord(dst, nameOf("type", h.Layer, uint64(b[0])))
	echo := h.Layer == ICMP && (b[0] == 8 || b[0] == 0) || h.Layer == ICMPv6 && (b[0] == 128 || b[0] == 129)
	switch {
	case echo:
		dst = appendNumber(append(dst, " id "...), uint64(word(b, 4)))
		dst = appendNumber(append(dst, " seq "...), uint64(word(b, 6)))
		return appendSize(dst, h)
	case h.Layer == ICMPv6 && b[0] >= 135 && b[0] <= 137:
		return appendAddress(append(dst, ' '), b[8:24])
	}
	return appendNumber(append(dst, " code "...), uint64(b[1]))
}

// nameOf returns the name of a field's value.
func nameOf(name string, layer Layer, v uint64) string {
	if name := nameIn(layouts[layer].find(name).named, v); name != "" {
		return name
	}
	return "other"
}

func nameIn(names []named, v uint64) string {
	for _, n := range names {
		if n.value == v {
			return n.name
		}
	}
	return ""
}

// appendDNS appends the first name that is asked for.
func appendDNS(dst, b []byte) []byte {
	if b[2]&0x80 == 0 {
		dst = append(dst, " DNS query"...)
	} else {
		dst = append(dst, " DNS answer"...)
		if code := b[3] & 15; code != 0 {
			dst = appendNumber(append(dst, " code "...), uint64(code))
		}
	}
	if word(b, 4) == 0 {
		return dst
	}
	dst = append(dst, ' ')
	for at := 12; at < len(b) && b[at] != 0 && b[at] < 64; at += 1 + int(b[at]) {
		for _, c := range b[at+1 : min(at+1+int(b[at]), len(b))] {
			if c <= ' ' || c >= 0x7f || c == '\\' {
				c = '?'
			}
			dst = append(dst, c)
		}
		dst = append(dst, '.')
	}
	return dst
}

// faults appends what is wrong.
func (s *summary) faults(dst []byte) []byte {
	if h, ok := s.h.Malformed(); ok {
		dst = appendWord(append(dst, " [malformed:"...), h.Layer.String())
		dst = append(appendWord(dst, h.Fault.String()), ']')
	}
	if s.h.Truncated() {
		dst = appendNumber(append(dst, " ["...), uint64(s.h.Captured))
		dst = appendNumber(append(dst, " of "...), uint64(s.h.Original))
		dst = append(dst, " bytes captured]"...)
	}
	return dst
}

// twoDigits are the numbers below 100.
const twoDigits = "00010203040506070809" + "10111213141516171819" + "20212223242526272829" + "30313233343536373839" + "40414243444546474849" +
	"50515253545556575859" + "60616263646566676869" + "70717273747576777879" + "80818283848586878889" + "90919293949596979899"

// appendNumber is strconv.AppendUint for lines by the million: digits are written where
// they stay.
func appendNumber(dst []byte, n uint64) []byte {
	if n < 10 {
		return append(dst, byte('0'+n))
	}
	dst = slices.Grow(dst, 20)
	at := len(dst) + decimalDigits(n)
	dst = dst[:at]
	for ; n >= 100; n /= 100 {
		at -= 2
		dst[at], dst[at+1] = twoDigits[n%100*2], twoDigits[n%100*2+1]
	}
	dst[at-1] = twoDigits[n*2+1]
	if n >= 10 {
		dst[at-2] = twoDigits[n*2]
	}
	return dst
}

// decimalDigits returns how many digits n has: log2(n) * log10(2), rounded down, and
// another if it is not less than that power of ten.
func decimalDigits(n uint64) int {
	digits := bits.Len64(n) * 1233 >> 12
	if n >= powersOf10[digits] {
		digits++
	}
	return digits
}

var powersOf10 = [...]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

// appendAddress appends the text of the address at b, of 4 or 16 bytes, the latter as RFC
// 5952 has it.
func appendAddress(dst, b []byte) []byte {
	if len(b) == 4 {
		return appendIPv4(dst, b)
	}
	high, low := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	if high == 0 && low>>32 == 0xffff {
		return appendIPv4(append(dst, "::ffff:"...), b[12:])
	}
	from, to := longestZeros(b)
	for i := 0; i < 16; i += 2 {
		if i == from {
			dst = append(dst, "::"...)
			if i = to; i == 16 {
				break
			}
		} else if i > 0 {
			dst = append(dst, ':')
		}
		dst = appendGroup(dst, word(b, i))
	}
	return dst
}

// longestZeros returns where the first of the longest runs of two or more zero groups
// begins and ends.
func longestZeros(b []byte) (from, to int) {
	from, to = -1, 1
	for i := 0; i < 16; i += 2 {
		start := i
		for i < 16 && word(b, i) == 0 {
			i += 2
		}
		if i-start > max(to-from, 2) {
			from, to = start, i
		}
	}
	return from, to
}

// appendGroup appends a number in hexadecimal, without zeros in front.
func appendGroup(dst []byte, v uint16) []byte {
	const digits = "0123456789abcdef"
	if v >= 0x1000 {
		dst = append(dst, digits[v>>12])
	}
	if v >= 0x100 {
		dst = append(dst, digits[v>>8&15])
	}
	if v >= 0x10 {
		dst = append(dst, digits[v>>4&15])
	}
	return append(dst, digits[v&15])
}

func appendIPv4(dst, b []byte) []byte {
	dst = append(appendOctet(dst, b[0]), '.')
	dst = append(appendOctet(dst, b[1]), '.')
	dst = append(appendOctet(dst, b[2]), '.')
	return appendOctet(dst, b[3])
}

func appendOctet(dst []byte, v byte) []byte {
	switch {
	case v >= 100:
		return append(dst, '0'+v/100, '0'+v/10%10, '0'+v%10)
	case v >= 10:
		return append(dst, '0'+v/10, '0'+v%10)
	}
	return append(dst, '0'+v)
}
