package kernel

import (
	"bytes"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"wirelab/firewall"
	"wirelab/internal/netlink"
)

// readSet reads a set without its elements.
func readSet(d netlink.Decoder) (s firewall.Set, k definition, err error) {
	for d.Next() {
		switch d.Kind() {
		case unix.NFTA_SET_NAME:
			s.Name = d.String()
		case unix.NFTA_SET_FLAGS:
			k.flags = d.Big32()
		case unix.NFTA_SET_KEY_TYPE:
			k.kind = d.Big32()
		case unix.NFTA_SET_KEY_LEN:
			k.length = d.Big32()
		case unix.NFTA_SET_DATA_TYPE:
			k.unknown = k.unknown || d.Big32() != verdictType
		case unix.NFTA_SET_TIMEOUT:
			s.Timeout = time.Duration(d.Big64()) * time.Millisecond
		case unix.NFTA_SET_OBJ_TYPE:
			k.unknown = true
		case setExpression:
			s.Counters = nameOf(d.Nested()) == "counter"
			k.unknown = k.unknown || !s.Counters
		case unix.NFTA_SET_DESC:
			s.Size, k.fields = readDescription(d.Nested())
		}
	}
	const known = setAnonymous | setConstant | setInterval | setMap | setDynamic | setTimeout | setConcatenation
	k.unknown = k.unknown || k.flags&^known != 0
	k.host = hostTypes[k.kind]
	s.Interval = k.flags&setInterval != 0
	s.Verdicts = k.flags&setMap != 0
	s.Dynamic = k.flags&setDynamic != 0
	return s, k, d.Err()
}

// hostTypes are nft's numbers of the types whose values are in the machine's order.
var hostTypes = map[uint32]bool{19: true, 26: true, 28: true, 38: true}

func nameOf(d netlink.Decoder) string {
	for d.Next() {
		if d.Kind() == unix.NFTA_EXPR_NAME {
			return d.String()
		}
	}
	return ""
}

func readDescription(d netlink.Decoder) (size uint32, fields []uint32) {
	for d.Next() {
		switch d.Kind() {
		case unix.NFTA_SET_DESC_SIZE:
			size = d.Big32()
		case setFields:
			list := d.Nested()
			for list.Next() {
				field := list.Nested()
				for field.Next() {
					fields = append(fields, field.Big32())
				}
			}
		}
	}
	return size, fields
}

// kernelElement is an element as the kernel has it.
type kernelElement struct {
	firewall.Element
	end bool // of a range of one field: ends the range before it
}

func (r *reader) elements(t *State, s *firewall.Set, k *definition) error {
	var e netlink.Encoder
	e.Netfilter(getElement, 0, uint8(t.Program.Family), 0)
	e.String(unix.NFTA_SET_ELEM_LIST_TABLE, t.Program.Table)
	e.String(unix.NFTA_SET_ELEM_LIST_SET, s.Name)
	all, err := r.ask(&e, "elements of set "+s.Name)
	if err == nil {
		s.Elements = joined(r.listedElements(all, k), s, k)
	}
	return err
}

func (r *reader) listedElements(all netlink.Messages, k *definition) (elements []kernelElement) {
	for m := range all.All() {
		d := m.Attributes(4)
		for d.Next() {
			if d.Kind() != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
				continue
			}
			for list := d.Nested(); list.Next(); {
				element, ok := r.element(list.Nested())
				k.unknown = k.unknown || !ok
				elements = append(elements, element)
			}
		}
	}
	return elements
}

func (r *reader) element(d netlink.Decoder) (e kernelElement, ok bool) {
	ok = true
	for d.Next() {
		switch d.Kind() {
		case unix.NFTA_SET_ELEM_KEY:
			e.From = dataValue(d.Nested())
		case elementKeyEnd:
			e.To = dataValue(d.Nested())
		case unix.NFTA_SET_ELEM_FLAGS:
			flags := d.Big32()
			e.end = flags&unix.NFT_SET_ELEM_INTERVAL_END != 0
			ok = ok && flags&^unix.NFT_SET_ELEM_INTERVAL_END == 0
		case unix.NFTA_SET_ELEM_DATA:
			var known bool
			e.Verdict, known = readVerdict(d.Nested())
			ok = ok && known
		case unix.NFTA_SET_ELEM_USERDATA:
			n := r.readNote(d.Bytes())
			e.Place, e.Text, e.Hash = n.place, n.text, n.hash
		case unix.NFTA_SET_ELEM_EXPR:
			ok = readElementCounter(&e, d.Nested()) && ok
		case elementExprs:
			for list := d.Nested(); list.Next(); {
				ok = readElementCounter(&e, list.Nested()) && ok
			}
		case unix.NFTA_SET_ELEM_PAD:
		case unix.NFTA_SET_ELEM_TIMEOUT, unix.NFTA_SET_ELEM_EXPIRATION:
		default:
			ok = false
		}
	}
	return e, ok && d.Err() == nil && e.From != nil
}

func readElementCounter(e *kernelElement, d netlink.Decoder) bool {
	counter := false
	for d.Next() {
		switch d.Kind() {
		case unix.NFTA_EXPR_NAME:
			counter = string(text(d.Bytes())) == "counter"
		case unix.NFTA_EXPR_DATA:
			if counter {
				e.Seen = readCounter(d.Nested())
			}
		}
	}
	return counter
}

func readCounter(d netlink.Decoder) (seen firewall.Traffic) {
	for d.Next() {
		switch d.Kind() {
		case unix.NFTA_COUNTER_BYTES:
			seen.Bytes = d.Big64()
		case unix.NFTA_COUNTER_PACKETS:
			seen.Packets = d.Big64()
		}
	}
	return seen
}

// dataValue returns the bytes of a nested value, nil if it is none. They alias
// the message.
func dataValue(d netlink.Decoder) []byte {
	for d.Next() {
		if d.Kind() == unix.NFTA_DATA_VALUE {
			return d.Bytes()
		}
	}
	return nil
}

// readVerdict reads a nested verdict.
func readVerdict(d netlink.Decoder) (v firewall.Verdict, ok bool) {
	for d.Next() {
		if d.Kind() != unix.NFTA_DATA_VERDICT {
			continue
		}
		for inner := d.Nested(); inner.Next(); {
			switch inner.Kind() {
			case unix.NFTA_VERDICT_CODE:
				// Reject has no code; Drop, which has 0 too, comes before it.
				kind := slices.Index(verdictCodes[:], int32(inner.Big32()))
				ok = kind >= 0
				v.Kind = firewall.VerdictKind(kind)
			case unix.NFTA_VERDICT_CHAIN:
				v.Chain = inner.String()
			}
		}
	}
	return v, ok
}

// joined sorts elements, puts the two ends of each range of one field together,
// and turns values into the order that a Program has them in.
func joined(all []kernelElement, s *firewall.Set, k *definition) []firewall.Element {
	ranges := s.Interval && k.flags&setConcatenation == 0
	slices.SortFunc(all, func(a, b kernelElement) int {
		if c := bytes.Compare(a.From, b.From); c != 0 {
			return c
		}
		return order(b.end) - order(a.end) // the end of one before the begin of the next
	})
	elements := make([]firewall.Element, 0, len(all))
	for i, e := range all {
		if e.end {
			continue
		}
		switch {
		case ranges:
			e.To = lastKey(all[i+1:], len(e.From))
			if k.host {
				e.From, e.To = reversed(e.From), reversed(e.To)
			}
		}
		if bytes.Equal(e.From, e.To) {
			e.To = nil
		}
		elements = append(elements, e.Element)
	}
	if ranges && k.host {
		slices.SortFunc(elements, byFrom)
	}
	return elements
}

func order(end bool) int {
	if end {
		return 1
	}
	return 0
}

// lastKey returns the last key of a range from what follows its begin: one less
// than the next end or begin, or the largest key of all.
func lastKey(following []kernelElement, length int) []byte {
	last := make([]byte, length)
	if len(following) > 0 && len(following[0].From) == length {
		copy(last, following[0].From)
	}
	for i := length - 1; i >= 0; i-- { // minus one; from zero this is the largest key
		if last[i]--; last[i] != 0xff {
			break
		}
	}
	return last
}
