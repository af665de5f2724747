package kernel

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"wirelab/firewall"
	"wirelab/internal/netlink"
	"wirelab/internal/sys"
)

// Kernel is a connection to the ruleset of a network namespace. One goroutine at
// a time uses it.
type Kernel struct {
	conn *netlink.Conn
	last *State // what Plan read, or Apply left
}

// Open connects to the ruleset of the network namespace of the calling thread.
// Reading and changing it need CAP_NET_ADMIN there.
func Open() (*Kernel, error) {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	return &Kernel{conn: c}, nil
}

// Close ends the connection.
func (k *Kernel) Close() error { return k.conn.Close() }

// Generation returns a number that grows with every change of the ruleset, by
// whomever.
func (k *Kernel) Generation() (uint32, error) { return k.conn.Generation() }

// Read reads the table that a Program is for. A table that is not there is no
// error: its State does not exist.
func (k *Kernel) Read(p *firewall.Program) (*State, error) {
	return k.read(newReader(k.conn, false), p)
}

func (k *Kernel) read(r *reader, p *firewall.Program) (*State, error) {
	tables, err := r.read(p.Family, p.Table)
	if err != nil {
		return nil, err
	}
	if len(tables) == 0 {
		s := &State{Program: firewall.Program{Family: p.Family, Table: p.Table}}
		s.Generation, err = k.conn.Generation()
		return s, err
	}
	return tables[0], nil
}

// ReadAll reads all tables of all families.
func (k *Kernel) ReadAll() ([]*State, error) {
	return newReader(k.conn, false).read(unix.NFPROTO_UNSPEC, "")
}

// Plan reads the kernel, unless nobody has changed the ruleset since it knew it last, and
// finds what has to change for the Program.
func (k *Kernel) Plan(p *firewall.Program) (*Plan, error) {
	live, err := k.present(p)
	if err != nil {
		return nil, err
	}
	plan := Compare(live, p)
	plan.kernel = k
	return plan, nil
}

// Apply carries out the plan: whole, or not at all. One transaction puts it in force; new
// sets that the kernel cannot fill in that are made before. If anybody has changed
// the ruleset since the plan was made the error is netlink.ErrChanged, and nothing is
// altered.
func (k *Kernel) Apply(p *Plan) error {
	if p.Empty() {
		return nil
	}
	ahead, w := newWriter(p.want), newWriter(p.want)
	ahead.steps(&p.ahead)
	w.echo = p.remembered()
	w.steps(&p.steps)
	if err := cmp.Or(ahead.err, w.err); err != nil {
		return err
	}
	k.last = nil
	if err := k.conn.Commit(ahead.Batch, p.live.Generation, ahead.describe); err != nil {
		return lacking(err)
	}
	var handles []uint64
	w.Echo = func(m netlink.Message) { handles = append(handles, handleOf(m)) }
	err := k.conn.Commit(w.Batch, p.Applied()-1, w.describe)
	switch {
	case err != nil:
		return k.abandon(p, lacking(err))
	case w.echo && len(handles) == len(p.addRules):
		k.last = p.live.after(p, handles)
	}
	return nil
}

// abandon removes what was made ahead for a plan that failed with the error.
func (k *Kernel) abandon(p *Plan, failed error) error {
	w := newWriter(p.want)
	for _, set := range p.ahead.addSets {
		w.deleteSet(set.Name)
	}
	for _, chain := range p.ahead.addChains {
		w.deleteChain(chain.Name)
	}
	if p.ahead.table {
		w.deleteTable()
	}
	if err := k.conn.Commit(w.Batch, 0, w.describe); err != nil {
		return fmt.Errorf("%w; and sets that no rule uses are left in table %s: %w", failed, p.want.Table, err)
	}
	return failed
}

// Remove deletes the table of a Program, if there is one.
func (k *Kernel) Remove(p *firewall.Program) error {
	tables, err := newReader(k.conn, false).tables(p.Family, p.Table)
	if err != nil || len(tables) == 0 {
		return err
	}
	w := newWriter(p)
	w.deleteTable()
	return k.conn.Commit(w.Batch, 0, w.describe)
}

// grow makes room for so many messages. It is an estimate.
func (w *writer) grow(rules, others, elements int) {
	const rule, element, other = 640, 128, 256
	w.Grow(rules*rule + elements*element + (others+8)*other)
	w.objects = slices.Grow(w.objects, rules+others+8)
}

// whole appends all that makes the table of the program where there is none.
func (w *writer) whole() {
	rules, elements := 0, 0
	for i := range w.program.Chains {
		rules += len(w.program.Chains[i].Rules)
	}
	for i := range w.program.Sets {
		elements += len(w.program.Sets[i].Elements)
	}
	w.grow(rules, len(w.program.Chains)+len(w.program.Sets), elements)
	w.addTable()
	for i := range w.program.Chains {
		w.addChain(&w.program.Chains[i])
	}
	for i := range w.program.Sets {
		w.addSet(&w.program.Sets[i])
	}
	for i := range w.program.Sets {
		w.changeElements(newElement, &w.program.Sets[i], pointers(w.program.Sets[i].Elements))
	}
	for i := range w.program.Chains {
		c := &w.program.Chains[i]
		for j := range c.Rules {
			w.addRule(c.Name, &c.Rules[j], 0)
		}
	}
}

// steps appends the steps in an order in which nothing is missing that another
// step needs: rules go before what they refer to, and come after it.
func (w *writer) steps(p *steps) {
	elements := 0
	for _, step := range p.addElements {
		elements += len(step.elements)
	}
	w.grow(len(p.addRules), len(p.dropRules)+len(p.addSets)+len(p.addChains), elements)
	// The kernel changes a chain's policy only after it has put all rules in force, in
	// the order of the batch: until then packets that no rule decides meet the old one.
	for _, chain := range p.policies {
		w.addChain(chain)
	}
	if p.table {
		w.addTable()
	}
	for _, step := range p.dropRules {
		w.deleteRule(step.chain, step.rule, step.handle)
	}
	for _, step := range p.dropElements {
		w.changeElements(delElement, step.set, step.elements)
	}
	for _, name := range p.dropSets {
		w.deleteSet(name)
	}
	for _, name := range p.dropChains {
		w.deleteChain(name)
	}
	for _, chain := range p.addChains {
		w.addChain(chain)
	}
	for _, set := range p.addSets {
		w.addSet(set)
	}
	for _, step := range p.addElements {
		w.changeElements(newElement, step.set, step.elements)
	}
	for _, step := range p.addRules {
		w.addRule(step.chain, step.rule, step.handle)
	}
}

// lacking turns the error of a rule whose expression the kernel does not know into one that
// says so. It also finds nothing where a rule names a set or a chain that is missing; the
// expressions that do are part of every nf_tables.
func lacking(err error) error {
	var failed *sys.OpError
	var refused *netlink.RefusedError
	if !errors.Is(err, unix.ENOENT) || !errors.As(err, &failed) || !errors.As(err, &refused) {
		return err
	}
	switch name := nameOf(netlink.Decode(refused.Value)); name {
	case "", "immediate", "lookup", "dynset":
		return err
	default:
		return &sys.OpError{Op: failed.Op, Object: failed.Object, Err: fmt.Errorf("%w: %w %s", sys.ErrUnsupported, ErrNoExpression, name)}
	}
}
