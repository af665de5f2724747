package address

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"wirelab/internal/netlink"
	"wirelab/internal/sys"
)

// rounds is how often a change is compared and carried on with: what the kernel
// took away in one round is put back in the next.
const rounds = 8

// Apply carries out a change, and puts back what the kernel takes away by itself. It
// compares with the kernel at the end: nil means that everything is as it is to be.
func (m Machine) Apply(ctx context.Context, c *Change) error {
	return m.settle(ctx, &c.After, false)
}

// settle brings the machine to a state. With exact, which is the way back, a step that
// fails keeps no other from being done.
func (m Machine) settle(ctx context.Context, to *State, exact bool) error {
	c, err := netlink.Dial(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer c.Close()
	var failed error
	for round := range rounds {
		now, err := m.read(c)
		if err != nil {
			return err
		}
		todo := steps(now.pick(m, to), to, exact)
		if len(todo) == 0 {
			return nil
		}
		if round == rounds-1 {
			return cmp.Or(failed, fmt.Errorf("%s: it does not stay", todo[0].Text))
		}
		r := &runner{machine: m, conn: c, now: now, through: exact}
		if failed = r.run(ctx, todo); failed != nil && (!exact || ctx.Err() != nil) {
			return failed
		}
	}
	return nil
}

// verify returns what differs from a snapshot, and an IPv6 address that another host
// has too.
func (m Machine) verify(to *snapshot, exact bool) error {
	now, err := m.Read()
	if err != nil {
		return err
	}
	if !to.Made {
		to.leaveOut(now)
	}
	if todo := steps(now.pick(m, &to.State), &to.State, exact); len(todo) > 0 {
		return fmt.Errorf("still to do: %s", todo[0].Text)
	}
	here := keyed(now.Addresses, Address.key)
	for _, a := range to.Addresses {
		if a := here[a.key()]; !exact && a.Flags&unix.IFA_F_DADFAILED != 0 {
			return fmt.Errorf("%v on %s is the address of another host too (duplicate address detection)", a.Prefix.Addr(), a.Link)
		}
	}
	return nil
}

// A runner carries out steps, those of netlink many at a time.
type runner struct {
	machine  Machine
	conn     *netlink.Conn
	now      *State
	enc      encoder
	batch    []Step
	through  bool              // go on behind a failure
	promoted map[string]string // links whose promote_secondaries is set for now, with what it was
}

func (r *runner) run(ctx context.Context, todo []Step) (err error) {
	r.promoted = make(map[string]string)
	defer func() { err = errors.Join(err, r.restorePromotion()) }()
	if err := r.reindex(); err != nil {
		return err
	}
	r.promote(todo)
	var failed error
	for _, s := range todo {
		if err := ctx.Err(); err != nil {
			return err
		}
		failed = cmp.Or(failed, r.step(s))
		if failed != nil && !r.through {
			return failed
		}
	}
	return cmp.Or(failed, r.flush())
}

// step carries out a step, or has it wait for others to be sent with.
func (r *runner) step(s Step) error {
	if s.verb == verbWrite {
		return r.write(s)
	}
	if err := r.enc.encode(s); err != nil {
		return fmt.Errorf("%s: %w", s.Text, err)
	}
	r.batch = append(r.batch, s)
	if _, isLink := s.item.(Link); isLink || r.enc.Len() > 1<<20 {
		return r.flush()
	}
	return nil
}

// reindex learns the numbers of the links.
func (r *runner) reindex() error {
	var s State
	names, err := s.readLinks(r.conn)
	if err != nil {
		return err
	}
	r.enc.index = make(map[string]int, len(names))
	for index, name := range names {
		r.enc.index[name] = index
	}
	return nil
}

// promote lets the other addresses of a network stay where an IPv4 address goes. Where
// /proc/sys cannot be written they go too, and are put back in the next round.
func (r *runner) promote(todo []Step) {
	for _, s := range todo {
		a, ok := s.item.(Address)
		if !ok || s.verb != verbRemove || !a.Prefix.Addr().Is4() {
			continue
		}
		key := promote(a.Link)
		if _, done := r.promoted[key]; done {
			continue
		}
		if old, known, err := readSysctl(key); err == nil && known && old == "0" && writeSysctl(key, "1") == nil {
			r.promoted[key] = old
		}
	}
}

func (r *runner) restorePromotion() error {
	var failed []error
	for key, old := range r.promoted {
		if _, known, _ := readSysctl(key); known { // the link may be gone
			failed = append(failed, writeSysctl(key, old))
		}
	}
	return errors.Join(failed...)
}

// write carries out a step that is a file.
func (r *runner) write(s Step) error {
	failed := r.flush()
	if failed != nil && !r.through {
		return failed
	}
	var err error
	switch item := s.item.(type) {
	case Sysctl:
		if _, known, _ := readSysctl(item.Key); known { // else it is of a link or a protocol that is not there
			err = writeSysctl(item.Key, item.Value)
		}
	case DNS:
		err = r.machine.writeDNS(item)
	}
	return cmp.Or(failed, err)
}

// flush sends what was encoded. Steps that others have done meanwhile are done; the
// next round compares.
func (r *runner) flush() error {
	if len(r.batch) == 0 {
		return nil
	}
	batch := r.batch
	describe := func(i int) (string, string) { return batch[i].Text, "" }
	var first error
	err := r.conn.ExecuteEach(&r.enc.Encoder, func(i int, err error) bool {
		err = r.forgive(batch[i], err)
		if first == nil && err != nil {
			first = explain(batch[i], err)
		}
		return first == nil || r.through
	}, describe)
	r.enc.Reset()
	r.batch = nil
	if err = errors.Join(first, err); err != nil {
		return err
	}
	links := slices.ContainsFunc(batch, func(s Step) bool {
		_, link := s.item.(Link)
		return link && (s.verb == verbAdd || s.verb == verbRemove)
	})
	if links {
		return r.reindex()
	}
	return nil
}

// forgive returns nil for a step that somebody else, or the kernel, has done.
func (r *runner) forgive(s Step, err error) error {
	switch {
	case (s.verb == verbAdd || s.verb == verbAppend || s.verb == verbPrepend) && errors.Is(err, unix.EEXIST):
		if _, isLink := s.item.(Link); isLink {
			return err
		}
		return nil
	case s.verb == verbRemove && (errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO)):
		return nil
	case s.verb == verbMAC && errors.Is(err, unix.EBUSY):
		return r.macWhileDown(s)
	}
	return err
}

// macWhileDown sets the hardware address of a link whose driver refuses it while the
// link is up. What the link loses by going down is put back in the next round.
func (r *runner) macWhileDown(s Step) error {
	l := s.item.(Link)
	var e encoder
	e.index = r.enc.index
	for _, v := range []verb{verbDown, verbMAC, verbUp} {
		if err := e.link(v, l); err != nil {
			return err
		}
	}
	return r.conn.Execute(&e.Encoder, netlink.Named(s.Text, ""))
}

// explain adds what the kernel's errno means for the step.
func explain(s Step, err error) error {
	l, isLink := s.item.(Link)
	switch {
	case isLink && s.verb == verbAdd && (errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENODEV) && l.Lower == ""):
		return &sys.OpError{Op: s.Text, Err: sys.ErrUnsupported, Message: "this kernel has no " + l.Kind + " links (module " + l.Kind + ")"}
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w; it needs CAP_NET_ADMIN: run it as root", err)
	}
	return err
}
