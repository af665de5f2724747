package trial

import (
	"fmt"
	"strings"
	"testing"

	"wirelab/firewall"
	"wirelab/firewall/kernel"
)

// BenchmarkNewFlow puts first packets of connections through a policy with one rule,
// and through one with 1,000 pairs of an address and a port, of which the last lets them
// in. Behind the policy they are dropped, so that each begins anew.
func BenchmarkNewFlow(b *testing.B) {
	pairs := func(count int) string {
		var text strings.Builder
		text.WriteString("firewall:\n  implicit: none\n  in:\n")
		for i := range count - 1 {
			fmt.Fprintf(&text, "    - accept udp/%d from 10.64.%d.%d\n", 1000+i, 100+i/250, i%250)
		}
		text.WriteString("    - accept udp/9 from 10.64.37.9\n")
		return text.String()
	}
	for name, count := range map[string]int{"1rule": 1, "1000pairs": 1000} {
		b.Run(name, func(b *testing.B) {
			h := mustNew(b)
			program, errs := compile(pairs(count))
			if errs != nil {
				b.Fatal(errs)
			}
			drop := &firewall.Program{Family: firewall.AnyFamily, Table: "late", Chains: []firewall.Chain{
				{Name: "in", Hook: firewall.Input, Priority: watchPriority, Policy: firewall.Drop},
			}}
			err := h.Do(func() error {
				k, err := kernel.Open()
				if err != nil {
					return err
				}
				defer k.Close()
				return k.Remove(watcher()) // logging would cost more than the rules
			})
			for _, p := range []*firewall.Program{program, drop} {
				if err == nil {
					err = h.Load(p)
				}
			}
			if err != nil {
				b.Fatal(err)
			}
			p := Packet{Protocol: udp, Source: addr("10.64.37.9"), Destination: addr("10.64.37.35"), In: "eth0", DestinationPort: 9}
			for b.Loop() {
				p.SourcePort++
				if err := h.put(&p, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
