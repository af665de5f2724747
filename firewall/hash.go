package firewall

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
)

func sumOf(v any) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%v", v)
	return h.Sum64()
}

func sumBytes(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

// encode appends all that a match does.
func (m *Match) encode(b []byte) []byte {
	b = append(b, 'm', byte(m.Field), byte(len(m.Concat)))
	for _, f := range m.Concat {
		b = append(b, byte(f))
	}
	for _, part := range [][]byte{m.Mask, m.From, m.To, []byte(m.Set), []byte(m.Unknown)} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	if m.Not {
		b = append(b, '!')
	}
	return b
}

func (v Verdict) encode(b []byte) []byte {
	b = append(b, 'v', byte(v.Kind), byte(v.Answer.Type), v.Answer.Code, byte(v.Answer.Family))
	return append(b, v.Chain...)
}

// sum returns the hash of what the rule does. Rules of one hash do the same.
func (r *Rule) sum() uint64 {
	b := make([]byte, 0, 256)
	for i := range r.Matches {
		b = r.Matches[i].encode(b)
	}
	b = r.Effects.encode(b)
	b = append(b, r.Lookup.Set...)
	for _, f := range r.Lookup.Fields {
		b = append(b, byte(f))
	}
	return sumBytes(r.Verdict.encode(b))
}

func (e *Effects) encode(b []byte) []byte {
	if e.Counter {
		b = append(b, 'c')
	}
	if l := e.Limit; l != nil {
		b = fmt.Appendf(b, "l%d/%d/%d/%t/%d/%s", l.Rate, l.Per, l.Burst, l.Over, l.Source, l.Set)
	}
	if l := e.Log; l != nil {
		b = fmt.Appendf(b, "g%q/%d/%d/%t", l.Prefix, l.Level, l.Group, l.HasGroup)
	}
	if e.ClampMSS {
		b = append(b, 's')
	}
	if n := e.NAT; n != nil {
		b = fmt.Appendf(b, "n%d/%d/%x/%x/%d/%d/%t/%t", n.Kind, n.Family, n.From, n.To, n.MinPort, n.MaxPort, n.Random, n.Persistent)
	}
	for _, u := range e.Unknown {
		b = fmt.Appendf(b, "u%q", u)
	}
	return b
}

// sum returns the hash of what the element does.
func (e *Element) sum() uint64 {
	var buffer [160]byte
	b := append(buffer[:0], e.From...)
	b = append(b, '-')
	b = append(b, e.To...)
	return sumBytes(e.Verdict.encode(b))
}

// Rehash fills in the hashes of a program that was not compiled from a policy.
func (p *Program) Rehash() {
	for i := range p.Sets {
		for j := range p.Sets[i].Elements {
			e := &p.Sets[i].Elements[j]
			e.Hash = e.sum()
		}
	}
	for i := range p.Chains {
		for j := range p.Chains[i].Rules {
			r := &p.Chains[i].Rules[j]
			r.Hash = r.sum()
		}
	}
}
