package kernel_test

import (
	"fmt"

	"wirelab/firewall"
	"wirelab/firewall/kernel"
)

// What has to change is found without a kernel: here for a table that is not there yet.
func ExampleCompare() {
	p := &firewall.Program{Family: firewall.AnyFamily, Table: "wirelab", Chains: []firewall.Chain{{
		Name: "input", Hook: firewall.Input, Policy: firewall.Drop,
		Rules: []firewall.Rule{{
			Matches: []firewall.Match{
				{Field: firewall.TransportProtocol, From: []byte{6}},
				{Field: firewall.DestinationPort, From: []byte{0, 22}},
			},
			Verdict: firewall.Verdict{Kind: firewall.Accept},
			Text:    "accept ssh",
		}},
	}}}
	p.Rehash()
	for _, c := range kernel.Compare(&kernel.State{}, p).Changes {
		fmt.Printf("%c %s %s\n", c.Action, c.Kind, c.Text)
	}
	// Output:
	// + table wirelab
	// + chain input: policy drop
	// + rule accept ssh
}
