package packet

import (
	"bytes"
	"slices"
)

// SpecOf describes a frame so that building the description makes the frame
// again, byte for byte. What building would find by itself is left out.
func SpecOf(frame []byte, h *Headers) *Spec {
	s := &Spec{}
	end := len(frame)
	if at, ok := trailerOf(h); ok {
		end = at
	}
	at := 0
	for _, one := range h.All() {
		p, length, ok := partOf(frame, one)
		if !ok {
			break
		}
		s.parts = append(s.parts, p)
		if at = int(one.Offset) + length; length < int(one.Length) {
			break
		}
	}
	if at < end || len(s.parts) == 0 {
		s.parts = append(s.parts, contentPart(frame[at:end]))
	}
	if end < len(frame) {
		s.parts = append(s.parts, part{layout: layouts[Trailer], body: frame[end:], origin: ByUser})
	}
	if s.pin(frame) {
		return s
	}
	return &Spec{parts: []part{{layout: layouts[Hex], body: slices.Clone(frame), origin: ByUser}}}
}

// trailerOf returns where the trailer of the link begins, behind the end of the
// outermost datagram.
func trailerOf(h *Headers) (int, bool) {
	last := h.List[max(h.N-1, 0)]
	if last.Layer != Trailer {
		return 0, false
	}
	for _, one := range h.All() {
		if one.Layer != Ethernet && one.End == last.Offset {
			return int(last.Offset), one.Layer == IPv4 || one.Layer == IPv6
		}
		if one.Layer == IPv4 || one.Layer == IPv6 {
			return 0, false
		}
	}
	return 0, false
}

// partOf describes a header with all its fields that are not what a new one
// would have. It returns the length that the part makes, and false for content.
func partOf(frame []byte, h Header) (p part, length int, ok bool) {
	if payload(h.Layer) || h.Fault == ShortHeader {
		return p, 0, false
	}
	l := layouts[h.Layer]
	b := frame[h.Offset : h.Offset+h.Length]
	size := l.size(b)
	if len(b) < size {
		return p, 0, false
	}
	p = part{layout: l, origin: ByUser}
	for _, f := range l.place(b, make([]placed, 0, 32)) {
		v := getBits(b, f.bit, f.bits)
		optional := f.when.any // it is there because somebody set it
		switch {
		case f.by == checksum && optional:
			p.set = append(p.set, assignment{field: f.field, mode: automatic, origin: ByUser})
		case f.by == given && (optional || v != (wide{lo: f.value})):
			p.set = append(p.set, assignment{field: f.field, value: v, origin: ByUser})
		}
	}
	length = len(b)
	if l.tail == noTail {
		return p, size, true
	}
	length -= (length - size) % l.tail.unit()
	if unit := l.tail.unit(); size%unit != 0 {
		length = len(b) - len(b)%unit
	}
	length = max(length, size)
	p.tail = slices.Clone(b[size:length])
	if l.tail == dnsRecords {
		p.countRecords(b)
	}
	return p, length, true
}

// countRecords counts the records of a message as reading its description would.
func (p *part) countRecords(message []byte) {
	again := part{layout: p.layout}
	for _, pair := range describeRecords(message) {
		if again.assignRecords(pair.key, pair.value) != nil {
			return
		}
	}
	p.counts = again.counts
}

// contentPart describes content as text, or as bytes where it is none.
func contentPart(b []byte) part {
	p := part{layout: layouts[Hex], body: slices.Clone(b), origin: ByUser}
	for i, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c >= 0x7f || i == 0 && c == '-' {
			return p
		}
	}
	if len(b) > 0 {
		p.layout = layouts[Text]
	}
	return p
}

// pin sets those fields that would come out otherwise than the frame has them. It
// reports whether the description makes the frame then.
func (s *Spec) pin(frame []byte) bool {
	for range 2*len(s.parts) + 4 {
		whole := &Spec{parts: slices.Clone(s.parts)}
		for i := range whole.parts {
			whole.parts[i].set = slices.Clone(s.parts[i].set)
		}
		whole.Complete(false)
		t, err := whole.Compile()
		if err != nil {
			if !s.pinLengths(frame) {
				return false
			}
			continue
		}
		made := t.Append(nil, 0, 0)
		if bytes.Equal(made, frame) {
			return true
		}
		if len(made) != len(frame) || len(t.headers) != len(s.parts) || !s.pinDifferent(t, made, frame) {
			return false
		}
	}
	return false
}

// pinDifferent sets all fields that differ, or, where only checksums do, the
// innermost of those: the outer ones cover it.
func (s *Spec) pinDifferent(t *Template, made, frame []byte) bool {
	pinned := false
	for _, sums := range []bool{false, true} {
		for i := len(s.parts) - 1; i >= 0; i-- {
			if pinned && sums {
				return true
			}
			pinned = s.pinPart(i, t, made, frame, sums) || pinned
		}
	}
	return pinned
}

func (s *Spec) pinPart(i int, t *Template, made, frame []byte, sums bool) bool {
	h := t.headers[i]
	pinned := false
	for _, f := range s.parts[i].layout.place(made[h.Offset:h.Offset+h.Length], make([]placed, 0, 32)) {
		bit := int(h.Offset)*8 + f.bit
		want := getBits(frame, bit, f.bits)
		if (f.by == checksum) != sums || want == getBits(made, bit, f.bits) || s.parts[i].isExact(f.field) {
			continue
		}
		s.parts[i].pinField(f.field, want)
		pinned = true
	}
	return pinned
}

func (p *part) isExact(f *field) bool {
	a := p.find(f)
	return a != nil && a.mode == exact
}

func (p *part) pinField(f *field, v wide) {
	if a := p.find(f); a != nil {
		a.mode, a.value = exact, v
		return
	}
	p.set = append(p.set, assignment{field: f, value: v, origin: ByUser})
}

// pinLengths sets the lengths that building cannot find, as of super-packets.
func (s *Spec) pinLengths(frame []byte) bool {
	at, pinned := 0, false
	for i := range s.parts {
		p := &s.parts[i]
		size := 0
		if !payload(p.layer) {
			size = p.layout.size(frame[at:])
		}
		for _, f := range p.layout.place(frame[at:], make([]placed, 0, 32)) {
			if (f.by == totalLength || f.by == payloadLength || f.by == headerLength) && p.find(f.field) == nil {
				p.set = append(p.set, assignment{field: f.field, value: getBits(frame, at*8+f.bit, f.bits), origin: ByUser})
				pinned = true
			}
		}
		at += size + len(p.tail) + len(p.body)
	}
	return pinned
}
