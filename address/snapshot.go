package address

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

const snapshotSchema = "wirelab.address.snapshot/1"

// A snapshot is a state as guard keeps it.
type snapshot struct {
	Schema string `json:"schema"`
	Made   bool   `json:"made,omitempty"` // what a change made, all of which is to be there
	State
}

// Snapshot returns a state in the form that Restore, Verify and Again take.
func (s *State) Snapshot() ([]byte, error) {
	return json.Marshal(snapshot{Schema: snapshotSchema, State: *s})
}

var errSnapshot = errors.New("not a snapshot of this version of the program")

func parseSnapshot(text []byte) (*snapshot, error) {
	var s snapshot
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", errSnapshot, err)
	}
	if s.Schema != snapshotSchema {
		return nil, fmt.Errorf("%w: form %q", errSnapshot, s.Schema)
	}
	return &s, nil
}

// Again returns the present state of the objects of an earlier snapshot, after the change.
func (m Machine) Again(_ context.Context, like []byte) ([]byte, error) {
	s, err := parseSnapshot(like)
	if err != nil {
		return nil, err
	}
	now, err := m.Read()
	if err != nil {
		return nil, err
	}
	again := now.pick(m, &s.State)
	again.refind(&s.State)
	return json.Marshal(snapshot{snapshotSchema, true, *again})
}

// refind marks as found what was found in an earlier snapshot, and drops what was not
// there at all then, since others made it, and what was found with a lifetime.
func (s *State) refind(earlier *State) {
	addresses := keyed(earlier.Addresses, Address.key)
	s.Addresses = slices.DeleteFunc(s.Addresses, func(a Address) bool { _, ok := addresses[a.key()]; return !ok })
	for i, a := range s.Addresses {
		s.Addresses[i].Found = addresses[a.key()].Found
	}
	s.Addresses = slices.DeleteFunc(s.Addresses, func(a Address) bool { return a.Found && a.Valid != Forever })
	routes := keyed(earlier.Routes, Route.key)
	s.Routes = slices.DeleteFunc(s.Routes, func(r Route) bool { _, ok := routes[r.key()]; return !ok })
	for i, r := range s.Routes {
		s.Routes[i].Found = routes[r.key()].Found
	}
	s.Routes = slices.DeleteFunc(s.Routes, func(r Route) bool { return r.Found && r.Expires != 0 })
	sysctls := keyed(earlier.Sysctls, Sysctl.key)
	s.Sysctls = slices.DeleteFunc(s.Sysctls, func(c Sysctl) bool { return sysctls[c.Key].Found })
}

// Restore makes the state of a snapshot the present one again, but for links that were
// pulled out meanwhile and what belongs to them.
func (m Machine) Restore(ctx context.Context, text []byte) error {
	s, err := parseSnapshot(text)
	if err != nil {
		return err
	}
	now, err := m.Read()
	if err != nil {
		return err
	}
	s.leaveOut(now)
	return m.settle(ctx, &s.State, true)
}

// Verify reads the state and says what differs from a snapshot; nil: nothing does. Links
// that are not there are no difference from what there was before a change.
func (m Machine) Verify(_ context.Context, text []byte) error {
	s, err := parseSnapshot(text)
	if err != nil {
		return err
	}
	return m.verify(s, false)
}

// Combine lays snapshots over each other: of an object that several have, the last
// one counts. With named, what was only found is left out: it is what there happened
// to be, such as an address of DHCP, and not what anybody asked for.
func Combine(texts [][]byte, named bool) ([]byte, error) {
	var all State
	for _, text := range texts {
		s, err := parseSnapshot(text)
		if err != nil {
			return nil, err
		}
		all.lay(&s.State, named)
	}
	return all.Snapshot()
}

func (s *State) lay(over *State, named bool) {
	s.Links = lay(s.Links, over.Links, func(l Link) string { return l.Name }, func(Link) bool { return false })
	s.Addresses = lay(s.Addresses, over.Addresses, Address.key, func(a Address) bool { return named && a.Found })
	s.Routes = lay(s.Routes, over.Routes, Route.key, func(r Route) bool { return named && r.Found })
	s.Rules = lay(s.Rules, over.Rules, Rule.key, func(Rule) bool { return false })
	s.Sysctls = lay(s.Sysctls, over.Sysctls, Sysctl.key, func(c Sysctl) bool { return named && c.Found })
	if over.DNS != nil {
		s.DNS = over.DNS
	}
}

func lay[K comparable, T any](under, over []T, key func(T) K, skip func(T) bool) []T {
	over = slices.DeleteFunc(slices.Clone(over), skip)
	hidden := keyed(over, key)
	under = slices.DeleteFunc(slices.Clone(under), func(item T) bool { _, ok := hidden[key(item)]; return ok })
	return append(under, over...)
}

// ChangeTo returns the change that leads from the present state to that of a snapshot,
// and the links of the snapshot that are not there and cannot be created, which it
// leaves out.
func (m Machine) ChangeTo(now *State, text []byte) (c *Change, missing []string, err error) {
	s, err := parseSnapshot(text)
	if err != nil {
		return nil, nil, err
	}
	missing = s.leaveOut(now)
	c, _ = changeTo(m, &s.State, now)
	return c, missing, nil
}

// leaveOut drops what cannot be because its link is not there.
func (s *State) leaveOut(now *State) (missing []string) {
	gone := func(name string) bool {
		l := s.link(name)
		return name != "" && now.link(name) == nil && (l == nil || l.Absent || !l.makable())
	}
	for name := range s.touched() {
		if gone(name) && (s.link(name) == nil || !s.link(name).Absent) {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	s.Addresses = slices.DeleteFunc(s.Addresses, func(a Address) bool { return gone(a.Link) })
	s.Routes = slices.DeleteFunc(s.Routes, func(r Route) bool {
		return slices.ContainsFunc(r.Hops, func(h Hop) bool { return gone(h.Link) })
	})
	s.Sysctls = slices.DeleteFunc(s.Sysctls, func(c Sysctl) bool { return slices.Contains(missing, c.link()) })
	s.Links = slices.DeleteFunc(s.Links, func(l Link) bool { return slices.Contains(missing, l.Name) })
	return missing
}
