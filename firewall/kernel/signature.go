package kernel

import (
	"bytes"
	"cmp"
	"encoding/binary"

	"wirelab/firewall"
)

// defaultBurst is the kernel's for a limit that names none.
const defaultBurst = 5

// signer writes down what rules do, so that equal texts mean equal rules. The
// definition of a set that a rule uses is part of what the rule does: a set that
// is defined anew takes its rules along.
type signer struct {
	program *firewall.Program
	sets    map[string]string // signatures of the sets; none: nothing that uses the set is equal
	stays   map[string]bool   // of wanted sets: the kernel has it, so defined
	buf     []byte
}

// settled reports whether all sets that a wanted rule uses stay.
func (s *signer) settled(r *firewall.Rule) bool {
	for i := range r.Matches {
		if set := r.Matches[i].Set; set != "" && !s.stays[set] {
			return false
		}
	}
	if l := r.Effects.Limit; l != nil && l.Set != "" && !s.stays[l.Set] {
		return false
	}
	return r.Lookup.Set == "" || s.stays[r.Lookup.Set]
}

// signature returns what a rule does, and false if part of it is unknown.
func (s *signer) signature(r *firewall.Rule) (string, bool) {
	s.buf = s.buf[:0]
	ok := len(r.Effects.Unknown) == 0
	for i := range r.Matches {
		ok = s.match(&r.Matches[i]) && ok
	}
	ok = s.effects(&r.Effects) && ok
	if len(r.Lookup.Fields) > 0 {
		ok = s.set('V', r.Lookup.Set) && ok
		s.fields(r.Lookup.Fields)
	}
	s.verdict(r.Verdict)
	return string(s.buf), ok
}

func (s *signer) match(m *firewall.Match) bool {
	if m.Unknown != "" {
		return false
	}
	s.buf = append(s.buf, 'M', byte(m.Field), bit(m.Not))
	if m.Set != "" {
		s.fields(m.Concat)
		return s.set('S', m.Set)
	}
	if m.Mask != nil && len(bytes.Trim(m.Mask, "\xff")) > 0 {
		s.bytes('K', m.Mask)
	}
	s.bytes('F', m.From)
	if m.To != nil {
		s.bytes('T', m.To)
	}
	return true
}

func (s *signer) bytes(tag byte, b []byte) {
	s.buf = append(s.buf, tag, byte(len(b)))
	s.buf = append(s.buf, b...)
}

func (s *signer) number(tag byte, n uint64) {
	s.buf = binary.BigEndian.AppendUint64(append(s.buf, tag), n)
}

func (s *signer) fields(ids []firewall.FieldID) {
	s.buf = append(s.buf, byte(len(ids)))
	for _, id := range ids {
		s.buf = append(s.buf, byte(id))
	}
}

func (s *signer) set(tag byte, name string) bool {
	definition, ok := s.sets[name]
	s.bytes(tag, []byte(name))
	s.bytes(tag, []byte(definition))
	return ok
}

func (s *signer) effects(e *firewall.Effects) (ok bool) {
	ok = true
	if l := e.Limit; l != nil {
		burst := l.Burst
		if burst == 0 {
			burst = defaultBurst
		}
		s.number('L', l.Rate)
		s.number(bit(l.Over), uint64(l.Per))
		s.number('B', uint64(burst))
		if l.Set != "" {
			s.buf = append(s.buf, byte(l.Source))
			ok = s.set('D', l.Set)
		}
	}
	s.buf = append(s.buf, 'E', bit(e.Counter), bit(e.ClampMSS))
	if l := e.Log; l != nil {
		s.bytes('G', []byte(l.Prefix))
		if l.HasGroup {
			s.number('N', uint64(l.Group))
		} else {
			s.number('l', uint64(l.Level))
		}
	}
	if e.NAT != nil {
		s.nat(e.NAT)
	}
	return ok
}

func (s *signer) nat(n *firewall.NAT) {
	s.buf = append(s.buf, 'A', byte(n.Kind), bit(n.Random), bit(n.Persistent))
	if n.Kind == firewall.DestinationNAT || n.Kind == firewall.SourceNAT {
		s.buf = append(s.buf, byte(natFamily(n, s.program)))
	}
	s.bytes('F', n.From)
	if n.To != nil && !bytes.Equal(n.From, n.To) {
		s.bytes('T', n.To)
	}
	s.number('P', uint64(n.MinPort))
	s.number('P', uint64(max(n.MinPort, n.MaxPort)))
}

// natFamily returns the family of a NAT's addresses; the table's, if it has none.
func natFamily(n *firewall.NAT, p *firewall.Program) firewall.Family {
	if n.Family == 0 || n.Family == firewall.AnyFamily {
		return p.Family
	}
	return n.Family
}

func (s *signer) verdict(v firewall.Verdict) {
	s.bytes(byte(v.Kind), []byte(v.Chain))
	if v.Kind != firewall.Reject {
		return
	}
	s.buf = append(s.buf, byte(v.Answer.Type))
	if v.Answer.Type != firewall.ResetAnswer {
		s.buf = append(s.buf, v.Answer.Code)
	}
}

// elementSignature returns what an element is and does.
func elementSignature(e *firewall.Element) string {
	b := make([]byte, 0, 80)
	b = append(append(b, byte(len(e.From))), e.From...)
	if e.To != nil && !bytes.Equal(e.From, e.To) {
		b = append(append(b, byte(len(e.To))), e.To...)
	}
	return string(append(append(b, byte(e.Verdict.Kind)), e.Verdict.Chain...))
}

// byFrom orders elements by their keys.
func byFrom(a, b firewall.Element) int {
	return cmp.Or(bytes.Compare(a.From, b.From), bytes.Compare(a.To, b.To))
}
