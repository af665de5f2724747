package kernel

import (
	"bytes"
	"net"
	"slices"

	"golang.org/x/sys/unix"

	"wirelab/firewall"
	"wirelab/internal/netlink"
)

// reader reads tables over one connection.
type reader struct {
	conn   *netlink.Conn
	fields fieldIndex
	links  map[uint32]string // names of interfaces, for rules that compare numbers
	file   string            // that the last place was in
	sealed bool              // rules whose seal holds are not read further, and all that is listed is kept for a snapshot
	kept   []netlink.Messages
}

func newReader(c *netlink.Conn, sealed bool) *reader {
	r := &reader{conn: c, fields: indexFields(), links: map[uint32]string{}, sealed: sealed}
	if all, err := net.Interfaces(); err == nil {
		for _, link := range all {
			r.links[uint32(link.Index)] = link.Name
		}
	}
	return r
}

// read reads the table of that family and name, or all tables for an empty name.
func (r *reader) read(family firewall.Family, table string) (tables []*State, err error) {
	generation, err := r.conn.Consistently(func() error {
		r.kept = nil
		tables, err = r.tables(family, table)
		for _, t := range tables {
			if err == nil {
				err = r.contents(t)
			}
			t.listed = r.kept
		}
		return err
	})
	for _, t := range tables {
		t.Generation = generation
	}
	return tables, err
}

// dump lists what one kind of message asks for. The table filters where it is
// not empty and the kernel knows the filter.
func (r *reader) dump(kind uint16, family firewall.Family, filter uint16, table string, what string) (netlink.Messages, error) {
	var e netlink.Encoder
	e.Netfilter(kind, 0, uint8(family), 0)
	if filter != 0 && table != "" {
		e.String(filter, table)
	}
	return r.ask(&e, what)
}

// ask lists what the one message of e asks for.
func (r *reader) ask(e *netlink.Encoder, what string) (netlink.Messages, error) {
	all, err := r.conn.Dump(e, netlink.Named("list", what))
	if r.sealed {
		r.kept = append(r.kept, all)
	}
	return all, err
}

func (r *reader) tables(family firewall.Family, table string) (tables []*State, err error) {
	all, err := r.dump(getTable, family, 0, "", "tables")
	if err != nil {
		return nil, err
	}
	for m := range all.All() {
		t := &State{Exists: true, Program: firewall.Program{Family: familyOf(m)}}
		d := m.Attributes(4)
		for d.Next() {
			switch d.Kind() {
			case unix.NFTA_TABLE_NAME:
				t.Program.Table = d.String()
			case unix.NFTA_TABLE_FLAGS:
				t.Dormant = d.Big32()&unix.NFT_TABLE_F_DORMANT != 0
			}
		}
		if d.Err() != nil {
			return nil, d.Err()
		}
		if table == "" || t.Program.Table == table && t.Program.Family == family {
			tables = append(tables, t)
		}
	}
	return tables, nil
}

func familyOf(m netlink.Message) firewall.Family {
	if len(m.Body) == 0 {
		return 0
	}
	return firewall.Family(m.Body[0])
}

// contents reads chains, sets, elements and rules of a table, in an order in
// which each knows what it refers to.
func (r *reader) contents(t *State) error {
	t.Program.Chains, t.Program.Sets, t.rules, t.sets = nil, nil, nil, nil
	if err := r.chains(t); err != nil {
		return err
	}
	if err := r.objects(t); err != nil {
		return err
	}
	if err := r.sets(t); err != nil {
		return err
	}
	return r.rules(t)
}

// attributesOf returns the attributes of a message if it is about the table,
// whose name has this kind.
func (t *State) attributesOf(m netlink.Message, kind uint16) (netlink.Decoder, bool) {
	if familyOf(m) != t.Program.Family {
		return netlink.Decoder{}, false
	}
	d := m.Attributes(4)
	for d.Next() {
		if d.Kind() == kind {
			return m.Attributes(4), string(text(d.Bytes())) == t.Program.Table
		}
	}
	return m.Attributes(4), false
}

// text returns the bytes before the final zero.
func text(b []byte) []byte {
	b, _, _ = bytes.Cut(b, []byte{0})
	return b
}

func (r *reader) chains(t *State) error {
	all, err := r.dump(getChain, t.Program.Family, 0, "", "chains")
	if err != nil {
		return err
	}
	for m := range all.All() {
		d, ok := t.attributesOf(m, unix.NFTA_CHAIN_TABLE)
		if !ok {
			continue
		}
		chain, err := readChain(t.Program.Family, d)
		if err != nil {
			return err
		}
		t.Program.Chains = append(t.Program.Chains, chain)
	}
	t.rules = make([][]known, len(t.Program.Chains))
	return nil
}

func readChain(family firewall.Family, d netlink.Decoder) (c firewall.Chain, err error) {
	for d.Next() {
		switch d.Kind() {
		case unix.NFTA_CHAIN_NAME:
			c.Name = d.String()
		case unix.NFTA_CHAIN_POLICY:
			c.Policy = firewall.Drop
			if d.Big32() == 1 {
				c.Policy = firewall.Accept
			}
		case unix.NFTA_CHAIN_TYPE:
			c.Type = firewall.ChainType(max(0, slices.Index(chainTypes[:], d.String())))
		case unix.NFTA_CHAIN_HOOK:
			readHook(&c, family, d.Nested())
		}
	}
	return c, d.Err()
}

// readHook reads where the kernel enters a chain. Hooks that a Program has no
// name for, such as those of a network device, get numbers behind its own.
func readHook(c *firewall.Chain, family firewall.Family, d netlink.Decoder) {
	for d.Next() {
		switch d.Kind() {
		case unix.NFTA_HOOK_HOOKNUM:
			number := d.Big32()
			c.Hook = firewall.Hook(min(number, 100) + 1)
			if family == unix.NFPROTO_NETDEV || family == unix.NFPROTO_ARP {
				c.Hook += otherHook
			}
		case unix.NFTA_HOOK_PRIORITY:
			c.Priority = int32(d.Big32())
		}
	}
}

// objects finds out whether the table has named objects, which only a snapshot has.
func (r *reader) objects(t *State) error {
	if !r.sealed {
		return nil
	}
	all, err := r.dump(getObject, t.Program.Family, unix.NFTA_OBJ_TABLE, t.Program.Table, "objects")
	for m := range all.All() {
		t.objects = t.objects || belongs(m, &t.Program)
	}
	return err
}

func (r *reader) rules(t *State) error {
	all, err := r.dump(getRule, t.Program.Family, unix.NFTA_RULE_TABLE, t.Program.Table, "rules")
	if err != nil {
		return err
	}
	index := -1
	rules := newRuleReader(r, t)
	t.makeRoom(all)
	for m := range all.All() {
		d, ok := t.attributesOf(m, unix.NFTA_RULE_TABLE)
		if !ok {
			continue
		}
		l, err := list(d)
		if err != nil {
			return err
		}
		if index < 0 || t.Program.Chains[index].Name != string(l.chain) {
			index = slices.IndexFunc(t.Program.Chains, func(c firewall.Chain) bool { return c.Name == string(l.chain) })
		}
		if index < 0 {
			continue // of a chain that came while the rules were listed
		}
		rule, sealed := rules.read(&l)
		chain := &t.Program.Chains[index]
		chain.Rules = append(chain.Rules, rule)
		t.rules[index] = append(t.rules[index], known{l.handle, sealed})
	}
	return nil
}

// makeRoom makes room in the chains for the rules that are listed.
func (t *State) makeRoom(all netlink.Messages) {
	counts := make(map[string]int, len(t.Program.Chains))
	for m := range all.All() {
		if name := attribute(m, unix.NFTA_RULE_CHAIN); name != nil {
			counts[string(text(name))]++
		}
	}
	for i := range t.Program.Chains {
		if n := counts[t.Program.Chains[i].Name]; n > 0 {
			t.Program.Chains[i].Rules = make([]firewall.Rule, 0, n)
			t.rules[i] = make([]known, 0, n)
		}
	}
}

func (r *reader) sets(t *State) error {
	all, err := r.dump(getSet, t.Program.Family, unix.NFTA_SET_TABLE, t.Program.Table, "sets")
	if err != nil {
		return err
	}
	for m := range all.All() {
		d, ok := t.attributesOf(m, unix.NFTA_SET_TABLE)
		if !ok {
			continue
		}
		set, kernel, err := readSet(d)
		if err == nil && !set.Dynamic {
			err = r.elements(t, &set, &kernel)
		}
		if err != nil {
			return err
		}
		t.Program.Sets = append(t.Program.Sets, set)
		t.sets = append(t.sets, kernel)
	}
	t.index = indexSets(t.Program.Sets)
	return nil
}
