package kernel

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"wirelab/firewall"
	"wirelab/internal/netlink"
)

// maxRemembered is how many new rules a change may have after which the table is known
// without reading it: the kernel tells each of them with all its parts.
const maxRemembered = 64

// present returns the table of a Program: as it was known last where the ruleset is still
// of that generation, else as the kernel lists it.
func (k *Kernel) present(p *firewall.Program) (*State, error) {
	if s := k.last; s != nil && s.Program.Family == p.Family && s.Program.Table == p.Table {
		if now, err := k.Generation(); err != nil || now == s.Generation {
			return s, err
		}
	}
	s, err := k.read(newReader(k.conn, true), p)
	k.last = s
	return s, err
}

// remembered reports whether the table will be known once the plan is carried out: few
// rules come or go, and nothing else.
func (p *Plan) remembered() bool {
	other := len(p.dropElements) + len(p.addElements) + len(p.dropSets) + len(p.addSets) + len(p.dropChains) + len(p.addChains) + len(p.policies)
	return p.Atomic() && !p.table && other == 0 && len(p.addRules) <= maxRemembered
}

// handleOf returns the handle of the rule that a message is about.
func handleOf(m netlink.Message) uint64 {
	if b := attribute(m, unix.NFTA_RULE_HANDLE); len(b) == 8 {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// after returns the table as it is once a plan for s that is remembered has been carried
// out. The handles are those of its new rules.
func (s *State) after(p *Plan, handles []uint64) *State {
	next := *s
	next.Generation++
	next.listed = nil
	next.Program.Chains, next.rules = slices.Clone(s.Program.Chains), slices.Clone(s.rules)
	gone, coming := map[uint64]bool{}, map[position][]int{}
	for _, step := range p.dropRules {
		gone[step.handle] = true
	}
	for i, step := range p.addRules {
		at := position{step.chain, step.handle}
		coming[at] = append(coming[at], i)
	}
	for i := range next.Program.Chains {
		c := &next.Program.Chains[i]
		old, room := c.Rules, len(c.Rules)+len(handles)
		c.Rules, next.rules[i] = make([]firewall.Rule, 0, room), make([]known, 0, room)
		for j, k := range append(slices.Clip(s.rules[i]), known{}) { // the last: the end of the chain
			for _, n := range coming[position{c.Name, k.handle}] {
				c.Rules = append(c.Rules, *p.addRules[n].rule)
				next.rules[i] = append(next.rules[i], known{handles[n], true})
			}
			if j < len(old) && !gone[k.handle] {
				c.Rules = append(c.Rules, old[j])
				next.rules[i] = append(next.rules[i], k)
			}
		}
	}
	return &next
}

// position is where a rule comes: before the one with the handle, 0 for the end.
type position struct {
	chain  string
	handle uint64
}
