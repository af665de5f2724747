package packet

import (
	"encoding/binary"
	"math/bits"
)

// sum returns the ones' complement sum of b as big-endian 16-bit words, an odd
// last byte padded with zero, folded to 16 bits (RFC 1071). It adds eight bytes at
// a time in the machine's order and swaps at the end, as section 2 (B) allows.
func sum(b []byte) uint16 {
	var s, c uint64
	for len(b) >= 32 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[8:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[16:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[24:]), c)
		b = b[32:]
	}
	for len(b) >= 8 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), c)
		b = b[8:]
	}
	if len(b) >= 4 {
		s, c = bits.Add64(s, uint64(binary.LittleEndian.Uint32(b)), c)
		b = b[4:]
	}
	var last uint64
	for i, octet := range b {
		last |= uint64(octet) << (8 * i)
	}
	s, c = bits.Add64(s, last, c)
	s, c = bits.Add64(s, 0, c)
	return bits.ReverseBytes16(fold(s + c))
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
	return uint64(sum(frame[c.src:c.src+16])) + uint64(sum(frame[c.dst:c.dst+16])) + uint64(c.protocol)
}

// rest returns the folded sum of all that is covered but the checksum itself. The
// bytes up to c.to must be there.
func (c *coverage) rest(frame []byte) uint16 {
	return fold(c.pseudoWords(frame) + uint64(sum(frame[c.from:c.at])) + uint64(sum(frame[c.at+2:c.to])))
}

// sound reports whether all that is covered adds up, the checksum included.
func (c *coverage) sound(frame []byte) bool {
	return fold(c.pseudoWords(frame)+uint64(sum(frame[c.from:c.to]))) == 0xffff
}

// complement makes the checksum of a sum. Where zero says that there is none, as
// in UDP, 0 is written as ffff (RFC 768).
func complement(rest uint16, zeroIsNone bool) uint16 {
	if right := ^rest; right != 0 || !zeroIsNone {
		return right
	}
	return 0xffff
}
