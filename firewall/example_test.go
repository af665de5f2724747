package firewall_test

import (
	"fmt"

	"wirelab/firewall"
	"wirelab/firewall/export"
	"wirelab/internal/setting"
)

func Example() {
	file, errs := setting.Read("wirelab.yaml", []byte("firewall:\n  in:\n    - accept ssh from 192.0.2.0/24\n"))
	if errs != nil {
		fmt.Println(errs)
	}
	section, _ := file.Get("firewall")
	policy, errs := firewall.Parse(section)
	if errs != nil {
		fmt.Println(errs)
	}
	program, errs := policy.Compile()
	if errs != nil {
		fmt.Println(errs)
	}
	for _, rule := range program.Chain("input").Rules {
		if !rule.Implicit {
			fmt.Printf("%s (%s)\n%s\n", rule.Text, rule.Place, export.NFTRule(&rule))
		}
	}
	// Output:
	// accept ssh from 192.0.2.0/24 (wirelab.yaml:3:7)
	// meta nfproto ipv4 ip saddr 192.0.2.0/24 meta l4proto tcp th dport 22 counter accept
}
