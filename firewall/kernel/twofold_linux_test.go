package kernel

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"wirelab/firewall"
	"wirelab/firewall/firewalltest"
	"wirelab/internal/netlink"
)

// mapped returns a program whose rules become one map of ranges, which jumps to a chain.
func mapped(t testing.TB, ports ...int) *firewall.Program {
	var b strings.Builder
	b.WriteString("firewall:\n  policy: {in: drop}\n  implicit: none\n  counters: true\n  in:\n")
	for _, port := range ports {
		fmt.Fprintf(&b, "    - accept udp/%d from 127.0.0.0/8\n", port)
	}
	b.WriteString("    - jump other udp/1 from 10.0.0.0/8\n    - drop\n  chains: {other: [drop]}\n")
	_, p := firewalltest.Compile(t, b.String())
	return p
}

// Elements of a map of ranges that stay keep what they have counted, though the map is another.
func TestElementsOfRangesKeepTheirCounts(t *testing.T) {
	n, k := namespace(t)
	mustApply(t, k, mapped(t, 9, 10))
	discard(t, n)
	p := mapped(t, 9, 11)
	plan := mustPlan(t, k, p)
	told := 0
	for _, c := range plan.Changes {
		if !c.Map {
			told++
		}
	}
	if told != 2 || plan.Kept != 4 {
		t.Errorf("%d changes are told, %d rules kept: %+v", told, plan.Kept, plan.Changes)
	}
	if err := k.Apply(plan); err != nil {
		t.Fatal(err)
	}
	live, err := k.Read(p)
	if err != nil || len(live.Program.Sets) != 1 {
		t.Fatal(live.Program.Sets, err)
	}
	for _, e := range live.Program.Sets[0].Elements {
		if want := strings.Contains(e.Text, "udp/9 "); want != (e.Seen == firewall.Traffic{Packets: 1, Bytes: 29}) {
			t.Errorf("%s has counted %+v", e.Text, e.Seen)
		}
	}
}

// A process that is killed between the two transactions leaves a map behind that no rule
// uses. The next plan takes it, or takes it away; a guard takes it back.
func TestKilledBetweenTransactions(t *testing.T) {
	_, k := namespace(t)
	killed := func(p *firewall.Program) {
		plan := mustPlan(t, k, p)
		w := newWriter(p)
		w.steps(&plan.ahead)
		if err := k.conn.Commit(w.Batch, 0, w.describe); err != nil || w.Count() == 0 {
			t.Fatal(w.Count(), err)
		}
	}
	for name, before := range map[string]*firewall.Program{"no table": nil, "a table": mapped(t, 9)} {
		for _, then := range []*firewall.Program{mapped(t, 9, 10), mapped(t, 11), manyRules(3)} {
			if err := k.Remove(mapped(t)); err != nil {
				t.Fatal(err)
			}
			if before != nil {
				mustApply(t, k, before)
			}
			saved, err := k.Save(then)
			if err != nil {
				t.Fatal(err)
			}
			killed(mapped(t, 9, 10))
			if err := k.Restore(then, saved); err != nil {
				t.Fatal(err)
			}
			if err := k.Verify(then, saved); err != nil {
				t.Error(name, err)
			}
			killed(mapped(t, 9, 10))
			plan := mustPlan(t, k, then)
			if err := k.Apply(plan); err != nil {
				t.Fatal(name, err)
			}
			if again := mustPlan(t, k, then); !again.Empty() {
				t.Errorf("%s: %+v is left to do", name, again.Changes[0])
			}
			if now, err := k.Generation(); now != plan.Applied() {
				t.Errorf("generation %d, not %d: %v", now, plan.Applied(), err)
			}
		}
	}
}

// What was made ahead goes when the rest fails.
func TestMadeAheadForNothing(t *testing.T) {
	_, k := namespace(t)
	for _, before := range []*firewall.Program{nil, mapped(t, 9)} {
		if before != nil {
			mustApply(t, k, before)
		}
		was, err := k.Save(mapped(t))
		if err != nil {
			t.Fatal(err)
		}
		p := mapped(t, 9, 10)
		p.Chains[0].Rules = append(p.Chains[0].Rules, firewall.Rule{Verdict: firewall.Verdict{Kind: firewall.Jump, Chain: "missing"}})
		if err := k.Apply(mustPlan(t, k, p)); err == nil {
			t.Error("a rule jumps to a chain that is missing")
		}
		if err := k.Verify(p, was); err != nil {
			t.Error(err)
		}
	}
}

// Another program that changes the ruleset between the two transactions is noticed.
func TestChangedBetweenTransactions(t *testing.T) {
	n, k := namespace(t)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- n.Do(func() error {
			other, err := Open()
			if err != nil {
				return err
			}
			defer other.Close()
			for i := 0; err == nil; i++ {
				select {
				case <-stop:
					return nil
				case <-time.After(300 * time.Microsecond):
				}
				w := newWriter(&firewall.Program{Family: firewall.AnyFamily, Table: "other"})
				w.addTable()
				if i%2 == 1 {
					w.deleteTable()
				}
				err = other.conn.Commit(w.Batch, 0, w.describe)
			}
			return err
		})
	}()
	changed := 0
	for i := range 100 {
		was, err := k.Save(mapped(t))
		if err != nil {
			t.Fatal(err)
		}
		plan, err := k.Plan(mapped(t, 9, 10+i))
		if err == nil {
			err = k.Apply(plan)
		}
		if errors.Is(err, netlink.ErrChanged) {
			changed++
			err = k.Verify(mapped(t), was)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
	t.Logf("changed since: %d of 100", changed)
}
