package packet

import (
	"encoding/binary"
	"slices"
)

// plan decides how each checksum is computed, inner ones first.
func (t *Template) plan() {
	for i := len(t.parts) - 1; i >= 0; i-- {
		p, h := &t.parts[i], &t.headers[i]
		f := p.layout.checksumField()
		if f == nil || f.bit/8+2 > int(h.Length) || h.Layer == GRE && t.base[h.Offset]&0xc0 == 0 {
			continue
		}
		a := p.find(f)
		if a == nil {
			a = &assignment{mode: automatic}
		}
		if a.mode != automatic && a.mode != bad {
			continue
		}
		plan := sumPlan{part: i, at: int(h.Offset) + f.bit/8, none: h.Layer == UDP, mode: a.mode, delta: a.delta}
		t.sums = append(t.sums, plan)
	}
	for i := range t.sums {
		t.planOne(i)
	}
}

func (l *layout) checksumField() *field {
	for i := range l.fields {
		if l.fields[i].by == checksum {
			return &l.fields[i]
		}
	}
	return nil
}

// planOne sums up what never changes of one checksum's coverage and lists the rest.
func (t *Template) planOne(i int) {
	plan := &t.sums[i]
	plan.cover.find(t.base, t.headers, plan.part)
	still := slices.Clone(t.base)
	plan.still = true
	for j := range t.moving {
		m := &t.moving[j]
		putBits(still, m.bit, m.field.bits, wide{})
		t.recompute = plan.cover.changes(&m.sums, i, m.bit, m.field.bits) || t.changesCoverage(m) || t.recompute
		plan.still = plan.still && !feeds(m.sums, i)
	}
	for j := range t.sums[:i] {
		inner := &t.sums[j]
		if inner.still {
			continue // it is written already, once for all frames
		}
		binary.BigEndian.PutUint16(still[inner.at:], 0)
		t.recompute = plan.cover.changes(&inner.sums, i, inner.at*8, 16) || t.recompute
		plan.still = plan.still && !feeds(inner.sums, i)
	}
	plan.fixed = uint64(plan.cover.rest(still))
	if plan.still {
		plan.write(t.base, &plan.cover, uint16(plan.fixed))
	}
}

// feeds reports whether the checksum of that index is among those that change.
func feeds(sums []changed, index int) bool {
	return slices.ContainsFunc(sums, func(c changed) bool { return int(c.index) == index })
}

// changesCoverage reports whether the field decides what a checksum is the sum of.
func (t *Template) changesCoverage(m *moving) bool {
	switch t.parts[m.part].layer {
	case UDP:
		return m.field.by == totalLength
	case Routing:
		return true
	case GRE:
		return m.field.by == presence
	}
	return false
}

// changes appends to sums where so many bits of the frame enter the checksum of that
// index, which covers c. It reports true if only a part of them does.
func (c *coverage) changes(sums *[]changed, index, bit, width int) (cut bool) {
	ranges := [][2]int{{c.from, c.to}, {c.src, c.src + c.address}, {c.dst, c.dst + c.address}}
	if !c.pseudo {
		ranges = ranges[:1]
	}
	for _, r := range ranges {
		from, to := r[0]*8, r[1]*8
		switch {
		case bit >= from && bit+width <= to:
			*sums = append(*sums, changed{index: uint8(index), shift: uint8((16 - (bit+width-from)%16) % 16)})
		case bit < to && bit+width > from:
			cut = true
		}
	}
	return cut
}

// Append appends the nth frame to dst, n from 0, and returns the longer slice. It
// computes everything anew. now is what "time" holds, in ns since 1970.
func (t *Template) Append(dst []byte, n uint64, now int64) []byte {
	start := len(dst)
	dst = t.compose(dst, n, now)
	t.patch(dst[start:])
	return dst
}

// compose is Append without the patches.
func (t *Template) compose(dst []byte, n uint64, now int64) []byte {
	start := len(dst)
	dst = append(dst, t.base...)
	frame := dst[start:]
	for i := range t.moving {
		m := &t.moving[i]
		putBits(frame, m.bit, m.field.bits, m.vary.at(n, m.key, now))
	}
	for i := range t.sums {
		plan := &t.sums[i]
		c := plan.cover
		if t.recompute {
			c = coverage{}
			c.find(frame, t.headers, plan.part)
		}
		plan.write(frame, &c, c.rest(frame))
	}
	return dst
}

// fillFrames is how many frames a Filler has under way.
const fillFrames = 64

// A Filler writes frames of a Template, many at a time: each step of the work for all of
// them before the next. It belongs to one goroutine.
type Filler struct {
	template *Template
	values   [fillFrames]uint64
	rests    [][fillFrames]uint64 // of each checksum: the sum of what it covers
}

// Filler returns a new Filler of the Template.
func (t *Template) Filler() *Filler {
	return &Filler{template: t, rests: make([][fillFrames]uint64, len(t.sums))}
}

// Fill writes count frames from the nth on into memory, one every stride bytes, which
// are at least Len. They are those of Append, whatever memory held before. Only what
// varies is computed, the checksums from what changed (RFC 1624); it allocates nothing.
func (f *Filler) Fill(memory []byte, stride int, n uint64, count int, now int64) {
	for count > 0 {
		some := min(count, fillFrames)
		f.fill(memory, stride, n, some, now)
		memory, n, count = memory[min(some*stride, len(memory)):], n+uint64(some), count-some
	}
}

func (f *Filler) fill(memory []byte, stride int, n uint64, count int, now int64) {
	t := f.template
	if t.recompute {
		for i := range count {
			t.Append(memory[i*stride:][:0], n+uint64(i), now)
		}
		return
	}
	for i := range count {
		copy(memory[i*stride:], t.base)
	}
	for i := range t.sums {
		for j := range count {
			f.rests[i][j] = t.sums[i].fixed
		}
	}
	for i := range t.moving {
		t.moving[i].put(memory, stride, f.values[:count], n, now)
		f.add(t.moving[i].sums, f.values[:count])
	}
	for i := range t.sums {
		if plan := &t.sums[i]; !plan.still {
			plan.put(memory, stride, f.rests[i][:count])
			f.add(plan.sums, f.rests[i][:count])
		}
	}
	for i := 0; i < count && len(t.patches) > 0; i++ {
		t.patch(memory[i*stride:])
	}
}

// add adds what changed to the checksums that cover it.
func (f *Filler) add(to []changed, values []uint64) {
	for _, c := range to {
		rests := f.rests[c.index][:len(values)]
		for i, v := range values {
			rests[i] += v << (c.shift % 16)
		}
	}
}

// put writes the values from the nth on, one every stride bytes, and leaves in values
// numbers of 33 bits at most that add to a sum of 16-bit words what they do.
func (m *moving) put(memory []byte, stride int, values []uint64, n uint64, now int64) {
	at := m.at
	if m.size > 0 {
		m.vary.series(values, n, m.key, now)
	}
	switch m.size {
	case 2:
		for i, v := range values {
			binary.BigEndian.PutUint16(memory[at:], uint16(v))
			values[i], at = v&0xffff, at+stride
		}
	case 4:
		for i, v := range values {
			binary.BigEndian.PutUint32(memory[at:], uint32(v))
			values[i], at = v&0xffffffff, at+stride
		}
	case 8:
		for i, v := range values {
			binary.BigEndian.PutUint64(memory[at:], v)
			values[i], at = v>>32+v&0xffffffff, at+stride
		}
	default:
		for i := range values {
			v := m.vary.at(n+uint64(i), m.key, now).cut(m.field.bits)
			putBits(memory[i*stride:], m.bit, m.field.bits, v)
			values[i] = uint64(fold(v.hi)) + uint64(fold(v.lo))
		}
	}
}

// put writes the checksums for sums, one every stride bytes, and leaves them there.
func (p *sumPlan) put(memory []byte, stride int, sums []uint64) {
	usual := p.mode == automatic && p.delta == 0
	at := p.at
	for i, sum := range sums {
		rest := fold(sum)
		if right := ^rest; usual && right != 0 {
			binary.BigEndian.PutUint16(memory[at:], right)
			sums[i] = uint64(right)
		} else {
			sums[i] = uint64(p.write(memory[i*stride:], &p.cover, rest))
		}
		at += stride
	}
}

// write puts the checksum for a sum into the frame and returns it.
func (p *sumPlan) write(frame []byte, c *coverage, rest uint16) uint16 {
	right := complement(rest, p.none)
	switch p.mode {
	case automatic:
		right += uint16(p.delta)
	case bad:
		right = p.wrong(frame, c, right)
	}
	binary.BigEndian.PutUint16(frame[p.at:], right)
	return right
}

// wrong returns a checksum that no receiver takes for right, absent or partial.
func (p *sumPlan) wrong(frame []byte, c *coverage, right uint16) uint16 {
	for v := right + 1; ; v++ {
		if v != 0 && v != 0xffff && v != right && !(c.pseudo && isPartial(frame, c, v)) {
			return v
		}
	}
}

func (t *Template) patch(frame []byte) {
	for i := range t.patches {
		copy(frame[t.patches[i].at:], t.patches[i].bytes)
	}
}
