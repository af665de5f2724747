package packet

import (
	"encoding/binary"
	"math/bits"
)

// A Layer names a protocol header, or a piece of payload, of the field table.
// The zero Layer is no layer.
type Layer uint8

// The layers. Those from Text on exist only while a packet is described: on the
// wire they are Data.
const (
	NoLayer Layer = iota
	Ethernet
	VLAN
	ARP
	IPv4
	IPv6
	HopByHop
	Routing
	Fragment
	Destination
	ICMP
	ICMPv6
	TCP
	UDP
	GRE
	VXLAN
	STAMP
	STAMPReply
	NTP
	DNS
	PPPoE
	LinuxCooked
	LinuxCooked2
	Loopback
	Data    // content that no header describes
	Trailer // bytes behind the end that a length field gives, such as Ethernet padding
	Text
	Hex
	File
	Zero
	Random
	Counter
	Time
	Struct
	layerCount
)

// String returns the layer's name in the packet language, such as "ip6".
func (l Layer) String() string {
	if l == NoLayer || l >= layerCount {
		return "none"
	}
	return layouts[l].name
}

// Title returns what the layer is called in prose, such as "Internet Protocol version 6".
func (l Layer) Title() string {
	if l == NoLayer || l >= layerCount {
		return ""
	}
	return layouts[l].title
}

// A layout is a layer as data. Building, scanning, verifying, explaining and
// filling templates all read it.
type layout struct {
	layer   Layer
	name    string
	title   string
	source  string // where it is specified
	fields  []field
	tail    tail      // what follows the fields, within the header
	sum     summation // what the checksum covers
	next    space     // how the next layer is numbered
	within  []Layer   // layers it may stand on; none: any, or nothing
	below   Layer     // what is put below it where none of those is
	version byte      // of IP, whose length field may be 0; 0 for all else

	places // derived by lay
}

// places are what a walk over headers needs of a layout.
type places struct {
	fixed       int         // length of the fields that are always there, in bytes
	conditional bool        // some fields depend on others
	open        bool        // options or records may reach to the end
	lengths     [256]uint16 // of the header, by the byte at lengthAt; 0: that byte does not tell
	lengthAt    uint8
	nibble      byte       // the bits of the first byte that hold the version
	protocol    byte       // its number among those of IP
	above       []numbered // the layers that may come next
	header      position   // header length
	extent      position   // length of header and content
	number      position   // of the next layer
	pieces      pieces     // what fragments say
	checksum    int        // offset
}

// head is the beginning of a header, which has all that a walk reads, zeros behind it if it
// is shorter.
type head [16]byte

// word returns the 16 bits at an even offset.
func (h *head) word(at uint8) uint16 { return binary.BigEndian.Uint16(h[at&14:]) }

// A position is a field inside 16 bits of a head. A mask of 0: there is no such field.
type position struct {
	at    uint8 // where the 16 bits begin: even
	shift uint8
	mask  uint16
	scale uint8 // value<<scale+add is bytes
	add   int
}

// read returns the value in bytes.
func (p *position) read(h *head) int { return p.bytes(p.raw(h)) }

func (p *position) bytes(value uint16) int { return int(value)<<(p.scale&31) + p.add }

// raw returns the value as it stands there.
func (p *position) raw(h *head) uint16 { return h.word(p.at) >> (p.shift & 15) & p.mask }

// pieces is the 16-bit word that says whether the content is a fragment: it is if a bit of
// any is set, and not the first one if a bit of offset is.
type pieces struct {
	at          uint8
	any, offset uint16
}

// A field is one row of a layout. Its offset is the sum of the widths above it.
type field struct {
	name  string
	also  []string // other names people use
	bits  int
	kind  kind
	value uint64 // default
	by    computation
	unit  int // of a length, in bytes; 0: 1
	add   int // a length of value*unit+add bytes
	when  condition
	named []named
	help  string

	bit int // offset in the header in bits, unless conditional fields precede
}

// A kind says how a field's bits are written and shown.
type kind uint8

const (
	number kind = iota
	hexadecimal
	flags // a name for each bit
	addressIPv4
	addressIPv6
	addressMAC
	ntpTime     // 64 bits, seconds since 1900 and fractions
	shortTime   // 32 bits, 16.16 seconds
	signedPower // 8 bits, log2 seconds
	trafficClass
	reserved // not shown in help
)

// A computation says how a field follows from the rest of the packet.
type computation uint8

const (
	given         computation = iota // not computed
	headerLength                     // of this header
	totalLength                      // of this header and its content
	payloadLength                    // of its content
	nextNumber                       // the layer that follows
	checksum
	presence    // which optional fields were set
	recordCount // DNS records of one section
	lastEntry   // index of the last address of a segment routing header
)

// A condition on the 16 bits at an offset of the header.
type condition struct {
	mask   uint16 // 0: always
	values []uint16
	not    bool // none of values
	any    bool // any bit of mask
	at     int
}

func (c *condition) holds(h []byte) bool {
	if c.mask == 0 {
		return true
	}
	if len(h) < c.at+2 {
		return false
	}
	v := binary.BigEndian.Uint16(h[c.at:]) & c.mask
	if c.any {
		return v != 0
	}
	for _, w := range c.values {
		if v == w {
			return !c.not
		}
	}
	return c.not
}

// A named value of a field, or a bit of a flags field.
type named struct {
	value uint64
	name  string
	help  string
}

// A summation says what a checksum is the sum of.
type summation uint8

const (
	noSum      summation = iota
	headerSum            // this header
	contentSum           // this header and its content
	pseudoSum            // a pseudo header, this header and its content
)

// A space is a numbering of layers.
type space uint8

const (
	noSpace space = iota
	etherTypes
	ipProtocols
	loopbackFamilies
	pppProtocols
	udpPorts
	onlyEthernet // VXLAN carries nothing else
)

// lay derives the places of a layout.
func lay(l layout) *layout {
	bit := 0
	for i := range l.fields {
		f := &l.fields[i]
		f.bit = bit
		f.unit = max(f.unit, 1)
		if f.when.mask != 0 {
			l.conditional = true
			continue
		}
		bit += f.bits
	}
	l.fixed = bit / 8
	for i := range l.fields {
		if f := &l.fields[i]; f.when.mask == 0 || f.by == checksum {
			l.note(f)
		}
	}
	l.protocol = byte(numberOfLayer(ipProtocols, l.layer))
	l.above = numbersOf(l.next)
	l.open = l.tail == dnsRecords || l.tail == ndOptions
	switch l.layer {
	case IPv4:
		l.nibble, l.pieces = 0xf0, pieces{at: 6, any: 0x3fff, offset: 0x1fff}
	case IPv6:
		l.nibble = 0xf0
	case Fragment:
		l.pieces = pieces{at: 2, any: 0xfff9, offset: 0xfff8}
	}
	l.measure()
	return &l
}

// measure finds the lengths of the header that a single byte decides.
func (l *layout) measure() {
	for i := range l.fields {
		c := &l.fields[i].when
		if c.mask != 0 && (c.mask != 0xff00 || c.at != 0) || l.tail == dnsRecords {
			return
		}
	}
	for i := range l.lengths {
		var h head
		h[l.lengthAt] = byte(i)
		length := l.size(h[:])
		switch {
		case l.header.mask != 0:
			length = l.header.read(&h)
		case l.open && isND(h[:]):
			continue
		}
		if length >= l.fixed {
			l.lengths[i] = uint16(length)
		}
	}
}

// note remembers the position of a field that walks over headers need.
func (l *layout) note(f *field) {
	p := position{at: uint8(f.bit / 16 * 2), shift: uint8(16 - f.bits - f.bit%16), mask: 1<<f.bits - 1, scale: uint8(bits.Len(uint(f.unit)) - 1), add: f.add}
	switch f.by {
	case headerLength:
		l.header, l.lengthAt = p, uint8(f.bit/8)
	case totalLength:
		l.extent = p
	case payloadLength:
		l.extent = p
		l.extent.add += l.fixed
	case nextNumber:
		l.number = p
	case checksum:
		l.checksum = f.bit / 8
	}
}

// size returns the length of the fields that the header h has, which may be cut.
func (l *layout) size(h []byte) int {
	if !l.conditional {
		return l.fixed
	}
	bits := 0
	for i := range l.fields {
		if l.fields[i].when.holds(h) {
			bits += l.fields[i].bits
		}
	}
	return bits / 8
}

// A placed field has its offset in bits from the start of its header.
type placed struct {
	*field
	bit int
}

// place appends the fields that the header h has to dst, in order.
func (l *layout) place(h []byte, dst []placed) []placed {
	bit := 0
	for i := range l.fields {
		if f := &l.fields[i]; f.when.holds(h) {
			dst = append(dst, placed{f, bit})
			bit += f.bits
		}
	}
	return dst
}

// find returns the field with that name, also where it depends on others.
func (l *layout) find(name string) *field {
	for i := range l.fields {
		if l.fields[i].hasName(name) {
			return &l.fields[i]
		}
	}
	return nil
}

func (f *field) hasName(name string) bool {
	if f.name == name {
		return true
	}
	for _, a := range f.also {
		if a == name {
			return true
		}
	}
	return false
}
