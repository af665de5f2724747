package kernel

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wirelab/firewall"
	"wirelab/internal/sys"
	"wirelab/internal/sys/netns"
)

// namespace makes a namespace and connects to its ruleset.
func namespace(t testing.TB) (*netns.Namespace, *Kernel) {
	t.Helper()
	n, err := netns.New()
	if errors.Is(err, sys.ErrNotPermitted) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	var k *Kernel
	if err := n.Do(func() (err error) {
		k, err = Open()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return n, k
}

// mustPlan plans for what the kernel says, never for what is remembered.
func mustPlan(t testing.TB, k *Kernel, p *firewall.Program) *Plan {
	t.Helper()
	k.last = nil
	plan, err := k.Plan(p)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func mustApply(t testing.TB, k *Kernel, p *firewall.Program) {
	t.Helper()
	if err := k.Apply(mustPlan(t, k, p)); err != nil {
		t.Fatal(err)
	}
}

// nft runs nft in the namespace.
func nft(t testing.TB, n *netns.Namespace, arguments ...string) string {
	t.Helper()
	var out []byte
	if err := n.Do(func() (err error) {
		out, err = exec.Command("nft", arguments...).CombinedOutput()
		return err
	}); err != nil {
		t.Fatalf("nft %s: %v: %s", strings.Join(arguments, " "), err, out)
	}
	return string(out)
}

// What has been applied reads back as the same; any two programs one after the
// other leave exactly the second.
func TestAppliedReadsBackEqual(t *testing.T) {
	n, k := namespace(t)
	for seed := range uint64(200) {
		p := newGenerator(seed).next()
		mustApply(t, k, p)
		plan := mustPlan(t, k, p)
		if plan.Empty() {
			continue
		}
		for _, c := range plan.Changes {
			t.Logf("%c %s %s %q %s", c.Action, c.Kind, c.In, c.Text, c.Place)
			if c.Rule != nil {
				t.Log(cmp.Diff(c.Rule, &firewall.Rule{}))
			}
		}
		t.Log(nft(t, n, "list", "ruleset"))
		t.Fatalf("seed %d: %d changes after it was applied", seed, len(plan.Changes))
	}
}

// Rules read back byte by byte as they were written, so that they are known without
// being understood; apart from the few that the kernel lists in another form.
func TestSealsHold(t *testing.T) {
	_, k := namespace(t)
	for seed := range uint64(60) {
		p := newGenerator(seed).next()
		mustApply(t, k, p)
		live, err := k.read(newReader(k.conn, true), p)
		if err != nil {
			t.Fatal(err)
		}
		for i, rules := range live.rules {
			for n, rule := range rules {
				if e := live.Program.Chains[i].Rules[n].Effects; !rule.sealed && !e.ClampMSS {
					t.Errorf("seed %d: no seal of %+v", seed, live.Program.Chains[i].Rules[n])
				}
			}
		}
	}
}

// A large set is made with room to grow by half, and is defined anew beyond that.
func TestSetsGrowBeyondTheirRoom(t *testing.T) {
	_, k := namespace(t)
	for _, test := range []struct {
		count int
		anew  bool
	}{{2000, false}, {3000, false}, {3001, true}, {4501, false}, {4502, true}, {10, false}} {
		p := manyAddresses(test.count, false)
		plan := mustPlan(t, k, p)
		anew := slices.ContainsFunc(plan.Changes, func(c Change) bool { return c.Kind == Set && c.Action == Modify })
		if anew != test.anew {
			t.Errorf("%d elements: the set is defined anew: %v", test.count, anew)
		}
		if err := k.Apply(plan); err != nil {
			t.Fatalf("%d elements: %v", test.count, err)
		}
		if again := mustPlan(t, k, p); !again.Empty() {
			t.Errorf("%d elements: %+v is left to do", test.count, again.Changes[0])
		}
	}
}
