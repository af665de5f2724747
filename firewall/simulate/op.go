package simulate

import (
	"encoding/binary"

	"wirelab/firewall"
)

// An op is a match in a form that is quick to try: rules by the thousand are gone
// through for one question.
type op struct {
	field firewall.FieldID
	kind  opKind
	not   bool
	a, b  word // masked: what the masked value is, and the mask; ranged: the ends
}

type opKind uint8

const (
	masked opKind = iota
	ranged
	other // a set, or what is not known: the match itself says it
)

// A word is a value of at most 16 bytes, in its own order, filled up with zeros.
type word struct{ high, low uint64 }

func wordOf(v []byte) word {
	var b [16]byte
	copy(b[:], v)
	return word{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
}

func (w word) less(than word) bool {
	return w.high < than.high || w.high == than.high && w.low < than.low
}

// opOf returns the op of a match.
func opOf(m *firewall.Match, row *firewall.Field) op {
	o := op{field: m.Field, not: m.Not, kind: other}
	switch {
	case m.Set != "" || m.Unknown != "" || row.Width > 16 || m.To != nil && row.Host:
	case m.To != nil:
		o.kind, o.a, o.b = ranged, wordOf(m.From), wordOf(m.To)
	default:
		o.kind, o.a, o.b = masked, wordOf(m.From), wordOf(m.Mask)
		if m.Mask == nil {
			var ones [16]byte
			for i := range row.Width {
				ones[i] = 0xff
			}
			o.b = wordOf(ones[:])
		}
	}
	return o
}

// holds reports whether the op holds for a value.
func (o *op) holds(v word) bool {
	var is bool
	if o.kind == masked {
		is = v.high&o.b.high == o.a.high && v.low&o.b.low == o.a.low
	} else {
		is = !v.less(o.a) && !o.b.less(v)
	}
	return is != o.not
}

// A program chain with its matches as ops, one behind the other.
type chain struct {
	*firewall.Chain
	ops  []op
	ends []uint32 // of each rule: where its ops end
}

func (s *Simulator) compile(c *firewall.Chain) *chain {
	compiled := &chain{Chain: c, ends: make([]uint32, len(c.Rules))}
	n := 0
	for i := range c.Rules {
		n += len(c.Rules[i].Matches)
	}
	compiled.ops = make([]op, 0, n)
	for i := range c.Rules {
		for j := range c.Rules[i].Matches {
			m := &c.Rules[i].Matches[j]
			compiled.ops = append(compiled.ops, opOf(m, &s.rows[m.Field]))
		}
		compiled.ends[i] = uint32(len(compiled.ops))
	}
	return compiled
}
