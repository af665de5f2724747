package kernel

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wirelab/firewall"
)

// edited returns a copy of the program with some rules gone, new or changed.
func (g *generator) edited(p *firewall.Program) *firewall.Program {
	next := *p
	next.Chains = slices.Clone(p.Chains)
	for range 1 + g.IntN(3) {
		c := &next.Chains[g.IntN(3)]
		at := g.IntN(len(c.Rules) + 1)
		switch {
		case at < len(c.Rules) && g.chance(40):
			c.Rules = slices.Delete(slices.Clone(c.Rules), at, at+1)
		default:
			r := g.rule(c.Hook)
			r.Verdict.Chain = "sub"
			c.Rules = slices.Insert(slices.Clone(c.Rules), at, r)
		}
	}
	next.Rehash()
	return &next
}

// What is remembered after a change of a few rules is what the kernel lists.
func TestRemembersWhatItChanged(t *testing.T) {
	_, k := namespace(t)
	remembered := 0
	for seed := range uint64(40) {
		g := newGenerator(seed)
		p := g.next()
		mustApply(t, k, p)
		for range 6 {
			p = g.edited(p)
			plan, err := k.Plan(p)
			if err == nil {
				err = k.Apply(plan)
			}
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if k.last == nil || plan.Empty() {
				continue
			}
			remembered++
			checkRemembered(t, k, p)
		}
	}
	if remembered < 100 {
		t.Errorf("only %d changes were remembered", remembered)
	}
}

func checkRemembered(t *testing.T, k *Kernel, p *firewall.Program) {
	t.Helper()
	listed, err := k.read(newReader(k.conn, true), p)
	if err != nil {
		t.Fatal(err)
	}
	if listed.Generation != k.last.Generation {
		t.Errorf("generation %d is remembered as %d", listed.Generation, k.last.Generation)
	}
	for i, rules := range listed.rules {
		handles := func(rules []known) (all []uint64) {
			for _, r := range rules {
				all = append(all, r.handle)
			}
			return all
		}
		if diff := cmp.Diff(handles(rules), handles(k.last.rules[i])); diff != "" {
			t.Fatalf("chain %s: handles (-listed +remembered): %s", p.Chains[i].Name, diff)
		}
		for n := range rules {
			if is, was := &listed.Program.Chains[i].Rules[n], &k.last.Program.Chains[i].Rules[n]; is.Hash != was.Hash || is.Place != was.Place {
				t.Errorf("chain %s: rule %d is %v %x, remembered as %v %x", p.Chains[i].Name, n, is.Place, is.Hash, was.Place, was.Hash)
			}
		}
	}
}

// A snapshot of what is remembered is what the kernel has, and a change by anybody else is seen.
func TestRemembersNothingOthersChanged(t *testing.T) {
	n, k := namespace(t)
	p := manyRules(3)
	mustApply(t, k, p)
	p.Chains[0].Rules[1].Verdict.Kind = firewall.Drop
	p.Rehash()
	if err := k.Apply(mustPlan(t, k, p)); err != nil || k.last == nil {
		t.Fatalf("%v; remembered: %v", err, k.last != nil)
	}
	plan, err := k.Plan(p)
	if err != nil || !plan.Empty() {
		t.Fatalf("%v, %+v", err, plan)
	}
	before, err := plan.Before()
	saved, err2 := k.Save(p)
	if err != nil || err2 != nil || !slices.Equal(before, saved) {
		t.Errorf("%v, %v: the snapshot has %d bytes, not %d", err, err2, len(before), len(saved))
	}
	nft(t, n, "insert", "rule", "inet", "wirelab", "input", "accept")
	if plan, err = k.Plan(p); err != nil || len(plan.Changes) != 1 {
		t.Errorf("%v, %+v", err, plan)
	}
}
