package packet

import (
	"encoding/binary"
	"math/bits"
)

// A Verdict says whether a checksum is right, as Linux judges it on receipt.
type Verdict uint8

// The verdicts.
const (
	Unverified Verdict = iota // nobody can tell: a fragment, cut by the capture, malformed
	Good
	Bad
	Partial // left to a device that computes it when the frame leaves
	Absent  // the field says that there is none
)

// String returns "unverified", "good", "bad", "partial" or "absent".
func (v Verdict) String() string {
	return [...]string{"unverified", "good", "bad", "partial", "absent"}[v]
}

// MarshalText returns the same as String.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// MarshalText returns the layer's name.
func (l Layer) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Offload is what is known beside the frame of its checksums, as TPACKET status
// bits or epb_flags say it.
type Offload uint8

// The states.
const (
	OffloadUnknown Offload = iota
	OffloadPending         // the checksum is not ready: a device computes it later
	OffloadValid           // a device has checked it
)

// A Check is what became of one checksum.
type Check struct {
	Layer   Layer
	Verdict Verdict
	Offset  int    // of the checksum in the frame
	Found   uint16 // what stands there
	Right   uint16 // what should; 0 where the verdict is Unverified
}

// Verify judges the checksums that Scan found headers for, outer layers first,
// and appends them to checks. It allocates nothing if checks has room for
// MaxHeaders. Quoted datagrams are not judged.
func Verify(frame []byte, h *Headers, known Offload, checks []Check) []Check {
	all := h.All()
	for i := range all {
		one := &all[i]
		if layouts[one.Layer].sum == noSum || one.Quoted {
			continue
		}
		if at, ok := checksumOf(frame, one); ok {
			found := word(frame, at)
			verdict, right := judge(frame, all, i, known, found)
			checks = append(checks, Check{}) // filled in where it is: copying would wait for its own writes
			c := &checks[len(checks)-1]
			c.Layer, c.Verdict, c.Offset, c.Found, c.Right = one.Layer, verdict, at, found, right
		}
	}
	return checks
}

// checksumOf returns where the checksum of a header stands in the frame. It reports false
// if the header has none, or if even the field was not captured.
func checksumOf(frame []byte, h *Header) (at int, ok bool) {
	at = int(h.Offset) + layouts[h.Layer].checksum
	return at, at+2 <= int(h.Offset+h.Length) && (h.Layer != GRE || frame[h.Offset]&0x80 != 0)
}

// judge returns the verdict on the checksum of all[i], which is found there, and what is
// right, 0 where that is unknown.
func judge(frame []byte, all []Header, i int, known Offload, found uint16) (v Verdict, right uint16) {
	h := &all[i]
	absent := found == 0 && h.Layer == UDP && underIPv4(all[:i])
	var cover coverage
	switch whole := cover.find(frame, all, i) && verifiable(frame, h, &cover); {
	case absent && whole:
		return Absent, complement(cover.rest(frame), true)
	case absent:
		return Absent, 0
	case !whole:
		return Unverified, 0
	case h.Fault == NoFault && found != 0 && found != 0xffff && cover.sound(frame): // as nearly always
		return Good, found
	}
	rest := cover.rest(frame)
	return cover.doubt(frame, h, known, found, rest), complement(rest, h.Layer == UDP)
}

// verifiable reports whether all that is covered was captured, in one piece.
func verifiable(frame []byte, h *Header, c *coverage) bool {
	if c.to > len(frame) || c.to < c.at+2 {
		return false
	}
	if h.Layer == IPv4 {
		return h.Fault != ShortLength && h.Fault != LongHeader && h.Fault != ShortHeader && h.Fault != WrongVersion
	}
	return !h.Partial && h.Fault != ShortHeader
}

// doubt judges what does not just add up; rest is the sum without the checksum.
func (c *coverage) doubt(frame []byte, h *Header, known Offload, found, rest uint16) Verdict {
	udp := h.Layer == UDP
	switch {
	case udp && (found == 0 || h.Fault == LongContent || h.Fault == ShortContent):
		return Bad
	case h.Layer != IPv4 && (h.Fault == LongHeader || h.Fault == ShortLength):
		return Bad // TCP drops it before it looks
	case fold(uint64(rest)+uint64(found)) == 0xffff:
		return Good
	case c.pseudo && known == OffloadValid:
		return Good // whatever stands there: Linux believes the device
	case c.pseudo && h.Layer != ICMPv6 && (known == OffloadPending || isPartial(frame, c, found)):
		return Partial
	}
	return Bad
}

// isPartial reports whether the field holds what a host leaves to its device: the
// folded sum of the pseudo header. For packets that the device will also cut
// into segments some leave the length out.
func isPartial(frame []byte, c *coverage, found uint16) bool {
	addresses := c.addressWords(frame)
	return found == fold(addresses+uint64(c.length>>16)+uint64(c.length&0xffff)) || found == fold(addresses)
}

func underIPv4(below []Header) bool {
	h, ok := network(below)
	return ok && h.Layer == IPv4
}

// network returns the innermost IP header of those below.
func network(below []Header) (*Header, bool) {
	for i := len(below) - 1; i >= 0; i-- {
		if below[i].Layer == IPv4 || below[i].Layer == IPv6 {
			return &below[i], true
		}
	}
	return nil, false
}

// find says what the checksum of all[i] is the sum of. It reports false where a
// pseudo header is needed and no whole IP header is below.
func (c *coverage) find(frame []byte, all []Header, i int) bool {
	h := &all[i]
	l := layouts[h.Layer]
	c.at, c.from, c.to = int(h.Offset)+l.checksum, int(h.Offset), int(h.End)
	switch l.sum {
	case headerSum:
		c.to = c.from + int(h.Length)
		return true
	case contentSum:
		return true
	}
	ip, ok := network(all[:i])
	if !ok || int(ip.Offset)+layouts[ip.Layer].fixed > len(frame) || c.at+2 > len(frame) {
		return false
	}
	c.pseudo, c.length = true, uint32(c.to-c.from)
	c.protocol = l.protocol
	if h.Layer == UDP {
		c.udpLength(frame, ip)
	}
	c.addresses(frame, all[:i], ip)
	return true
}

// udpLength takes the length from the UDP header, which rules over what the
// datagram around it says. 0 stands for all there is (RFC 2675, section 4).
func (c *coverage) udpLength(frame []byte, ip *Header) {
	length := int(binary.BigEndian.Uint16(frame[c.from+4:]))
	if length == 0 && (ip.Layer == IPv6 || ip.FromFrame) {
		return
	}
	c.length = uint32(length)
	if length >= 8 {
		c.to = min(c.to, c.from+length)
	}
}

// addresses finds the addresses of the pseudo header: those of the IP header, or
// the last stop of a route that has stops left.
func (c *coverage) addresses(frame []byte, below []Header, ip *Header) {
	at := int(ip.Offset)
	if ip.Layer == IPv4 {
		c.src, c.dst, c.address = at+12, at+16, 4
		if last, ok := lastSourceRoute(frame[at+20 : max(at+int(ip.Length), at+20)]); ok {
			c.dst = at + 20 + last
		}
		return
	}
	c.src, c.dst, c.address = at+8, at+24, 16
	for i := range below {
		r := &below[i]
		if r.Layer == Routing && r.Offset > ip.Offset {
			if last, ok := lastSegment(frame[r.Offset : r.Offset+r.Length]); ok {
				c.dst = int(r.Offset) + last
			}
		}
	}
}

// lastSegment returns the offset of the final address in a routing header with
// stops left. Segment routing lists the last stop first (RFC 8754, section 2).
func lastSegment(h []byte) (int, bool) {
	if len(h) < 24 || h[3] == 0 {
		return 0, false
	}
	switch h[2] {
	case 4:
		return 8, true
	case 0, 2:
		return 8 + (len(h)-8)/16*16 - 16, true
	}
	return 0, false
}

// lastSourceRoute returns the offset of the final address in the options of an
// IPv4 header whose source route is not used up (RFC 791, section 3.1).
func lastSourceRoute(options []byte) (int, bool) {
	for i := 0; i < len(options); {
		switch options[i] {
		case 0:
			return 0, false
		case 1:
			i++
			continue
		}
		if i+2 > len(options) || options[i+1] < 2 || i+int(options[i+1]) > len(options) {
			return 0, false
		}
		length := int(options[i+1])
		if route := options[i] == 131 || options[i] == 137; route && length >= 7 {
			last := i + 3 + (length-3)/4*4 - 4
			return last, int(options[i+2]) <= length-3
		}
		i += length
	}
	return 0, false
}

// sum returns the ones' complement sum of b as big-endian 16-bit words, an odd
// last byte padded with zero, folded to 16 bits (RFC 1071).
func sum(b []byte) uint16 { return bits.ReverseBytes16(fold(accumulate(0, b))) }

// accumulate adds b to s, eight bytes at a time in the machine's order: what it returns is
// to be folded, and then swapped, as section 2 (B) of RFC 1071 allows. Adding the last
// carry of a run cannot carry again: a sum that carried is at most 2^64-2.
func accumulate(s uint64, b []byte) uint64 {
	var c uint64
	all := b
	for len(b) >= 64 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), 0)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[8:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[16:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[24:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[32:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[40:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[48:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[56:]), c)
		s += c
		b = b[64:]
	}
	if len(b) >= 32 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), 0)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[8:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[16:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[24:]), c)
		s += c
		b = b[32:]
	}
	for len(b) >= 8 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), 0)
		s += c
		b = b[8:]
	}
	var last uint64
	if len(all) >= 8 {
		last = binary.LittleEndian.Uint64(all[len(all)-8:]) >> (64 - 8*len(b))
	} else {
		for i, octet := range b {
			last |= uint64(octet) << (8 * i)
		}
	}
	s, c = bits.Add64(s, last, 0)
	return s + c
}

// fold adds the 16-bit words of s, carries included, until one is left: adding a
// number to itself with its halves exchanged leaves their sum, with its carry, above.
func fold(s uint64) uint16 {
	s += bits.RotateLeft64(s, 32)
	t := uint32(s >> 32)
	t += bits.RotateLeft32(t, 16)
	return uint16(t >> 16)
}

// A coverage is what one checksum is the sum of: bytes of the frame and, for
// some, a pseudo header of two addresses, a protocol and a length.
type coverage struct {
	at       int // where the checksum stands
	from, to int // what is summed; to may lie behind the captured bytes
	pseudo   bool
	src, dst int // where the addresses stand
	address  int // their length
	protocol uint8
	length   uint32 // as it enters the pseudo header
}

// pseudoWords returns the sum of the pseudo header (RFC 9293, section 3.1; RFC
// 8200, section 8.1), not yet folded.
func (c *coverage) pseudoWords(frame []byte) uint64 {
	if !c.pseudo {
		return 0
	}
	return c.addressWords(frame) + uint64(c.length>>16) + uint64(c.length&0xffff)
}

// addressWords is the pseudo header without its length.
func (c *coverage) addressWords(frame []byte) uint64 {
	if c.address == 4 {
		return uint64(binary.BigEndian.Uint32(frame[c.src:])) + uint64(binary.BigEndian.Uint32(frame[c.dst:])) + uint64(c.protocol)
	}
	if c.dst == c.src+16 { // as without a routing header
		return uint64(sum(frame[c.src:c.src+32])) + uint64(c.protocol)
	}
	return uint64(sum(frame[c.src:c.src+16])) + uint64(sum(frame[c.dst:c.dst+16])) + uint64(c.protocol)
}

// rest returns the folded sum of all that is covered but the checksum itself. The
// bytes up to c.to must be there.
func (c *coverage) rest(frame []byte) uint16 {
	return fold(c.pseudoWords(frame) + uint64(sum(frame[c.from:c.at])) + uint64(sum(frame[c.at+2:c.to])))
}

// sound reports whether all that is covered adds up, the checksum included.
func (c *coverage) sound(frame []byte) bool {
	pseudo := bits.ReverseBytes16(fold(c.pseudoWords(frame)))
	return fold(accumulate(uint64(pseudo), frame[c.from:c.to])) == 0xffff
}

// complement makes the checksum of a sum. Where zero says that there is none, as
// in UDP, 0 is written as ffff (RFC 768).
func complement(rest uint16, zeroIsNone bool) uint16 {
	if right := ^rest; right != 0 || !zeroIsNone {
		return right
	}
	return 0xffff
}
