package packet

import "encoding/binary"

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

// places are the positions that a walk over headers needs, in bytes.
type places struct {
	fixed       int        // length of the fields that are always there
	conditional bool       // some fields depend on others
	sizes       []int      // of all fields, by the first byte, where that alone decides which there are
	protocol    byte       // its number among those of IP
	above       []numbered // the layers that may come next
	header      position   // header length
	extent      position   // length of header and content
	number      position   // of the next layer
	checksum    position
}

// A position is a field of at most 32 bits inside a header; width 0: there is none. All
// headers have two bytes at least: a smaller field is read with the one beside it.
type position struct {
	at, width int // bytes
	from      int // where what is read begins
	shift     uint
	mask      uint32
	unit, add int // value*unit+add is bytes
}

// read returns the value in bytes of the header. The header must hold the field.
func (p *position) read(h []byte) int { return p.bytes(p.raw(h)) }

func (p *position) bytes(value uint32) int { return int(value)*p.unit + p.add }

// raw returns the value as it stands there.
func (p *position) raw(h []byte) uint32 {
	if p.width > 2 {
		return binary.BigEndian.Uint32(h[p.from:]) >> (p.shift & 31) & p.mask
	}
	return uint32(binary.BigEndian.Uint16(h[p.from:])) >> (p.shift & 31) & p.mask
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
	l.sizes = l.sizesByType()
	return &l
}

// sizesByType returns the length of the fields for every first byte, nil where it does not
// decide, or decides nothing.
func (l *layout) sizesByType() []int {
	for i := range l.fields {
		if c := &l.fields[i].when; c.mask != 0 && (c.mask != 0xff00 || c.at != 0) {
			return nil
		}
	}
	if !l.conditional {
		return nil
	}
	sizes := make([]int, 256)
	for first := range sizes {
		sizes[first] = l.size([]byte{byte(first), 0})
	}
	return sizes
}

// note remembers the position of a field that walks over headers need.
func (l *layout) note(f *field) {
	p := position{at: f.bit / 8, width: (f.bits + 7) / 8, unit: f.unit, add: f.add, mask: 1<<f.bits - 1}
	length := 2
	if p.width > 2 {
		length = 4
	}
	p.from = max(p.at+p.width-length, 0)
	p.shift = uint((p.from+length)*8 - f.bits - f.bit)
	switch f.by {
	case headerLength:
		l.header = p
	case totalLength:
		l.extent = p
	case payloadLength:
		l.extent = p
		l.extent.add += l.fixed
	case nextNumber:
		l.number = p
	case checksum:
		l.checksum = p
	}
}

// size returns the length of the fields that the header h has, which may be cut.
func (l *layout) size(h []byte) int {
	if !l.conditional {
		return l.fixed
	}
	if l.sizes != nil && len(h) >= 2 {
		return l.sizes[h[0]]
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
