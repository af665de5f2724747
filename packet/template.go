package packet

import (
	"encoding/binary"
	"fmt"
)

// A Template makes the frames of a Spec. The frame is laid out once, from the
// outer layers to the inner; what varies and the checksums, from the inner layers
// to the outer, are written for each frame.
type Template struct {
	base    []byte
	link    LinkType
	seed    uint64
	headers []Header
	parts   []part
	moving  []moving
	sums    []sumPlan
	patches []patchAt
	spans   []span
	// recompute is set where a varying field changes what a checksum covers.
	recompute bool
}

// A moving field varies from frame to frame.
type moving struct {
	vary  *vary
	field *field
	key   uint64
	part  int
	bit   int // in the frame
	at    int // in bytes, if it is whole bytes
	size  int // in bytes: 2, 4 or 8; 0: any other number of bits
	sums  []changed
}

// A sumPlan is one checksum that is computed for each frame.
type sumPlan struct {
	part  int
	at    int
	none  bool // 0 is written as ffff
	mode  mode
	delta int64
	cover coverage
	fixed uint64 // sum of what never changes
	still bool   // all of it
	sums  []changed
}

// A changed is a checksum into which a moving field, or an inner checksum, enters.
type changed struct {
	index uint8 // in sums
	shift uint8 // bits to the left that align it with 16-bit words
}

type patchAt struct {
	at    int
	bytes []byte
}

// A span says who set which bits of the frame.
type span struct {
	bit, bits int
	origin    Origin
	part      int
	field     *field
}

// Compile lays the packet out. Call Complete before. The Spec must not change
// while the Template is in use. Mistakes that show only here, such as a field that
// the message does not have, have their place.
func (s *Spec) Compile() (*Template, error) {
	t := &Template{
		seed: s.Seed, parts: s.parts, base: make([]byte, 0, 256),
		headers: make([]Header, 0, len(s.parts)), spans: make([]span, 0, 16*len(s.parts)),
	}
	if len(s.parts) == 0 {
		return nil, fmt.Errorf("packet: there are no layers")
	}
	t.link = linkOf(s.parts[0].layer)
	for i := range t.parts {
		if err := t.layOut(i); err != nil {
			return nil, err
		}
		if len(t.base) > MaxPacket {
			return nil, fmt.Errorf("packet: it has more than %d bytes", MaxPacket)
		}
	}
	t.close()
	for i := len(t.parts) - 1; i >= 0; i-- {
		if err := t.compute(i); err != nil {
			return nil, err
		}
	}
	if err := t.placePatches(s.patches); err != nil {
		return nil, err
	}
	t.plan()
	t.base = t.compose(nil, 0, 0)
	t.base = t.base[:len(t.base):len(t.base)]
	return t, nil
}

// layOut appends a part to the frame, with all that is not computed.
func (t *Template) layOut(i int) error {
	p := &t.parts[i]
	offset := len(t.base)
	if p.layer == File && p.body == nil {
		return p.where.fail("the content of %s was not handed over", p.file)
	}
	if payload(p.layer) && p.layer != Struct && p.layer != Counter && p.layer != Time {
		t.base = append(t.base, p.content(t.seed, i)...)
		t.span(offset*8, (len(t.base)-offset)*8, p.origin, i, nil)
	} else if err := t.layOutFields(i, offset); err != nil {
		return err
	}
	t.headers = append(t.headers, Header{Layer: p.layer, Offset: int32(offset), Length: int32(len(t.base) - offset)})
	return nil
}

// content returns the bytes of a payload without fields.
func (p *part) content(seed uint64, index int) []byte {
	switch p.layer {
	case Zero:
		return make([]byte, p.size)
	case Random:
		b := make([]byte, p.size, p.size+8)
		for i := 0; i < p.size; i += 8 {
			binary.LittleEndian.PutUint64(b[i:i+8:i+8], mix(seed^uint64(index)<<32^uint64(i)))
		}
		return b[:p.size]
	}
	return p.body
}

// layOutFields writes the fields of a header and its tail.
func (t *Template) layOutFields(i, offset int) error {
	p := &t.parts[i]
	header := make([]byte, p.room())
	p.fill(header) // conditions look at fields that always come first
	size := p.layout.size(header)
	fields := p.layout.place(header, make([]placed, 0, 32))
	for _, f := range fields {
		t.write(header, i, offset, f)
	}
	for j := range p.set {
		a := &p.set[j]
		if a.mode == varying && p.layout.decides(a.field) {
			return a.where.fail("%s cannot vary: which fields %s has depends on it", a.field.name, p.name)
		}
		if !has(fields, a.field) {
			return a.where.fail("%s has no %s unless it has %s", p.name, a.field.name, p.layout.needs(a.field))
		}
	}
	t.base = append(t.base, header[:size]...)
	padded := p.layout.tail.pad(p.tail[:len(p.tail):len(p.tail)], size)
	if p.layout.tail == ndOptions && !isND(header) {
		padded = p.tail // none, or data that follows
	}
	t.base = append(t.base, padded...)
	t.span((offset+size)*8, len(p.tail)*8, ByUser, i, nil)
	t.span((offset+size+len(p.tail))*8, (len(padded)-len(p.tail))*8, ByComputed, i, nil)
	return nil
}

// decides reports whether which fields there are depends on f. The fields of ICMP
// all have one place, whatever the type.
func (l *layout) decides(f *field) bool {
	if l.layer == ICMP || f.when.mask != 0 {
		return false
	}
	for i := range l.fields {
		c := &l.fields[i].when
		if f.bit < 8*c.at+16 && f.bit+f.bits > 8*c.at && getBits([]byte{byte(c.mask >> 8), byte(c.mask)}, f.bit-8*c.at, f.bits).lo != 0 {
			return true
		}
	}
	return false
}

// room is enough for all fields.
func (p *part) room() int {
	bits := 0
	for i := range p.layout.fields {
		bits += p.layout.fields[i].bits
	}
	return bits/8 + 2
}

// fill writes what conditions may look at.
func (p *part) fill(header []byte) {
	for i := range p.layout.fields {
		f := &p.layout.fields[i]
		if f.when.mask != 0 {
			return
		}
		v, _ := p.initial(f)
		putBits(header, f.bit, f.bits, v)
	}
}

// initial returns the value of a field before what is computed of the rest.
func (p *part) initial(f *field) (wide, Origin) {
	a := p.find(f)
	switch {
	case a == nil && f.by == presence:
		return wide{lo: p.present(f)}, ByComputed
	case a == nil && f.by != given:
		return wide{}, ByComputed
	case a == nil:
		return wide{lo: f.value}, ByDefault
	case a.mode == exact:
		return a.value, a.origin
	case a.mode == varying && a.vary.how == list:
		return a.vary.list[0], a.origin
	case a.mode == varying:
		return a.vary.from, a.origin
	case a.mode == zero:
		return wide{}, a.origin
	case f.by == presence:
		return wide{lo: p.present(f)}.add(uint64(a.delta)), a.origin
	}
	return wide{lo: f.value}.add(uint64(a.delta)), a.origin
}

// present returns the flags of GRE for the optional fields that were set.
func (p *part) present(f *field) uint64 {
	var bits uint64
	for i := range p.set {
		switch p.set[i].field.name {
		case "csum", "offset":
			bits |= 16
		case "key":
			bits |= 4
		case "seq":
			bits |= 2
		case "ack":
			if f.name == "a" {
				return 1
			}
		}
	}
	if f.name == "a" {
		return 0
	}
	return bits
}

func has(fields []placed, f *field) bool {
	for i := range fields {
		if fields[i].field == f {
			return true
		}
	}
	return false
}

// write puts a field's first value into the header and notes who set it.
func (t *Template) write(header []byte, i, offset int, f placed) {
	p := &t.parts[i]
	v, origin := p.initial(f.field)
	putBits(header, f.bit, f.bits, v)
	t.span(offset*8+f.bit, f.bits, origin, i, f.field)
	if a := p.find(f.field); a != nil && a.mode == varying {
		m := moving{vary: a.vary, field: f.field, key: mix(t.seed + mix(uint64(len(t.moving)))), part: i, bit: offset*8 + f.bit}
		if m.at = m.bit / 8; m.bit%8 == 0 && (f.bits == 16 || f.bits == 32 || f.bits == 64) {
			m.size = f.bits / 8
		}
		t.moving = append(t.moving, m)
	}
}

func (t *Template) span(bit, bits int, origin Origin, part int, f *field) {
	if bits > 0 {
		t.spans = append(t.spans, span{bit, bits, origin, part, f})
	}
}

// close sets where each layer's content ends: at the end of the frame, or before
// its trailer.
func (t *Template) close() {
	end := int32(len(t.base))
	if last := &t.headers[len(t.headers)-1]; last.Layer == Trailer {
		end = last.Offset
	}
	for i := range t.headers {
		t.headers[i].End = end
		if h := &t.headers[i]; payload(h.Layer) {
			h.End = h.Offset + h.Length
		}
	}
}

// compute writes the fields of a part that follow from the rest, checksums apart.
func (t *Template) compute(i int) error {
	p, h := &t.parts[i], &t.headers[i]
	header := t.base[h.Offset : h.Offset+h.Length]
	for _, f := range p.layout.place(header, make([]placed, 0, 32)) {
		if f.by == given || f.by == presence || f.by == checksum {
			continue
		}
		right := t.right(i, f.field)
		a := p.find(f.field)
		if a == nil {
			a = &assignment{mode: automatic}
		}
		if a.mode == automatic && a.delta == 0 && most(f.bits).lo < right {
			return p.where.fail("the %s of %s would be %d, and the field holds %d at most: set %s or shorten the packet",
				f.name, p.name, right, most(f.bits).lo, f.name)
		}
		switch a.mode {
		case automatic:
			putBits(header, f.bit, f.bits, wide{lo: right + uint64(a.delta)})
		case bad:
			putBits(header, f.bit, f.bits, wide{lo: right + 1})
		}
	}
	return nil
}

// right returns what a computed field should hold.
func (t *Template) right(i int, f *field) uint64 {
	h := &t.headers[i]
	switch f.by {
	case headerLength:
		return uint64((int(h.Length) - f.add) / f.unit)
	case totalLength:
		return uint64(h.End - h.Offset)
	case payloadLength:
		return uint64(int(h.End-h.Offset-h.Length) - f.add)
	case nextNumber:
		next := Data
		if i+1 < len(t.parts) {
			next = t.parts[i+1].layer
		}
		if next == Data && h.Layer == Loopback {
			next = IPv4
		}
		return uint64(numberOfLayer(t.parts[i].layout.next, next))
	case lastEntry:
		return uint64(max(int(h.Length)-8, 16)/16 - 1)
	case recordCount:
		return uint64(t.parts[i].counts[recordSection(f)])
	}
	return 0
}

// placePatches finds where the patches go.
func (t *Template) placePatches(patches []patch) error {
	for _, p := range patches {
		start, nth := 0, p.nth
		for i := range t.headers {
			if p.layer != NoLayer && t.headers[i].Layer == p.layer {
				if nth--; nth == 0 {
					start = int(t.headers[i].Offset)
				}
			}
		}
		at := start + p.offset
		switch {
		case p.layer != NoLayer && nth > 0:
			return p.where.fail("the packet has no layer %v of that number", p.layer)
		case at+len(p.bytes) > len(t.base):
			return p.where.fail("the patch ends at byte %d, and the packet has %d", at+len(p.bytes), len(t.base))
		}
		t.patches = append(t.patches, patchAt{at, p.bytes})
		t.span(at*8, len(p.bytes)*8, ByPatch, 0, nil)
	}
	return nil
}

// Link returns the link type of the frames.
func (t *Template) Link() LinkType { return t.link }

// Len returns the length of each frame in bytes.
func (t *Template) Len() int { return len(t.base) }
