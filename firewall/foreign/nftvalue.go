package foreign

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"wirelab/firewall"
)

// unwrapElement takes an element out of its counter, comment or timeout.
func unwrapElement(raw json.RawMessage) json.RawMessage {
	var e struct {
		Elem *struct{ Val json.RawMessage }
	}
	if json.Unmarshal(raw, &e) == nil && e.Elem != nil {
		return e.Elem.Val
	}
	return raw
}

// set takes a named set or map.
func (r *nftReader) set(from *nftSet, isMap bool) {
	p := r.programs[from.Family+" "+from.Table]
	if p == nil {
		return
	}
	s := firewall.Set{Name: from.Name, Dynamic: bytes.Contains(from.Flags, []byte("dynamic"))}
	var types []string
	var one string
	if json.Unmarshal(from.Type, &one) == nil {
		types = []string{one}
	} else if json.Unmarshal(from.Type, &types) != nil {
		return
	}
	for _, t := range types {
		s.Key = append(s.Key, fieldOfType(t))
	}
	if slices.Contains(s.Key, firewall.NoField) {
		return // whoever uses it cannot be taken
	}
	elements := from.Elem
	var values []json.RawMessage
	if isMap {
		elements, values = pairsOf(from.Elem)
		s.Verdicts = string(from.Map) == `"verdict"`
		if !s.Verdicts {
			return
		}
	}
	if fill(&s, elements) != nil {
		return
	}
	for i, raw := range values {
		v, err := verdictOf(raw)
		if err != nil {
			return
		}
		s.Elements[i].Verdict = v
	}
	p.Sets = append(p.Sets, s)
}

// fieldOfType returns some field of nft's type: in a set the type alone counts.
func fieldOfType(name string) firewall.FieldID {
	for _, f := range firewall.Fields() {
		if f.Info().TypeName == name {
			return f
		}
	}
	return firewall.NoField
}

func pairsOf(elements []json.RawMessage) (keys, values []json.RawMessage) {
	for _, raw := range elements {
		var pair []json.RawMessage
		if json.Unmarshal(raw, &pair) == nil && len(pair) == 2 {
			keys, values = append(keys, unwrapElement(pair[0])), append(values, pair[1])
		}
	}
	return keys, values
}

// fill adds elements to a set.
func fill(s *firewall.Set, elements []json.RawMessage) error {
	for _, raw := range elements {
		from, to, err := keyOf(s.Key, unwrapElement(raw))
		if err != nil {
			return err
		}
		s.Interval = s.Interval || to != nil
		s.Elements = append(s.Elements, firewall.Element{From: from, To: to})
	}
	return nil
}

// keyOf reads a key of some fields; to is nil where it is a single one.
func keyOf(fields []firewall.FieldID, raw json.RawMessage) (from, to []byte, err error) {
	if len(fields) == 1 {
		return rangeOfField(fields[0], raw)
	}
	var concat struct{ Concat []json.RawMessage }
	if json.Unmarshal(raw, &concat) != nil || len(concat.Concat) != len(fields) {
		return nil, nil, errors.New("a concatenation that is not known here")
	}
	isRange := false
	for i, f := range fields {
		first, last, err := rangeOfField(f, concat.Concat[i])
		if err != nil {
			return nil, nil, err
		}
		isRange = isRange || last != nil
		if last == nil {
			last = first
		}
		from, to = pad(append(from, first...)), pad(append(to, last...))
	}
	if !isRange {
		to = nil
	}
	return from, to, nil
}

func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// rangeOfField reads a value, a prefix or a range.
func rangeOfField(f firewall.FieldID, raw json.RawMessage) (from, to []byte, err error) {
	var e struct {
		Prefix *struct {
			Addr string
			Len  int
		}
		Range []json.RawMessage
	}
	if len(raw) > 0 && raw[0] == '{' && json.Unmarshal(raw, &e) == nil {
		switch {
		case e.Prefix != nil:
			a, err := netip.ParseAddr(e.Prefix.Addr)
			p := netip.PrefixFrom(a, e.Prefix.Len)
			if err != nil || !p.IsValid() {
				return nil, nil, errors.New("a prefix that is not known here")
			}
			r := firewall.RangeOf(p)
			return r.First.AsSlice(), r.Last.AsSlice(), nil
		case len(e.Range) == 2:
			if from, err = valueOfField(f, e.Range[0]); err == nil {
				to, err = valueOfField(f, e.Range[1])
			}
			return from, to, err
		}
	}
	from, err = valueOfField(f, raw)
	return from, nil, err
}

// valueOfField reads one value of a field.
func valueOfField(f firewall.FieldID, raw json.RawMessage) ([]byte, error) {
	var number uint64
	var text string
	if json.Unmarshal(raw, &number) == nil {
		text = strconv.FormatUint(number, 10)
	} else if json.Unmarshal(raw, &text) != nil {
		return nil, fmt.Errorf("the value %s is not known here", string(raw[:min(len(raw), 60)]))
	}
	row := f.Info()
	switch {
	case row.Family != 0 && (row.Width == 4 || row.Width == 16):
		a, err := netip.ParseAddr(text)
		if err != nil || len(a.AsSlice()) != row.Width {
			return nil, fmt.Errorf("%q is no address here", text)
		}
		return a.AsSlice(), nil
	case f == firewall.InInterface || f == firewall.OutInterface:
		if len(text) > 16 {
			return nil, fmt.Errorf("%q is no name of an interface", text)
		}
		value, _ := firewall.InterfaceName(text)
		return value, nil
	}
	n, ok := firewall.ParseValue(f, text)
	if !ok {
		return nil, fmt.Errorf("%s %q is not known here", f, text)
	}
	return encode(row, n), nil
}

func encode(row *firewall.Field, n uint32) []byte {
	switch {
	case row.Width == 1:
		return []byte{byte(n)}
	case row.Width == 2:
		return be16(uint16(n))
	case row.Host:
		return host32(n)
	}
	return binary.BigEndian.AppendUint32(nil, n)
}
