package kernel

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"

	"wirelab/firewall"
)

// addSet adds a set without elements.
func (w *writer) addSet(s *firewall.Set) {
	w.message(newSet, unix.NLM_F_CREATE, object{op: "add", kind: "set", name: s.Name})
	d := define(s)
	w.String(unix.NFTA_SET_TABLE, w.program.Table)
	w.String(unix.NFTA_SET_NAME, s.Name)
	if d.flags != 0 {
		w.Big32(unix.NFTA_SET_FLAGS, d.flags)
	}
	w.Big32(unix.NFTA_SET_KEY_TYPE, d.kind)
	w.Big32(unix.NFTA_SET_KEY_LEN, d.length)
	if s.Verdicts {
		w.Big32(unix.NFTA_SET_DATA_TYPE, verdictType)
		w.Big32(unix.NFTA_SET_DATA_LEN, 16)
	}
	if s.Timeout > 0 {
		w.Big64(unix.NFTA_SET_TIMEOUT, uint64(s.Timeout/time.Millisecond))
	}
	w.Bytes(unix.NFTA_SET_USERDATA, orderOfKey(s))
	w.setDescription(s)
	if s.Counters {
		mark := w.Nest(setExpression)
		w.String(unix.NFTA_EXPR_NAME, "counter")
		w.End(w.Nest(unix.NFTA_EXPR_DATA))
		w.End(mark)
	}
	w.Big32(unix.NFTA_SET_ID, uint32(w.Count()))
}

// orderOfKey tells nft in which byte order to print the keys, and the verdicts
// of a map: TLVs 0 and 1 of libnftnl's user data (NFTNL_UDATA_SET_KEYBYTEORDER,
// ..._DATABYTEORDER), 2 for network order, 1 for the machine's.
func orderOfKey(s *firewall.Set) []byte {
	order := uint32(2)
	if len(s.Key) == 1 && s.Key[0].Info().Host && !s.Interval {
		order = 1
	}
	data := binary.NativeEndian.AppendUint32([]byte{0, 4}, order)
	if s.Verdicts {
		data = binary.NativeEndian.AppendUint32(append(data, 1, 4), 0)
	}
	return data
}

// setDescription tells the kernel how many elements come, from which it chooses
// the form of the set, and the width of each field of a concatenation.
func (w *writer) setDescription(s *firewall.Set) {
	mark := w.Nest(unix.NFTA_SET_DESC)
	if size := room(s); size > 0 {
		w.Big32(unix.NFTA_SET_DESC_SIZE, size)
	}
	if len(s.Key) > 1 && s.Interval {
		fields := w.Nest(setFields)
		for _, id := range s.Key {
			field := w.Nest(unix.NFTA_LIST_ELEM)
			w.Big32(setFieldLength, uint32(id.Info().Width))
			w.End(field)
		}
		w.End(fields)
	}
	w.End(mark)
}

func (w *writer) deleteSet(name string) {
	w.message(delSet, 0, object{op: "delete", kind: "set", name: name})
	w.String(unix.NFTA_SET_TABLE, w.program.Table)
	w.String(unix.NFTA_SET_NAME, name)
}

// changeElements adds or deletes elements of a set, in as many messages as
// their lists need: an attribute holds 64 KiB.
func (w *writer) changeElements(kind uint16, s *firewall.Set, elements []*firewall.Element) {
	op, flags := "add elements to", uint16(unix.NLM_F_CREATE)
	if kind == delElement {
		op, flags = "delete elements from", 0
	}
	for len(elements) > 0 {
		w.message(kind, flags, object{op: op, kind: "set", name: s.Name})
		w.String(unix.NFTA_SET_ELEM_LIST_TABLE, w.program.Table)
		w.String(unix.NFTA_SET_ELEM_LIST_SET, s.Name)
		list := w.Nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
		start := w.Len()
		for len(elements) > 0 && w.Len()-start < elementChunk {
			w.element(s, elements[0], kind == newElement)
			elements = elements[1:]
		}
		w.End(list)
	}
}

// element appends one element. In a set of ranges of one field the kernel keeps
// them half-open: an element begins the range, another ends it one behind its last
// key. In a concatenation one element has both ends.
func (w *writer) element(s *firewall.Set, e *firewall.Element, whole bool) {
	from, to := e.From, e.To
	if to == nil {
		to = from
	}
	if s.Interval && len(s.Key) == 1 && s.Key[0].Info().Host {
		from, to = reversed(from), reversed(to)
	}
	mark := w.Nest(unix.NFTA_LIST_ELEM)
	w.value(unix.NFTA_SET_ELEM_KEY, from)
	if s.Interval && len(s.Key) > 1 {
		w.value(elementKeyEnd, to)
	}
	if whole {
		w.elementParts(s, e)
	}
	w.End(mark)
	if !s.Interval || len(s.Key) > 1 {
		return
	}
	var buffer [16]byte
	next, ok := successor(append(buffer[:0], to...))
	if !ok {
		return // the last key of all: the range has no end
	}
	mark = w.Nest(unix.NFTA_LIST_ELEM)
	w.value(unix.NFTA_SET_ELEM_KEY, next)
	w.Big32(unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
	w.End(mark)
}

// elementParts appends what an element carries: its verdict and where it comes
// from. Its counter comes from the set, unless it has counted before.
func (w *writer) elementParts(s *firewall.Set, e *firewall.Element) {
	if !s.Verdicts {
		return
	}
	w.verdict(unix.NFTA_SET_ELEM_DATA, e.Verdict)
	w.userData(unix.NFTA_SET_ELEM_USERDATA, e.Place, e.Hash, 0, e.Text)
	if s.Counters && e.Seen != (firewall.Traffic{}) {
		w.counter(unix.NFTA_SET_ELEM_EXPR, e.Seen)
	}
}

// successor adds one to a number in network order, in place. It reports false
// for the largest.
func successor(key []byte) ([]byte, bool) {
	for i := len(key) - 1; i >= 0; i-- {
		if key[i]++; key[i] != 0 {
			return key, true
		}
	}
	return key, false
}
