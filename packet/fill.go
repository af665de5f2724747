package packet

import (
	"encoding/binary"
	"math/bits"
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
	for j := range t.moving {
		m := &t.moving[j]
		putBits(still, m.bit, m.field.bits, wide{})
		cut := plan.addSource(source{index: uint8(j)}, m.bit, m.field.bits)
		t.recompute = t.recompute || cut || t.changesCoverage(m)
	}
	for j := range t.sums[:i] {
		inner := &t.sums[j]
		if len(inner.sources) == 0 {
			continue // it is written already, once for all frames
		}
		binary.BigEndian.PutUint16(still[inner.at:], 0)
		cut := plan.addSource(source{index: uint8(maxMoving + j)}, inner.at*8, 16)
		t.recompute = t.recompute || cut
	}
	plan.fixed = uint64(plan.cover.rest(still))
	if len(plan.sources) == 0 {
		plan.write(t.base, &plan.cover, uint16(plan.fixed))
	}
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

// addSource adds what changes, wherever the checksum covers it. It reports true if
// only a part of it is covered.
func (p *sumPlan) addSource(s source, bit, width int) (cut bool) {
	c := &p.cover
	cut = p.addWithin(s, bit, width, c.from, c.to)
	if c.pseudo {
		cut = p.addWithin(s, bit, width, c.src, c.src+c.address) || cut
		cut = p.addWithin(s, bit, width, c.dst, c.dst+c.address) || cut
	}
	return cut
}

func (p *sumPlan) addWithin(s source, bit, width, from, to int) (cut bool) {
	if bit >= from*8 && bit+width <= to*8 {
		s.rotate = uint8((16 - (bit+width-from*8)%16) % 16)
		p.sources = append(p.sources, s)
		return false
	}
	return bit < to*8 && bit+width > from*8
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

// Fill writes the nth frame into frame, which has room for Len bytes, and returns
// Len. Frames are those of Append, whatever the room held before. Only what varies
// is computed, the checksums from what changed (RFC 1624); it allocates nothing.
func (t *Template) Fill(frame []byte, n uint64, now int64) int {
	if t.recompute || len(t.moving) > maxMoving || len(t.sums) > maxMoving {
		return len(t.Append(frame[:0], n, now))
	}
	frame = frame[:copy(frame, t.base)]
	var changed [2 * maxMoving]uint16 // folded: values, and behind them checksums
	for i := range t.moving {
		changed[i%maxMoving] = t.moving[i].put(frame, n, now)
	}
	for i := range t.sums {
		plan := &t.sums[i]
		if len(plan.sources) == 0 {
			continue
		}
		rest := plan.fixed
		for _, s := range plan.sources {
			rest += uint64(bits.RotateLeft16(changed[s.index%(2*maxMoving)], int(s.rotate)))
		}
		if plan.mode == automatic {
			right := complement(fold(rest), plan.none) + uint16(plan.delta)
			binary.BigEndian.PutUint16(frame[plan.at:], right)
			changed[(maxMoving+i)%(2*maxMoving)] = right
			continue
		}
		changed[(maxMoving+i)%(2*maxMoving)] = plan.write(frame, &plan.cover, fold(rest))
	}
	t.patch(frame)
	return len(frame)
}

// maxMoving is how many varying fields and how many checksums Fill can follow.
const maxMoving = 16

// put writes the nth value and returns its folded sum.
func (m *moving) put(frame []byte, n uint64, now int64) uint16 {
	switch m.size {
	case 2:
		v := uint16(m.vary.low(n, m.key, now))
		binary.BigEndian.PutUint16(frame[m.at:], v)
		return v
	case 4:
		v := uint32(m.vary.low(n, m.key, now))
		binary.BigEndian.PutUint32(frame[m.at:], v)
		return fold(uint64(v))
	case 8:
		v := m.vary.low(n, m.key, now)
		binary.BigEndian.PutUint64(frame[m.at:], v)
		return fold(v)
	}
	v := m.vary.at(n, m.key, now).cut(m.field.bits)
	putBits(frame, m.bit, m.field.bits, v)
	return fold(uint64(fold(v.hi)) + uint64(fold(v.lo)))
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
