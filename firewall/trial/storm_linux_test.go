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

const storms = 100 // policies that are applied during a storm

// While one policy after the other is applied, a storm of packets sees of each the verdict
// of one of the policies that can be in force, and not that of a mixture; but for the packet
// that a processor is just deciding when a batch takes effect. The kernel chooses the rules of
// a chain when a packet enters it (nft_do_chain); what they look up in sets that stay, and the
// policy at their end, is that of the moment (nft_genmask_cur, nft_base_chain_policy).
// It is so for everybody: of these policies nft -f tears one packet in six changes.
func TestStormDuringApplies(t *testing.T) {
	g := newGenerator(4710 + *proofSeed)
	var programs []*firewall.Program
	for len(programs) <= storms {
		policy := g.policy()
		if strings.Contains(policy, "  nat:\n") { // NAT decides before the filter does, by itself
			continue
		}
		program, text, err := possible(policy)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		programs = append(programs, program)
	}
	packets := make([]Packet, 200)
	for i := range packets {
		packets[i] = g.packet()
	}
	if torn := storm(t, programs, packets); torn > 1 {
		t.Errorf("%d packets got a verdict that is neither the old nor the new", torn)
	}
}

// Where rules alone change, no packet ever meets a mixture.
func TestStormOfRules(t *testing.T) {
	var programs []*firewall.Program
	for i := range storms + 1 {
		var rules strings.Builder
		for n := range 100 { // none of which is in two policies that follow one another
			fmt.Fprintf(&rules, "    - drop udp/%d from 10.9.%d.%d%s\n", 1000+n, n, i%2+1, []string{"", " on eth0"}[n%2])
		}
		rules.WriteString([]string{"    - accept udp/7 on eth0\n", "    - accept udp/7 from 10.64.37.0/24\n"}[i%2])
		program, errs := compile("firewall:\n  policy: {in: drop}\n  in:\n" + rules.String())
		if errs != nil || len(program.Sets) > 0 {
			t.Fatal(errs, program.Sets)
		}
		programs = append(programs, program)
	}
	packets := make([]Packet, 200)
	for i := range packets {
		packets[i] = Packet{Protocol: 17, Source: addr("10.64.37.9"), Destination: addr("10.64.37.35"), In: "eth0", SourcePort: 50000, DestinationPort: 7}
	}
	if torn := storm(t, programs, packets); torn > 0 {
		t.Errorf("%d packets were dropped that all policies accept", torn)
	}
}

// Maps of ranges come, change and go together with rules: in two policies of three an element
// of the map accepts the packet, in the third a rule without a map.
func TestStormOfMaps(t *testing.T) {
	var programs []*firewall.Program
	for i := range storms + 1 {
		var rules strings.Builder
		for n := range 200 {
			switch {
			case i%3 == 2:
			case n == 100:
				rules.WriteString("    - accept udp/7 from 10.64.37.0/24\n")
			default:
				fmt.Fprintf(&rules, "    - drop udp/%d from 10.%d.%d.0/24\n", 1000+n, i%3+9, n)
			}
		}
		if i%3 == 2 {
			rules.WriteString("    - accept udp/7 on eth0\n")
		}
		program, errs := compile("firewall:\n  policy: {in: drop}\n  in:\n" + rules.String())
		if errs != nil {
			t.Fatal(errs)
		}
		programs = append(programs, program)
	}
	packets := make([]Packet, 200)
	for i := range packets {
		packets[i] = Packet{Protocol: 17, Source: addr("10.64.37.9"), Destination: addr("10.64.37.35"), In: "eth0", SourcePort: 50000, DestinationPort: 7}
	}
	if torn := storm(t, programs, packets); torn > 0 {
		t.Errorf("%d packets were dropped that all policies accept", torn)
	}
}

// storm applies one program after the other during a storm of the packets, and returns
// how many got a verdict that none of the programs had for them that can have been in
// force.
func storm(t *testing.T, programs []*firewall.Program, packets []Packet) (torn int) {
	h := mustNew(t)
	simulators := make([]*simulate.Simulator, len(programs))
	for i, p := range programs {
		simulators[i] = simulate.New(proofHost(), p)
	}
	if err := h.Load(programs[0]); err != nil {
		t.Fatal(err)
	}
	var begun, done atomic.Int64
	finished := make(chan error, 1)
	go func() { finished <- h.Do(func() error { return applyAll(programs, &begun, &done) }) }()
	for count := 1; ; count++ {
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
			t.Logf("%d storms of %d packets, %d torn", count, len(packets), torn)
			return torn
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
