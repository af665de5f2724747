package trial

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"wirelab/firewall"
	"wirelab/firewall/kernel"
	"wirelab/firewall/simulate"
)

// While one policy after the other is applied, rule by rule, a storm of packets
// sees of each packet the verdict of one of the policies that can be in force, and
// never that of a mixture; but for one packet at most that was under way when a batch took
// effect: its rules are then those of the old generation (nft_do_chain), and the elements of
// sets those of the new one (nft_genmask_cur). A batch changes the policies of chains first: when they came
// last, dozens of packets met the new rules with the old policy.
func TestStormDuringApplies(t *testing.T) {
	const applies = 100
	h := mustNew(t)
	programs := make([]*firewall.Program, applies+1)
	simulators := make([]*simulate.Simulator, applies+1)
	g := newGenerator(4711)
	for i := range programs {
		policy := g.policy()
		for strings.Contains(policy, "  nat:\n") { // NAT decides before the filter does, by itself
			policy = g.policy()
		}
		program, text, err := possible(policy)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		programs[i], simulators[i] = program, simulate.New(proofHost(), program)
	}
	packets := make([]Packet, 200)
	for i := range packets {
		packets[i] = g.packet()
	}
	if err := h.Load(programs[0]); err != nil {
		t.Fatal(err)
	}
	var begun, done atomic.Int64
	finished := make(chan error, 1)
	go func() { finished <- h.Do(func() error { return applyAll(programs, &begun, &done) }) }()
	torn := 0
	for storms := 0; ; storms++ {
		from := done.Load()
		outcomes, err := h.Try(packets)
		if err != nil {
			t.Fatal(err)
		}
		to := begun.Load()
		for i := range outcomes {
			if !possibleOutcome(simulators[from:to+1], &packets[i], outcomes[i]) {
				torn++
				t.Logf("between policies %d and %d, %+v: %+v", from, to, packets[i], outcomes[i])
			}
		}
		select {
		case err := <-finished:
			if err != nil {
				t.Error(err)
			}
			if torn > 1 {
				t.Errorf("%d packets got a verdict that is neither the old nor the new", torn)
			}
			t.Logf("%d storms of %d packets, %d torn", storms, len(packets), torn)
			return
		default:
		}
	}
}

// applyAll applies one program after the other, and says which has begun, and which
// is done.
func applyAll(programs []*firewall.Program, begun, done *atomic.Int64) error {
	k, err := kernel.Open()
	if err != nil {
		return err
	}
	defer k.Close()
	for i := 1; i < len(programs); i++ {
		plan, err := k.Plan(programs[i])
		if err != nil {
			return err
		}
		begun.Store(int64(i))
		if err := k.Apply(plan); err != nil {
			return fmt.Errorf("apply %d: %w", i, err)
		}
		done.Store(int64(i))
	}
	return nil
}

// possibleOutcome reports whether one of the policies accepts, or does not accept,
// as it came out.
func possibleOutcome(in []*simulate.Simulator, p *Packet, o Outcome) bool {
	for _, s := range in {
		a := s.Ask(p.question())
		if (a.Verdict == firewall.Accept) == o.Accepted {
			return true
		}
	}
	return false
}
