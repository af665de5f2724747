package filter

// Link types, as in the LINKTYPE_ registry.
const (
	linkNull     = 0
	linkEthernet = 1
	linkPPP      = 9 // inside PPPoE
	linkRawBSD   = 12
	linkRaw      = 101
	linkLoop     = 108
	linkSLL      = 113
	linkIPv4     = 228
	linkIPv6     = 229
	linkSLL2     = 276
)

// link says where in a frame the parts are that conditions speak of. The words vlan,
// mpls and pppoes move them.
type link struct {
	kind    uint16
	typ     uint32 // offset of the field that names the next protocol
	payload uint32
	labels  int // MPLS labels passed
}

func newLink(kind uint16) link {
	switch kind {
	case linkEthernet:
		return link{kind: kind, typ: 12, payload: 14}
	case linkSLL:
		return link{kind: kind, typ: 14, payload: 16}
	case linkSLL2:
		return link{kind: kind, typ: 0, payload: 20}
	case linkNull, linkLoop:
		return link{kind: kind, typ: 0, payload: 4}
	}
	return link{kind: kind}
}

// base is what an offset is counted from.
type base int

const (
	fromFrame base = iota
	fromType
	fromPayload
)

func (c *compiler) at(b base, offset uint32) uint32 {
	switch b {
	case fromType:
		return c.link.typ + offset
	case fromPayload:
		return c.link.payload + offset
	}
	return offset
}

// compare holds if the field at offset, with mask, stands in relation op to k.
func compare(b base, offset uint32, size uint16, mask uint32, op uint16, k uint32) node {
	return func(c *compiler, yes, no label) {
		c.emit(classLoad|size|modeAbsolute, c.at(b, offset))
		if mask != ^uint32(0) {
			c.emit(classALU|aluAnd, mask)
		}
		c.jump(op, k, yes, no)
	}
}

func equal(b base, offset uint32, size uint16, k uint32) node {
	return compare(b, offset, size, ^uint32(0), jumpEqual, k)
}

// linkType holds if the link layer says that the protocol comes next: an EtherType,
// or a SAP of IEEE 802.2.
func linkType(protocol uint32) node {
	return func(c *compiler, yes, no label) {
		if c.link.labels > 0 {
			labelled(protocol)(c, yes, no)
			return
		}
		switch c.link.kind {
		case linkEthernet:
			etherType(protocol)(c, yes, no)
		case linkSLL, linkSLL2:
			cookedType(protocol)(c, yes, no)
		case linkPPP:
			equal(fromType, 0, sizeHalf, pppType(protocol))(c, yes, no)
		case linkNull, linkLoop:
			family(protocol, c.link.kind == linkNull)(c, yes, no)
		case linkRaw, linkRawBSD:
			version(protocol)(c, yes, no)
		case linkIPv4:
			always(protocol == etherIPv4)(c, yes, no)
		case linkIPv6:
			always(protocol == etherIPv6)(c, yes, no)
		default:
			always(false)(c, yes, no)
		}
	}
}

func aboveLength() node {
	return compare(fromType, 0, sizeHalf, ^uint32(0), jumpGreater, maxLength)
}

// snap holds if a SNAP header with the organization and type begins at the LLC header.
func snap(organization, protocol uint32) node {
	return both(
		equal(fromPayload, 0, sizeWord, 0xaaaa0300|organization>>16),
		equal(fromPayload, 4, sizeWord, organization<<16|protocol))
}

func etherType(protocol uint32) node {
	length := not(aboveLength())
	switch protocol {
	case sapISO, sapNetBEUI:
		return both(length, equal(fromPayload, 0, sizeHalf, protocol<<8|protocol))
	case sapIPX:
		llc := either(equal(fromPayload, 0, sizeByte, sapIPX), equal(fromPayload, 0, sizeHalf, 0xffff))
		return either(equal(fromType, 0, sizeHalf, etherIPX), both(length, either(snap(0, etherIPX), llc)))
	case etherATalk:
		return either(equal(fromType, 0, sizeHalf, protocol), both(length, snap(0x080007, protocol)))
	case etherAARP:
		return either(equal(fromType, 0, sizeHalf, protocol), both(length, snap(0, protocol)))
	}
	if protocol <= maxLength {
		return both(length, equal(fromPayload, 0, sizeByte, protocol))
	}
	return equal(fromType, 0, sizeHalf, protocol)
}

// cookedType is etherType for Linux cooked frames, which mark 802.2, and raw 802.3 as
// IPX has it, with numbers of their own.
func cookedType(protocol uint32) node {
	raw8023, is8022 := equal(fromType, 0, sizeHalf, 1), equal(fromType, 0, sizeHalf, 4)
	named := equal(fromType, 0, sizeHalf, protocol)
	switch protocol {
	case sapISO, sapNetBEUI:
		return both(is8022, equal(fromPayload, 0, sizeHalf, protocol<<8|protocol))
	case sapIPX:
		llc := either(equal(fromPayload, 0, sizeByte, sapIPX), snap(0, etherIPX))
		return either(equal(fromType, 0, sizeHalf, etherIPX), either(raw8023, both(is8022, llc)))
	case etherATalk:
		return either(named, both(is8022, snap(0x080007, protocol)))
	case etherAARP:
		return either(named, both(is8022, snap(0, protocol)))
	}
	if protocol <= maxLength {
		return both(is8022, equal(fromPayload, 0, sizeByte, protocol))
	}
	return named
}

func pppType(protocol uint32) uint32 {
	switch protocol {
	case etherIPv4:
		return 0x21
	case etherIPv6:
		return 0x57
	case sapISO:
		return 0x23
	case etherATalk:
		return 0x29
	case sapIPX:
		return 0x2b
	}
	return protocol
}

// family holds if the 4 bytes in front are the protocol's address family: AF_INET is
// 2 everywhere, AF_INET6 differs from system to system. Null frames have it in the
// byte order of their writer.
func family(protocol uint32, swapped bool) node {
	var families []uint32
	switch protocol {
	case etherIPv4:
		families = []uint32{2}
	case etherIPv6:
		families = []uint32{10, 24, 28, 30}
	}
	n := always(false)
	for _, f := range families {
		n = either(equal(fromType, 0, sizeWord, f), n)
		if swapped {
			n = either(equal(fromType, 0, sizeWord, f<<24), n)
		}
	}
	return n
}

func version(protocol uint32) node {
	switch protocol {
	case etherIPv4:
		return compare(fromPayload, 0, sizeByte, 0xf0, jumpEqual, 0x40)
	case etherIPv6:
		return compare(fromPayload, 0, sizeByte, 0xf0, jumpEqual, 0x60)
	}
	return always(false)
}

// labelled holds if the last MPLS label is the bottom of the stack and the packet under
// it begins as one of the protocol does.
func labelled(protocol uint32) node {
	return func(c *compiler, yes, no label) {
		bottom := compare(fromFrame, c.link.payload-2, sizeByte, 1, jumpEqual, 1)
		both(bottom, version(protocol))(c, yes, no)
	}
}

// vlan holds for a frame with a VLAN tag, of that number unless it is negative. What
// comes after speaks of what is inside.
func vlan(at token, id int64) node {
	return func(c *compiler, yes, no label) {
		if c.inTag {
			c.inTag = false
			outOfBand(id)(c, yes, no)
			return
		}
		if c.link.kind != linkEthernet {
			c.fail(at, "only Ethernet frames have VLAN tags")
			return
		}
		n := either(equal(fromType, 0, sizeHalf, 0x8100), either(equal(fromType, 0, sizeHalf, 0x88a8), equal(fromType, 0, sizeHalf, 0x9100)))
		if id >= 0 {
			n = both(n, compare(fromPayload, 0, sizeHalf, 0xfff, jumpEqual, uint32(id)))
		}
		n(c, yes, no)
		c.link.typ += 4
		c.link.payload += 4
	}
}

func outOfBand(id int64) node {
	if id < 0 {
		return always(true)
	}
	return compare(fromFrame, ancillaryTag, sizeHalf, 0xfff, jumpEqual, uint32(id))
}

// mpls holds for a frame with one more MPLS label, of that number unless it is negative.
func mpls(at token, id int64) node {
	return func(c *compiler, yes, no label) {
		var n node
		switch {
		case c.link.labels > 0: // the previous label is not the bottom of the stack
			n = compare(fromFrame, c.link.payload-2, sizeByte, 1, jumpEqual, 0)
		case c.link.kind == linkEthernet:
			n = linkType(etherMPLS)
		default:
			c.fail(at, "only Ethernet frames have MPLS labels")
			return
		}
		if id >= 0 {
			n = both(n, compare(fromPayload, 0, sizeWord, 0xfffff000, jumpEqual, uint32(id)<<12))
		}
		n(c, yes, no)
		c.link.labels++
		c.link.payload += 4
	}
}

// pppoe holds for a frame of a PPPoE session, of that number unless it is negative.
func pppoe(id int64) node {
	return func(c *compiler, yes, no label) {
		n := linkType(etherPPPoE)
		if id >= 0 {
			n = both(n, compare(fromPayload, 0, sizeWord, 0xffff, jumpEqual, uint32(id)))
		}
		n(c, yes, no)
		c.link = link{kind: linkPPP, typ: c.link.payload + 6, payload: c.link.payload + 8}
	}
}

// direction holds for frames that went out of, or came into, the capturing machine.
func direction(at token, out bool) node {
	return func(c *compiler, yes, no label) {
		var n node
		switch {
		case c.live:
			n = equal(fromFrame, ancillaryKind, sizeWord, outgoing)
		case c.link.kind == linkSLL:
			n = equal(fromFrame, 0, sizeHalf, outgoing)
		case c.link.kind == linkSLL2:
			n = equal(fromFrame, 10, sizeByte, outgoing)
		default:
			c.fail(at, "frames of this link type do not say in which direction they went")
			return
		}
		if !out {
			n = not(n)
		}
		n(c, yes, no)
	}
}
