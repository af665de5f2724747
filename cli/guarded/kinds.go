package guarded

import (
	"context"

	"wirelab/address"
	"wirelab/firewall"
	"wirelab/firewall/kernel"
	"wirelab/guard"
)

// The names of what can be changed, as sections of the configuration and in journals.
const (
	Addresses = "addresses"
	Firewall  = "firewall"
)

// A Change is what a command makes of one kind of thing.
type Change struct {
	Kind  string
	Title string // one line for people
	// Save returns the state before the change; nil: all that the kind knows.
	Save func() ([]byte, error)
	// Apply makes the change; what is not as asked for afterwards is an error.
	Apply func(ctx context.Context) error
	// After returns the state that Apply leads to; nil: it is saved then.
	After func() []byte
	// Atomic: the kernel does it whole or not at all, so that with --yes nobody needs
	// to be there to take it back.
	Atomic bool
}

// A kind is what can be changed, and how it goes back to what was.
type kind struct {
	name    string
	verb    string // the group of commands
	subject guard.Subject
	// to returns the change that leads to confirmed states, laid over each other: of
	// what several have, the last one counts. It tells note what it had to leave out.
	to func(snapshots [][]byte, note func(format string, args ...any)) (*Change, error)
	// unit are the lines of the systemd unit that say when in the boot it has its turn.
	unit string
}

// kinds is the table of all that can be changed.
func kinds() []kind {
	return []kind{
		{Addresses, "address", addressSubject(), toAddresses, addressUnit},
		{Firewall, "firewall", firewallSubject(), toFirewall, firewallUnit},
	}
}

func kindOf(name string) kind {
	for _, k := range kinds() {
		if k.name == name {
			return k
		}
	}
	panic("guarded: no kind " + name)
}

func addressSubject() guard.Subject {
	m := address.Machine{}
	return guard.Subject{Kind: Addresses, Save: m.Again, Restore: m.Restore, Verify: m.Verify}
}

func firewallSubject() guard.Subject {
	save, restore, verify := kernel.Snapshots(&firewall.Program{Family: firewall.AnyFamily, Table: firewall.TableName})
	return guard.Subject{Kind: Firewall, Restore: restore, Verify: verify, Save: func(ctx context.Context, _ []byte) ([]byte, error) {
		return save(ctx)
	}}
}

func toAddresses(snapshots [][]byte, note func(string, ...any)) (*Change, error) {
	m := address.Machine{}
	now, err := m.Read()
	if err != nil {
		return nil, err
	}
	text, err := address.Combine(snapshots, true)
	if err != nil {
		return nil, err
	}
	change, missing, err := m.ChangeTo(now, text)
	if err != nil {
		return nil, err
	}
	for _, link := range missing {
		note("wirelab: link %s is not there; what was confirmed for it is left out", link)
	}
	return OfAddresses(change), nil
}

// OfAddresses makes a Change of one of package address.
func OfAddresses(c *address.Change) *Change {
	m := address.Machine{}
	return &Change{
		Kind: Addresses, Title: c.Title(), Save: c.Before.Snapshot,
		Apply: func(ctx context.Context) error { return m.Apply(ctx, c) },
	}
}

// toFirewall restores the last of the snapshots, each of which is the whole table.
func toFirewall(snapshots [][]byte, _ func(string, ...any)) (*Change, error) {
	last := snapshots[len(snapshots)-1]
	s := firewallSubject()
	return &Change{
		Kind: Firewall, Title: "a confirmed firewall", Atomic: true,
		Apply: func(ctx context.Context) error {
			if err := s.Restore(ctx, last); err != nil {
				return err
			}
			return s.Verify(ctx, last)
		},
	}, nil
}
