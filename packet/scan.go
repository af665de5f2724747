package packet

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

	short head        // of a header that is shorter than that
	gaps  [8][2]int32 // behind length fields, inner ones last
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
	s.h, s.frame, s.there, s.end = h, frame, len(frame), original
	layer := firstLayer(link, frame)
	for layer != Data && h.N < MaxHeaders-3 {
		h.N++
		layer = s.header(&h.List[h.N-1], layer)
	}
	if last := &h.List[max(h.N-1, 0)]; layer != Data && last.Fault == NoFault {
		last.Fault = TooManyHeader
		s.blame(last)
	}
	s.finish()
}

// A scanner is the state of one walk over a frame. Its gaps are the bytes behind
// a length field, innermost last.
type scanner struct {
	h        *Headers
	frame    []byte
	at, end  int // what is left for the next layer
	there    int // the end of what was captured of it
	quoted   bool
	fragment bool
	gapCount int
}

// rest returns what was captured of what is left for the next layer.
func (s *scanner) rest() []byte { return s.frame[s.at:s.there] }

// begin makes h the header of what reaches from one place to another.
func (s *scanner) begin(h *Header, layer Layer, from, end int) {
	h.Layer, h.Fault, h.Quoted, h.Partial, h.FromFrame = layer, NoFault, s.quoted, s.fragment, false
	h.Offset, h.Length, h.End = int32(from), 0, int32(end)
	if !s.quoted {
		s.h.layers |= 1 << (layer & 63)
	}
}

// blame remembers that a header has a fault, and reports whether nothing behind it can be
// told.
func (s *scanner) blame(h *Header) bool {
	s.h.faulty = s.h.faulty || !h.Quoted
	return h.Fault != ShortHeader && h.Fault != LongContent
}

// header takes the next header. It returns the layer that follows, Data where nothing
// more can be told.
func (s *scanner) header(h *Header, layer Layer) (next Layer) {
	s.begin(h, layer, s.at, s.end)
	l, here := layouts[layer], s.rest()
	var first *head
	if len(here) >= len(first) {
		first = (*head)(here)
	} else {
		s.h.short = head{}
		copy(s.h.short[:], here)
		first = &s.h.short
	}
	length := int(l.lengths[first[l.lengthAt&15]])
	if uint(length-1) >= uint(len(here)) { // not told, or more than there is
		if length = s.length(h, l, here, first); length < l.fixed {
			s.blame(h)
			return Data
		}
	}
	h.Length = int32(length)
	s.at += length
	if l.extent.mask != 0 {
		value := l.extent.raw(first)
		if end := int(h.Offset) + l.extent.bytes(value); end != s.end || value == 0 || first[0]&l.nibble != l.version<<4 {
			s.content(h, l, first, value, end)
		}
	}
	if h.Fault != NoFault && s.blame(h) {
		return Data
	}
	if next = s.follow(l, first); s.at < s.end {
		return next
	}
	return Data
}

// length finds the length of a header where one byte does not tell it, or tells what is
// wrong.
func (s *scanner) length(h *Header, l *layout, here []byte, first *head) int {
	least := l.fixed
	if len(here) >= l.fixed {
		least = l.size(here)
	}
	length := least
	switch {
	case len(here) < least:
		h.Fault = ShortHeader
		s.consume(h, len(here))
		return 0
	case l.header.mask != 0:
		length = l.header.read(first)
	case l.open && (l.layer == DNS || isND(here)):
		length = len(here)
	}
	switch {
	case length < least:
		h.Fault = ShortLength
		return least
	case length <= len(here):
		return length
	case s.at+length > s.end:
		h.Fault = LongHeader
	default: // cut by the capture
		h.Fault = ShortHeader
	}
	return len(here)
}

// consume makes the next bytes those of the header.
func (s *scanner) consume(h *Header, length int) {
	h.Length = int32(length)
	s.at += length
}

// content narrows the end to what the header's length field says.
func (s *scanner) content(h *Header, l *layout, first *head, value uint16, end int) {
	if l.version != 0 {
		switch {
		case h.Fault == NoFault && first[0]>>4 != l.version:
			h.Fault = WrongVersion
			return
		case value == 0: // as in packets that a device is yet to cut into segments
			h.FromFrame = true
			return
		}
	}
	switch {
	case end == s.end:
	case end < s.at && h.Fault == NoFault:
		h.Fault = ShortContent
	case end > s.end:
		if h.Fault == NoFault && !s.fragment {
			h.Fault = LongContent
		}
		s.fragment = s.fragment || l.layer != UDP // what was sent is not all here
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
	if s.gapCount < len(s.h.gaps) {
		s.h.gaps[s.gapCount] = [2]int32{int32(end), int32(s.end)}
		s.gapCount++
	}
	s.end = end
	s.there = min(s.there, end)
}

// follow decides which layer comes next, if there is more.
func (s *scanner) follow(l *layout, first *head) Layer {
	switch l.next {
	case noSpace:
		if quotes(l.layer, first[0]) {
			s.quoted, s.fragment = true, false
			return quotedLayer(s.rest())
		}
		return Data
	case onlyEthernet:
		return Ethernet
	case udpPorts:
		if s.quoted || s.fragment {
			return Data
		}
		return guess(first.word(0), first.word(2), s.rest())
	case loopbackFamilies:
		return layerIn(l.above, uint32(first.word(0))<<16|uint32(first.word(2)))
	}
	number := l.number.raw(first)
	next := layerIn(l.above, uint32(number))
	if next == Data && l.layer == Ethernet && number < 0x600 { // the length of IEEE 802.3
		s.narrow(s.at + int(number))
	}
	if word := first.word(l.pieces.at); word&l.pieces.any != 0 {
		s.fragment = true
		if word&l.pieces.offset != 0 {
			return Data
		}
	}
	if l.layer == GRE && first[0]&0x40 != 0 { // a list of routes of unknown length
		return Data
	}
	return next
}

// finish adds what is left: data, and what lies behind the lengths, inner first.
func (s *scanner) finish() {
	if s.at < s.there {
		s.remains(Data, s.at, s.end)
	}
	for i := s.gapCount - 1; i >= 0; i-- {
		if gap := s.h.gaps[i]; int(gap[0]) < len(s.frame) {
			s.remains(Trailer, int(gap[0]), int(gap[1]))
		}
	}
}

func (s *scanner) remains(layer Layer, from, end int) {
	if s.h.N < MaxHeaders {
		h := &s.h.List[s.h.N]
		s.h.N++
		s.begin(h, layer, from, end)
		h.Length = int32(min(end, len(s.frame)) - from)
	}
}

// quotes reports whether a message of the type carries the datagram that caused it.
func quotes(layer Layer, kind byte) bool {
	switch layer {
	case ICMP:
		return kind >= 3 && kind <= 5 || kind == 11 || kind == 12
	case ICMPv6:
		return kind >= 1 && kind <= 4
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
