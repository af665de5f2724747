package kernel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"wirelab/firewall"
	"wirelab/internal/netlink"
)

// ErrSnapshot reports bytes that Save did not write.
var ErrSnapshot = errors.New("this is no saved table")

const (
	newObject = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWOBJ
	getObject = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETOBJ
)

// saved says of each kind of message which attributes make up the thing. The rest is
// the kernel's own: handles, counts of uses.
var saved = map[uint16]struct {
	flags      uint16
	attributes []uint16
}{
	newTable: {unix.NLM_F_CREATE, []uint16{unix.NFTA_TABLE_NAME, unix.NFTA_TABLE_FLAGS, 6}},
	newChain: {unix.NLM_F_CREATE, []uint16{
		unix.NFTA_CHAIN_TABLE, unix.NFTA_CHAIN_NAME, unix.NFTA_CHAIN_HOOK, unix.NFTA_CHAIN_POLICY, unix.NFTA_CHAIN_TYPE, 12,
	}},
	newObject: {unix.NLM_F_CREATE, []uint16{
		unix.NFTA_OBJ_TABLE, unix.NFTA_OBJ_NAME, unix.NFTA_OBJ_TYPE, unix.NFTA_OBJ_DATA, 8,
	}},
	newSet: {unix.NLM_F_CREATE, []uint16{
		unix.NFTA_SET_TABLE, unix.NFTA_SET_NAME, unix.NFTA_SET_FLAGS, unix.NFTA_SET_KEY_TYPE, unix.NFTA_SET_KEY_LEN, unix.NFTA_SET_DATA_TYPE,
		unix.NFTA_SET_DATA_LEN, unix.NFTA_SET_POLICY, unix.NFTA_SET_DESC, unix.NFTA_SET_TIMEOUT, unix.NFTA_SET_GC_INTERVAL,
		unix.NFTA_SET_USERDATA, unix.NFTA_SET_OBJ_TYPE, setExpression, 18,
	}},
	newElement: {unix.NLM_F_CREATE, []uint16{
		unix.NFTA_SET_ELEM_LIST_TABLE, unix.NFTA_SET_ELEM_LIST_SET, unix.NFTA_SET_ELEM_LIST_ELEMENTS,
	}},
	newRule: {unix.NLM_F_CREATE | unix.NLM_F_APPEND, []uint16{
		unix.NFTA_RULE_TABLE, unix.NFTA_RULE_CHAIN, unix.NFTA_RULE_EXPRESSIONS, unix.NFTA_RULE_COMPAT, unix.NFTA_RULE_USERDATA,
	}},
}

// tableAttribute names the table in all messages: each kind has it first.
const tableAttribute = 1

// Save returns the table of a Program as it is now, with all that anybody put
// into it and with what its counters have seen, or nothing if there is no such
// table. What rules learn, such as the sources of a limit, is left out.
func (k *Kernel) Save(p *firewall.Program) ([]byte, error) {
	live, err := k.read(newReader(k.conn, true), p)
	if err != nil {
		return nil, err
	}
	return live.snapshot()
}

// Before returns what Save would have returned when the plan was made.
func (p *Plan) Before() ([]byte, error) {
	if p.live.Exists && p.live.listed == nil && p.kernel != nil {
		return p.kernel.Save(p.want) // it was remembered, not listed
	}
	return p.live.snapshot()
}

// After returns what Save returns once the plan is carried out and nobody has changed
// anything since, with counters at zero, and rules that stay on their present line. It is nil
// where others have put things into the table that stay, and that a Program has no words for.
func (p *Plan) After() []byte {
	if p.live.objects {
		return nil
	}
	w := newWriter(p.want)
	w.whole()
	snapshot, err := saveAll([]netlink.Messages{w.Messages()}, p.want)
	if err != nil || w.err != nil {
		return nil
	}
	return snapshot
}

// snapshot returns the table as it was listed.
func (s *State) snapshot() ([]byte, error) { return saveAll(s.listed, &s.Program) }

// saveAll returns what is lasting of messages about the table of a Program.
func saveAll(listed []netlink.Messages, p *firewall.Program) ([]byte, error) {
	var e netlink.Encoder
	for _, all := range listed {
		e.Grow(len(all))
		for m := range all.All() {
			if _, known := saved[m.Kind]; known && belongs(m, p) {
				saveMessage(&e, m)
			}
		}
	}
	return e.Messages(), e.Err()
}

func belongs(m netlink.Message, p *firewall.Program) bool {
	name := attribute(m, tableAttribute)
	return familyOf(m) == p.Family && name != nil && string(text(name)) == p.Table
}

// attribute returns the value of the first attribute of that kind, nil if there
// is none.
func attribute(m netlink.Message, kind uint16) []byte {
	d := m.Attributes(4)
	for d.Next() {
		if d.Kind() == kind {
			return d.Bytes()
		}
	}
	return nil
}

func saveMessage(e *netlink.Encoder, m netlink.Message) {
	kind := m.Kind
	if kind == newElement && attribute(m, unix.NFTA_SET_ELEM_LIST_ELEMENTS) == nil {
		return
	}
	e.Netfilter(kind, saved[kind].flags, m.Body[0], 0)
	attributes := saved[kind].attributes
	d := m.Attributes(4)
	for d.Next() {
		value := d.Bytes()
		if !slices.Contains(attributes, d.Kind()) {
			continue
		}
		switch {
		case kind == newSet && d.Kind() == unix.NFTA_SET_FLAGS && len(value) == 4:
			// The kernel names a set without a name anew: it gets the name that it has.
			value = bytes.Clone(value)
			if value[3] &^= setAnonymous | setConstant; binary.BigEndian.Uint32(value) != 0 {
				e.Bytes(d.Kind(), value) // no flags are not listed
			}
		case kind == newRule && d.Kind() == unix.NFTA_RULE_EXPRESSIONS && bytes.Contains(value, []byte("exthdr")):
			saveExpressions(e, d.Nested())
		default:
			e.Bytes(d.Kind(), value)
		}
	}
	if kind == newSet {
		e.Big32(unix.NFTA_SET_ID, uint32(e.Count()))
	}
}

// saveExpressions copies the expressions of a rule. The kernel lists flags for one
// that writes a header's option, which it does not take.
func saveExpressions(e *netlink.Encoder, list netlink.Decoder) {
	all := e.Nest(unix.NFTA_RULE_EXPRESSIONS)
	for list.Next() {
		if nameOf(list.Nested()) != "exthdr" {
			e.Bytes(unix.NFTA_LIST_ELEM, list.Bytes())
			continue
		}
		one := e.Nest(unix.NFTA_LIST_ELEM)
		e.String(unix.NFTA_EXPR_NAME, "exthdr")
		for d := list.Nested(); d.Next(); {
			if d.Kind() != unix.NFTA_EXPR_DATA {
				continue
			}
			values, _ := parseValues(d.Nested())
			data := e.Nest(unix.NFTA_EXPR_DATA)
			for kind, value := range values {
				if value != nil && (kind != unix.NFTA_EXTHDR_FLAGS || values[unix.NFTA_EXTHDR_SREG] == nil) {
					e.Bytes(uint16(kind), value)
				}
			}
			e.End(data)
		}
		e.End(one)
	}
	e.End(all)
}

// Restore makes the table what Save found, in one transaction, whatever it is now.
func (k *Kernel) Restore(p *firewall.Program, snapshot []byte) error {
	if err := checkSnapshot(p, snapshot); err != nil {
		return err
	}
	w := newWriter(p)
	w.addTable() // so that there is one to delete
	w.deleteTable()
	for _, late := range []bool{false, true} {
		for m := range netlink.Messages(snapshot).All() {
			// Elements may jump to chains, and rules use sets: elements come after both.
			if late == (m.Kind == newElement || m.Kind == newRule) {
				w.message(m.Kind, m.Flags, object{op: "restore", kind: "part of table", name: fmt.Sprintf("%s (message %#x)", p.Table, m.Kind)})
				w.Raw(m.Body[4:])
			}
		}
	}
	return k.conn.Commit(w.Batch, 0, w.describe)
}

// checkSnapshot refuses bytes that would change anything but the table.
func checkSnapshot(p *firewall.Program, snapshot []byte) error {
	length := 0
	for m := range netlink.Messages(snapshot).All() {
		if _, known := saved[m.Kind]; !known || !belongs(m, p) {
			return fmt.Errorf("%w: message %#x", ErrSnapshot, m.Kind)
		}
		length += 16 + (len(m.Body)+3)&^3
	}
	if length != len(snapshot) {
		return fmt.Errorf("%w: cut off after %d of %d bytes", ErrSnapshot, length, len(snapshot))
	}
	return nil
}

// Verify returns an error if the table is not what Save found, apart from what
// its counters have seen since.
func (k *Kernel) Verify(p *firewall.Program, snapshot []byte) error {
	now, err := k.Save(p)
	if err != nil {
		return err
	}
	was, is := lasting(snapshot), lasting(now)
	if slices.Equal(was, is) {
		return nil
	}
	return fmt.Errorf("table %s has %d parts that the saved one has not, and lacks %d of it", p.Table, missing(is, was), missing(was, is))
}

func missing(of, from []string) (count int) {
	there := map[string]int{}
	for _, part := range from {
		there[part]++
	}
	for _, part := range of {
		if there[part]--; there[part] < 0 {
			count++
		}
	}
	return count
}

// lasting returns the parts of a saved table without what changes by itself. The
// kernel lists all but the rules of a chain in an order of its own, so that they are sorted.
func lasting(snapshot []byte) (parts []string) {
	type part struct{ group, text string }
	var all []part
	for m := range netlink.Messages(snapshot).All() {
		switch kind := string(binaryKind(m.Kind)); m.Kind {
		case newElement:
			set := kind + string(attribute(m, unix.NFTA_SET_ELEM_LIST_SET))
			for list := netlink.Decode(attribute(m, unix.NFTA_SET_ELEM_LIST_ELEMENTS)); list.Next(); {
				text := set + string(withoutState(nil, list.Nested(), 0))
				all = append(all, part{text, text})
			}
		case newRule:
			all = append(all, part{kind + string(attribute(m, unix.NFTA_RULE_CHAIN)), string(withoutState(nil, m.Attributes(4), 0))})
		default:
			text := kind + string(withoutState(nil, m.Attributes(4), 0))
			all = append(all, part{text, text})
		}
	}
	slices.SortStableFunc(all, func(a, b part) int { return strings.Compare(a.group, b.group) })
	for _, p := range all {
		parts = append(parts, p.text)
	}
	return parts
}

func binaryKind(kind uint16) []byte { return []byte{byte(kind >> 8), byte(kind)} }

// withoutState appends the attributes, and leaves out the data of expressions
// that count, and the numbers of sets.
func withoutState(b []byte, d netlink.Decoder, depth int) []byte {
	counting := false
	for d.Next() {
		value := d.Bytes()
		if depth == 0 && d.Kind() == unix.NFTA_SET_ELEM_EXPR && nameOf(d.Nested()) == "counter" {
			continue // its set's
		}
		b = append(b, byte(d.Kind()))
		switch {
		case slices.Contains([]string{"counter", "quota", "last"}, string(text(value))):
			counting = true
		case counting && d.Kind() == unix.NFTA_EXPR_DATA, depth == 0 && d.Kind() == unix.NFTA_SET_ID && len(value) == 4:
			continue
		case depth < 8 && nests(value):
			b = append(b, '{')
			b = append(withoutState(b, netlink.Decode(value), depth+1), '}')
			continue
		}
		b = append(append(b, byte(len(value)>>8), byte(len(value))), value...)
	}
	return b
}

// nests reports whether the bytes read as attributes from first to last.
func nests(value []byte) bool {
	d := netlink.Decode(value)
	count := 0
	for d.Next() {
		count++
	}
	return count > 0 && d.Err() == nil
}

// Snapshots returns what a guard needs to take a change of the table of p back.
// Each function works on the network namespace of the thread that calls it.
func Snapshots(p *firewall.Program) (save func(context.Context) ([]byte, error), restore, verify func(context.Context, []byte) error) {
	with := func(do func(*Kernel) error) error {
		k, err := Open()
		if err != nil {
			return err
		}
		defer k.Close()
		return do(k)
	}
	save = func(context.Context) (snapshot []byte, err error) {
		err = with(func(k *Kernel) (err error) {
			snapshot, err = k.Save(p)
			return err
		})
		return snapshot, err
	}
	restore = func(_ context.Context, snapshot []byte) error {
		return with(func(k *Kernel) error { return k.Restore(p, snapshot) })
	}
	verify = func(_ context.Context, snapshot []byte) error {
		return with(func(k *Kernel) error { return k.Verify(p, snapshot) })
	}
	return save, restore, verify
}
