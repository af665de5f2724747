package packet

import "encoding/binary"

// MaxHeaders is how many headers of a frame are told apart, its data and trailers
// among them. What is behind them is Data.
const MaxHeaders = 16

// A Fault is what is wrong with a header.
type Fault uint8

// The faults.
const (
	NoFault       Fault = iota
	ShortHeader         // the frame, or the layer below, ends inside the header
	ShortLength         // the header length is less than the header must have
	LongHeader          // the header length points behind the end
	WrongVersion        // not the version of IP that the layer below announces
	ShortContent        // the length field is less than the header
	LongContent         // the length field points behind the end
	TooManyHeader       // there are more than MaxHeaders
)

// String says what is wrong, in words that follow the layer's name.
func (f Fault) String() string {
	return [...]string{
		"", "ends inside its header", "has a header length below the least", "has a header length that points behind its end",
		"has the wrong version", "has a length less than its header", "has a length that points behind the end", "is the last header that is read",
	}[f]
}

// A Header is where one layer of a frame is.
type Header struct {
	Layer  Layer
	Fault  Fault
	Quoted bool // inside an ICMP error: it is shown, never judged
	// Partial says that only a fragment of the layer's content is in this frame.
	Partial bool
	// FromFrame says that the length field was 0 and the end is the frame's.
	FromFrame bool
	Offset    int32 // of its first byte
	Length    int32 // of the header, as far as it was captured
	End       int32 // of its content; may be behind the captured bytes
}

// Headers is what Scan finds: the headers of a frame, outer ones first, then what
// remains as Data and Trailers. It can be used again for the next frame.
type Headers struct {
	N        int
	List     [MaxHeaders]Header
	Link     LinkType
	Captured int // bytes of the frame
	Original int // bytes that it had on the wire
	layers   uint64
	faulty   bool
}

// All returns the headers. The slice is part of h.
func (h *Headers) All() []Header { return h.List[:h.N] }

// Truncated reports whether the capture holds less than there was.
func (h *Headers) Truncated() bool { return h.Captured < h.Original }

// Layers returns the set of layers that are there, quoted ones apart: bit n is set if
// the Layer with that number is.
func (h *Headers) Layers() uint64 { return h.layers }

// Malformed returns the first header with a fault that the sender is to blame
// for: a header that the capture cut is none.
func (h *Headers) Malformed() (Header, bool) {
	if !h.faulty {
		return Header{}, false
	}
	for _, one := range h.All() {
		cut := one.Fault == ShortHeader && h.Truncated() && int(one.End) > h.Captured
		if one.Fault != NoFault && !one.Quoted && !cut {
			return one, true
		}
	}
	return Header{}, false
}

// Find returns the first header of the layer.
func (h *Headers) Find(layer Layer) (Header, bool) {
	for _, one := range h.All() {
		if one.Layer == layer {
			return one, true
		}
	}
	return Header{}, false
}

// Scan finds the headers of a frame. original is the frame's length on the wire,
// at least len(frame). It allocates nothing, reads no byte behind the frame, and
// ends after MaxHeaders headers whatever the frame says.
func Scan(link LinkType, frame []byte, original int, h *Headers) {
	original = max(original, len(frame))
	h.N, h.Link, h.Captured, h.Original, h.layers, h.faulty = 0, link, len(frame), original, 0, false
	var s scanner
	s.h, s.frame, s.rest, s.end = h, frame, frame, original
	s.layer = firstLayer(link, frame)
	for s.layer != Data && h.N < MaxHeaders-3 {
		if !s.header() {
			s.layer = Data
		}
	}
	if s.layer != Data && h.List[h.N-1].Fault == NoFault {
		s.blame(&h.List[h.N-1], TooManyHeader)
	}
	s.finish()
}

// A scanner is the state of one walk over a frame. Its gaps are the bytes behind
// a length field, innermost last.
type scanner struct {
	h        *Headers
	frame    []byte
	rest     []byte // what was captured of what is left for the layer
	at, end  int    // what is left for the layer
	layer    Layer
	quoted   bool
	fragment bool
	gapCount int
	gaps     [8][2]int32
}

// add appends a header that reaches from where the scanner is to end.
func (s *scanner) add(layer Layer, from, end int) *Header {
	h := &s.h.List[s.h.N]
	s.h.N++
	h.Layer, h.Fault, h.Quoted, h.Partial, h.FromFrame = layer, NoFault, s.quoted, s.fragment, false
	h.Offset, h.Length, h.End = int32(from), 0, int32(end)
	if !s.quoted {
		s.h.layers |= 1 << layer
	}
	return h
}

// blame notes what is wrong with a header.
func (s *scanner) blame(h *Header, f Fault) {
	h.Fault = f
	s.h.faulty = s.h.faulty || !h.Quoted
}

// header takes the next header. It reports false where nothing more can be told.
func (s *scanner) header() bool {
	l, here := layouts[s.layer], s.rest
	h := s.add(s.layer, s.at, s.end)
	length := l.fixed
	if l.conditional && len(here) >= l.fixed {
		length = l.size(here)
	}
	if len(here) < length {
		s.blame(h, ShortHeader)
		s.consume(h, len(here))
		return false
	}
	switch {
	case l.header.width > 0:
		length = s.stated(h, length, l.header.read(here), len(here))
	case l.tail == dnsRecords || l.tail == ndOptions && isND(here):
		length = len(here)
	}
	s.consume(h, length)
	switch {
	case l.extent.width > 0:
		s.content(h, l, here)
	case l.layer == Ethernet:
		s.lengthOf8023(here)
	}
	if h.Fault != NoFault && h.Fault != ShortHeader && h.Fault != LongContent {
		return false
	}
	return s.follow(h, l, here)
}

// consume makes the next bytes those of the header.
func (s *scanner) consume(h *Header, length int) {
	h.Length = int32(length)
	s.at += length
	s.rest = s.rest[length:]
}

// stated returns the header's length as its length field says, or as far as it goes.
func (s *scanner) stated(h *Header, least, length, there int) int {
	switch {
	case length < least:
		s.blame(h, ShortLength)
		return least
	case length <= there:
		return length
	case s.at+length > s.end:
		s.blame(h, LongHeader)
	default: // cut by the capture
		s.blame(h, ShortHeader)
	}
	return there
}

// content narrows the end to what the header's length field says.
func (s *scanner) content(h *Header, l *layout, here []byte) {
	value := l.extent.raw(here)
	if l.version != 0 {
		switch {
		case h.Fault == NoFault && here[0]>>4 != l.version:
			s.blame(h, WrongVersion)
			return
		case value == 0: // as in packets that a device is yet to cut into segments
			h.FromFrame = true
			return
		}
	}
	end := int(h.Offset) + l.extent.bytes(value)
	switch {
	case end < s.at && h.Fault == NoFault:
		s.blame(h, ShortContent)
	case end > s.end:
		if h.Fault == NoFault && !s.fragment {
			s.blame(h, LongContent)
		}
		s.fragment = s.fragment || s.layer != UDP // what was sent is not all here
	case h.Fault == NoFault:
		s.narrow(end)
		h.End = int32(end)
	}
}

// narrow moves the end, and remembers what lies behind it.
func (s *scanner) narrow(end int) {
	if end >= s.end {
		return
	}
	if s.gapCount < len(s.gaps) {
		s.gaps[s.gapCount] = [2]int32{int32(end), int32(s.end)}
		s.gapCount++
	}
	s.end = end
	s.rest = s.rest[:min(len(s.rest), end-s.at)]
}

// lengthOf8023 narrows a frame whose type field is a length.
func (s *scanner) lengthOf8023(here []byte) {
	if length := int(binary.BigEndian.Uint16(here[12:])); length < 0x600 && s.at+length <= s.end {
		s.narrow(s.at + length)
	}
}

// follow decides which layer comes next.
func (s *scanner) follow(h *Header, l *layout, here []byte) bool {
	switch l.next {
	case noSpace:
		s.layer = Data
		if quotes(l.layer, here) {
			s.quoted, s.layer, s.fragment = true, quotedLayer(s.rest), false
		}
	case onlyEthernet:
		s.layer = Ethernet
	case udpPorts:
		s.layer = Data
		if !s.quoted && !s.fragment {
			s.layer = guess(here, s.rest)
		}
	default:
		s.layer = layerIn(l.above, l.number.raw(here))
		s.fragments(l, here)
	}
	return len(s.rest) > 0 || s.layer != Data && s.at < s.end
}

// fragments notes what the fragment fields of IP say.
func (s *scanner) fragments(l *layout, here []byte) {
	var offset, more uint16
	switch l.layer {
	case IPv4:
		word := binary.BigEndian.Uint16(here[6:])
		offset, more = word&0x1fff, word&0x2000
	case Fragment:
		word := binary.BigEndian.Uint16(here[2:])
		offset, more = word>>3, word&1
	case GRE:
		if here[0]&0x40 != 0 { // a list of routes of unknown length
			s.layer = Data
		}
		return
	default:
		return
	}
	s.fragment = s.fragment || offset != 0 || more != 0
	if offset != 0 {
		s.layer = Data
	}
}

// finish adds what is left: data, and what lies behind the lengths, inner first.
func (s *scanner) finish() {
	if len(s.rest) > 0 {
		s.remains(Data, s.at, s.end)
	}
	for i := s.gapCount - 1; i >= 0; i-- {
		if gap := s.gaps[i]; int(gap[0]) < len(s.frame) {
			s.remains(Trailer, int(gap[0]), int(gap[1]))
		}
	}
}

func (s *scanner) remains(layer Layer, from, end int) {
	if s.h.N < MaxHeaders {
		s.add(layer, from, end).Length = int32(min(end, len(s.frame)) - from)
	}
}

// quotes reports whether the message carries the datagram that caused it.
func quotes(layer Layer, here []byte) bool {
	switch layer {
	case ICMP:
		t := here[0]
		return t == 3 || t == 4 || t == 5 || t == 11 || t == 12
	case ICMPv6:
		return here[0] >= 1 && here[0] <= 4
	}
	return false
}

// quotedLayer returns the layer that quoted bytes begin with.
func quotedLayer(rest []byte) Layer {
	if len(rest) >= 40 && rest[0]>>4 == 6 {
		return IPv6
	}
	if len(rest) >= 20 && rest[0]>>4 == 4 {
		return IPv4
	}
	return Data
}

// isND reports whether an ICMPv6 message belongs to neighbour discovery, which
// ends with options.
func isND(here []byte) bool { return here[0] >= 133 && here[0] <= 137 }
