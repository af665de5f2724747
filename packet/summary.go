package packet

import (
	"encoding/binary"
	"strconv"
)

// AppendSummary appends one line without its end that says what the frame is, in
// the order in which it is nested, such as
//
//	192.0.2.1:40000 > 192.0.2.35:9 UDP 5 bytes
//
// It allocates nothing if dst has room.
func AppendSummary(dst, frame []byte, h *Headers) []byte {
	w := writer{dst, frame, h}
	start := len(dst)
	for i := range h.All() {
		one := &h.List[i]
		if one.Quoted && !h.List[max(i-1, 0)].Quoted {
			w.text(" about")
		}
		w.layer(i, one)
	}
	if len(w.dst) == start {
		w.pair(" ", uint64(h.Original))
		w.pair(" bytes of link type ", uint64(h.Link))
	}
	w.faults()
	if len(w.dst) > start && w.dst[start] == ' ' {
		w.dst = append(w.dst[:start], w.dst[start+1:]...)
	}
	return w.dst
}

// A writer appends to dst.
type writer struct {
	dst   []byte
	frame []byte
	h     *Headers
}

func (w *writer) text(s string)   { w.dst = append(w.dst, s...) }
func (w *writer) number(n uint64) { w.dst = strconv.AppendUint(w.dst, n, 10) }

// pair writes a word and a number.
func (w *writer) pair(name string, n uint64) {
	w.text(name)
	w.number(n)
}

// layer writes what a header says. What is cut off is left out.
func (w *writer) layer(i int, h *Header) {
	b := w.frame[h.Offset : h.Offset+h.Length]
	l := layouts[h.Layer]
	if h.Fault == ShortHeader && len(b) < l.size(b) {
		return
	}
	switch h.Layer {
	case Ethernet:
		w.ethernet(i, b)
	case VLAN:
		w.pair(" vlan ", uint64(word(b, 0)&0xfff))
	case ARP:
		w.arp(b)
	case IPv4, IPv6:
		w.internet(i, h, b)
	case TCP:
		w.tcp(i, h, b)
	case UDP:
		w.text(" UDP")
		w.size(h)
	case ICMP, ICMPv6:
		w.icmp(h, b)
	case Fragment:
		w.pair(" fragment at ", uint64(word(b, 2)>>3)*8)
		w.fragmentID(uint64(binary.BigEndian.Uint32(b[4:])), word(b, 2)&1 != 0)
	case GRE, HopByHop, Destination, Routing, VXLAN, PPPoE:
		w.text(" ")
		w.text(l.name)
		if h.Layer == VXLAN {
			w.pair(" ", uint64(binary.BigEndian.Uint32(b[4:])>>8))
		}
	case NTP:
		w.pair(" NTP version ", uint64(b[0]>>3&7))
		w.name(nameOf("mode", NTP, uint64(b[0]&7)))
		w.pair(" stratum ", uint64(b[1]))
	case STAMP, STAMPReply:
		w.text(" ")
		w.text(l.name)
		w.pair(" seq ", uint64(binary.BigEndian.Uint32(b)))
	case DNS:
		w.dns(b)
	}
}

// ethernet says more only where nothing above it does.
func (w *writer) ethernet(i int, b []byte) {
	if i+1 < w.h.N && w.h.List[i+1].Layer != Data {
		return
	}
	w.text(" ")
	w.dst = appendMAC(w.dst, b[6:12])
	w.text(" > ")
	w.dst = appendMAC(w.dst, b[:6])
	w.text(" type 0x")
	w.dst = appendHex(w.dst, b[12:14])
	w.pair(" ", uint64(max(w.h.Original-14, 0)))
	w.text(" bytes")
}

func appendHex(dst, b []byte) []byte {
	const digits = "0123456789abcdef"
	for _, octet := range b {
		dst = append(dst, digits[octet>>4], digits[octet&15])
	}
	return dst
}

func (w *writer) arp(b []byte) {
	if len(b) < 28 {
		w.text(" ARP")
		return
	}
	switch word(b, 6) {
	case 1:
		w.text(" ARP who has ")
		w.dst = appendAddress(w.dst, b[24:28])
		w.text("? tell ")
		w.dst = appendAddress(w.dst, b[14:18])
	case 2:
		w.text(" ARP ")
		w.dst = appendAddress(w.dst, b[14:18])
		w.text(" is at ")
		w.dst = appendMAC(w.dst, b[8:14])
	default:
		w.pair(" ARP operation ", uint64(word(b, 6)))
	}
}

// internet writes both addresses, with the ports of what follows.
func (w *writer) internet(i int, h *Header, b []byte) {
	src, dst := b[12:16], b[16:20]
	if h.Layer == IPv6 {
		src, dst = b[8:24], b[24:40]
	}
	sport, dport, ok := w.ports(i)
	w.endpoint(src, sport, ok)
	w.text(" >")
	w.endpoint(dst, dport, ok)
	if h.FromFrame {
		w.text(" [length from the frame]")
	}
	switch {
	case h.Layer == IPv4 && word(b, 6)&0x3fff != 0:
		w.pair(" fragment at ", uint64(word(b, 6)&0x1fff)*8)
		w.fragmentID(uint64(word(b, 4)), word(b, 6)&0x2000 != 0)
	case i+1 == w.h.N || w.h.List[i+1].Layer == Data || w.h.List[i+1].Layer == Trailer:
		protocol := b[9*btoi(h.Layer == IPv4)+6*btoi(h.Layer == IPv6)]
		w.pair(" protocol ", uint64(protocol))
		if name := nameIn(protocolNames, uint64(protocol)); name != "" {
			w.text(" ")
			w.text(name)
		}
		w.size(h)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (w *writer) fragmentID(id uint64, more bool) {
	w.pair(" of ", id)
	if more {
		w.text(", more follow")
	}
}

// ports returns those of the transport header above the IP header i.
func (w *writer) ports(i int) (sport, dport uint16, ok bool) {
	for _, h := range w.h.List[i+1 : w.h.N] {
		switch h.Layer {
		case HopByHop, Routing, Destination, Fragment:
			continue
		case TCP, UDP:
			if b := w.frame[h.Offset : h.Offset+h.Length]; len(b) >= 4 {
				return word(b, 0), word(b, 2), true
			}
		}
		break
	}
	return 0, 0, false
}

func (w *writer) endpoint(address []byte, port uint16, hasPort bool) {
	w.text(" ")
	switch {
	case hasPort && len(address) == 16:
		w.text("[")
		w.dst = appendAddress(w.dst, address)
		w.pair("]:", uint64(port))
	case hasPort:
		w.dst = appendAddress(w.dst, address)
		w.pair(":", uint64(port))
	default:
		w.dst = appendAddress(w.dst, address)
	}
}

// size writes how many bytes the layer carries.
func (w *writer) size(h *Header) {
	w.pair(" ", uint64(max(h.End-h.Offset-h.Length, 0)))
	w.text(" bytes")
}

func (w *writer) tcp(i int, h *Header, b []byte) {
	w.text(" TCP ")
	bits := word(b, 12) & 0x1ff
	separator := ""
	for j := len(tcpFlags) - 1; j >= 0; j-- {
		if n := tcpFlags[j]; uint64(bits)&n.value != 0 {
			w.text(separator)
			w.text(n.name)
			separator = ","
		}
	}
	if bits == 0 {
		w.text("no flags")
	}
	w.pair(" seq ", uint64(binary.BigEndian.Uint32(b[4:])))
	if bits&0x10 != 0 {
		w.pair(" ack ", uint64(binary.BigEndian.Uint32(b[8:])))
	}
	w.pair(" win ", uint64(word(b, 14)))
	w.size(h)
}

func (w *writer) icmp(h *Header, b []byte) {
	w.text(" ")
	if h.Layer == ICMP {
		w.text("ICMP")
	} else {
		w.text("ICMPv6")
	}
	w.name(nameOf("type", h.Layer, uint64(b[0])))
	echo := h.Layer == ICMP && (b[0] == 8 || b[0] == 0) || h.Layer == ICMPv6 && (b[0] == 128 || b[0] == 129)
	switch {
	case echo:
		w.pair(" id ", uint64(word(b, 4)))
		w.pair(" seq ", uint64(word(b, 6)))
		w.size(h)
	case h.Layer == ICMPv6 && b[0] >= 135 && b[0] <= 137:
		w.text(" ")
		w.dst = appendAddress(w.dst, b[8:24])
	default:
		w.pair(" code ", uint64(b[1]))
	}
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

func (w *writer) name(s string) {
	w.text(" ")
	w.text(s)
}

// dns writes the first name that is asked for.
func (w *writer) dns(b []byte) {
	if b[2]&0x80 == 0 {
		w.text(" DNS query")
	} else {
		w.text(" DNS answer")
		if code := b[3] & 15; code != 0 {
			w.pair(" code ", uint64(code))
		}
	}
	if word(b, 4) == 0 {
		return
	}
	w.text(" ")
	for at := 12; at < len(b) && b[at] != 0 && b[at] < 64; at += 1 + int(b[at]) {
		for _, c := range b[at+1 : min(at+1+int(b[at]), len(b))] {
			if c <= ' ' || c >= 0x7f || c == '\\' {
				c = '?'
			}
			w.dst = append(w.dst, c)
		}
		w.text(".")
	}
}

// faults writes what is wrong.
func (w *writer) faults() {
	if h, ok := w.h.Malformed(); ok {
		w.text(" [malformed: ")
		w.text(h.Layer.String())
		w.text(" ")
		w.text(h.Fault.String())
		w.text("]")
	}
	if w.h.Truncated() {
		w.pair(" [", uint64(w.h.Captured))
		w.pair(" of ", uint64(w.h.Original))
		w.text(" bytes captured]")
	}
}
