package kernel

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"wirelab/firewall"
)

func mustSave(t *testing.T, k *Kernel, p *firewall.Program) []byte {
	t.Helper()
	snapshot, err := k.Save(p)
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

func TestRestoreBringsBackExactly(t *testing.T) {
	n, k := namespace(t)
	for seed := range uint64(40) {
		g := newGenerator(seed)
		p := g.next()
		mustApply(t, k, p)
		listed := nft(t, n, "list", "ruleset")
		saved := mustSave(t, k, p)
		mustApply(t, k, g.next())
		if k.Verify(p, saved) == nil && nft(t, n, "list", "ruleset") != listed {
			t.Fatal("another table verifies")
		}
		if err := k.Restore(p, saved); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := k.Verify(p, saved); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		if again := nft(t, n, "list", "ruleset"); again != listed {
			t.Fatalf("seed %d: restored\n%s\nsaved\n%s", seed, again, listed)
		}
	}
}

// Whatever somebody else put into the table comes back as well, counters included.
func TestRestoreOfForeignRules(t *testing.T) {
	n, k := namespace(t)
	p := newGenerator(1).next()
	mustApply(t, k, p)
	nft(t, n, "add rule inet wirelab in counter packets 7 bytes 700 meta cpu 3 tcp dport { 1, 2, 3-9 } accept")
	nft(t, n, "add counter inet wirelab named")
	nft(t, n, "add rule inet wirelab in counter name named drop")
	listed := nft(t, n, "list", "ruleset")
	saved := mustSave(t, k, p)
	mustApply(t, k, p)
	if strings.Contains(nft(t, n, "list", "ruleset"), "cpu 3") {
		t.Fatal("the foreign rule is still there")
	}
	if err := errors.Join(k.Restore(p, saved), k.Verify(p, saved)); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"packets 7 bytes 700 meta cpu 3", "counter name \"named\" drop"} {
		if again := nft(t, n, "list", "ruleset"); !strings.Contains(again, words) {
			t.Errorf("restored without %q:\n%s\nsaved\n%s", words, again, listed)
		}
	}
}

func TestRestoreOfNothingRemovesTheTable(t *testing.T) {
	n, k := namespace(t)
	nft(t, n, "add table inet other")
	p := newGenerator(1).next()
	saved := mustSave(t, k, p)
	mustApply(t, k, p)
	if err := errors.Join(k.Restore(p, saved), k.Verify(p, saved)); err != nil {
		t.Fatal(err)
	}
	if left := strings.TrimSpace(nft(t, n, "list", "ruleset")); left != "table inet other {\n}" {
		t.Errorf("left: %s", left)
	}
}

func TestBadSnapshotsChangeNothing(t *testing.T) {
	n, k := namespace(t)
	p := newGenerator(1).next()
	mustApply(t, k, p)
	saved := mustSave(t, k, p)
	listed := nft(t, n, "list", "ruleset")
	other := *p
	other.Table = "other"
	for _, bad := range [][]byte{saved[:len(saved)-1], saved[:30], []byte("{}"), append([]byte{0}, saved...)} {
		if err := k.Restore(p, bad); !errors.Is(err, ErrSnapshot) {
			t.Errorf("error %v", err)
		}
	}
	if err := k.Restore(&other, saved); !errors.Is(err, ErrSnapshot) {
		t.Errorf("error %v", err)
	}
	if nft(t, n, "list", "ruleset") != listed {
		t.Error("something has changed")
	}
}

// What a plan says of the table before and after is what is then saved.
func TestSnapshotsOfAPlan(t *testing.T) {
	n, k := namespace(t)
	for seed := range uint64(40) {
		g := newGenerator(seed)
		for range 3 {
			p := g.next()
			saved := mustSave(t, k, p)
			plan := mustPlan(t, k, p)
			if before, err := plan.Before(); err != nil || !slices.Equal(lasting(before), lasting(saved)) {
				t.Fatalf("seed %d: %d bytes before, %d saved, %v", seed, len(before), len(saved), err)
			}
			after := plan.After()
			if err := k.Apply(plan); err != nil {
				t.Fatal(err)
			}
			if err := k.Verify(p, after); err != nil && plan.Moved == 0 {
				t.Fatalf("seed %d: %v\n%s", seed, err, nft(t, n, "list", "ruleset"))
			}
			if err := errors.Join(k.Restore(p, after), k.Verify(p, after)); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if left := mustPlan(t, k, p); !left.Empty() {
				t.Fatalf("seed %d: restored, and left to do: %+v", seed, left.Changes[0])
			}
		}
	}
}
