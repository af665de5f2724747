package filter

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
)

// address is what stands after host or net, or after src and dst alone.
func (p *parser) address(q qualifiers, t token) (node, error) {
	switch t.kind {
	case tokenMAC:
		return p.hardware(q, t)
	case tokenIPv6:
		return p.six(q, t)
	case tokenDotted:
		return p.four(q, t)
	case tokenNumber:
		if q.kind == "net" {
			return p.four(q, t)
		}
		return nil, p.fail(t, "expected an address")
	}
	return nil, p.unknown(t)
}

// hardware is an Ethernet address.
func (p *parser) hardware(q qualifiers, t token) (node, error) {
	if q.protocol != "ether" && q.protocol != "link" {
		return nil, p.fail(t, `an Ethernet address goes after "ether host"`)
	}
	digits := strings.FieldsFunc(t.text, func(r rune) bool { return strings.ContainsRune(":-.", r) })
	var a [6]byte
	for i := range a {
		text := digits[i*len(digits)/6]
		if len(digits) == 3 {
			text = text[i%2*2 : i%2*2+2]
		}
		n, err := strconv.ParseUint(text, 16, 8)
		if err != nil {
			return nil, p.fail(t, "no Ethernet address")
		}
		a[i] = byte(n)
	}
	return ethernetOnly(t, directed(q.direction, etherAddress(6, a), etherAddress(0, a))), nil
}

// four is an IPv4 address, or the beginning of one where a net is meant, with an
// optional mask.
func (p *parser) four(q qualifiers, t token) (node, error) {
	parts := strings.Split(t.text, ".")
	if len(parts) > 4 || len(parts) < 4 && q.kind != "net" && !p.peek().is("/") {
		return nil, p.fail(t, "an address has four numbers")
	}
	var address uint32
	for _, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			return nil, p.fail(t, "the numbers of an address are at most 255")
		}
		address = address<<8 | uint32(n)
	}
	given := 8 * len(parts)
	address <<= 32 - given
	mask := ^uint32(0) << (32 - given)
	if q.kind == "net" || p.peek().is("/") {
		var err error
		if mask, err = p.mask(mask); err != nil {
			return nil, err
		}
		if address&^mask != 0 {
			return nil, p.fail(t, "has bits outside of its mask")
		}
	}
	return p.inFour(q, t, address, mask)
}

// mask reads "/24" or "mask 255.255.255.0"; without either it is what was given.
func (p *parser) mask(given uint32) (uint32, error) {
	switch {
	case p.accept("/"):
		length, err := p.number(32)
		return uint32(uint64(0xffffffff) << (32 - length)), err
	case p.accept("mask"):
		t := p.take()
		a, err := netip.ParseAddr(t.text)
		if err != nil || !a.Is4() {
			return 0, p.fail(t, "expected a mask such as 255.255.255.0")
		}
		b := a.As4()
		return binary.BigEndian.Uint32(b[:]), nil
	}
	return given, nil
}

// inFour holds for IPv4 packets with the address, and unless the protocol is given for
// ARP and RARP too.
func (p *parser) inFour(q qualifiers, t token, address, mask uint32) (node, error) {
	in := func(protocol, src, dst uint32) node {
		return both(linkType(protocol), directed(q.direction,
			compare(fromPayload, src, sizeWord, mask, jumpEqual, address),
			compare(fromPayload, dst, sizeWord, mask, jumpEqual, address)))
	}
	ip, arp, rarp := in(etherIPv4, 12, 16), in(etherARP, 14, 24), in(etherRARP, 14, 24)
	switch q.protocol {
	case "":
		any := either(either(ip, arp), rarp)
		return func(c *compiler, yes, no label) {
			if c.link.labels > 0 {
				ip(c, yes, no)
			} else {
				any(c, yes, no)
			}
		}, nil
	case "ip":
		return ip, nil
	case "arp":
		return arp, nil
	case "rarp":
		return rarp, nil
	}
	return nil, p.fail(t, "%s has no IPv4 address", q.protocol)
}

// six is an IPv6 address with an optional prefix length.
func (p *parser) six(q qualifiers, t token) (node, error) {
	a, err := netip.ParseAddr(t.text)
	if err != nil || !a.Is6() || a.Zone() != "" {
		return nil, p.fail(t, "no IPv6 address")
	}
	length := uint32(128)
	if p.accept("/") {
		if length, err = p.number(128); err != nil {
			return nil, err
		}
		if prefix, err := a.Prefix(int(length)); err != nil || prefix.Addr() != a {
			return nil, p.fail(t, "has bits outside of its mask")
		}
	}
	if q.protocol != "" && q.protocol != "ip6" {
		return nil, p.fail(t, "%s has no IPv6 address", q.protocol)
	}
	bytes := a.As16()
	return both(linkType(etherIPv6), directed(q.direction, sixAt(8, bytes, length), sixAt(24, bytes, length))), nil
}

// sixAt compares the words of an address that the prefix covers, the last first.
func sixAt(offset uint32, a [16]byte, length uint32) node {
	n := node(nil)
	for word := uint32(0); word < 4; word++ {
		covered := min(32, max(length, word*32)-word*32)
		if covered == 0 {
			break
		}
		mask := ^uint32(0) << (32 - covered)
		test := compare(fromPayload, offset+4*word, sizeWord, mask, jumpEqual, binary.BigEndian.Uint32(a[4*word:]))
		if n == nil {
			n = test
		} else {
			n = both(test, n)
		}
	}
	if n == nil {
		return always(true)
	}
	return n
}
