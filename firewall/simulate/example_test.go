package simulate_test

import (
	"fmt"

	"wirelab/firewall"
	"wirelab/firewall/simulate"
	"wirelab/internal/setting"
)

func Example() {
	file, _ := setting.Read("wirelab.yaml", []byte("firewall:\n  in:\n    - accept ssh from 192.0.2.0/24\n"))
	section, _ := file.Get("firewall")
	policy, _ := firewall.Parse(section)
	program, _ := policy.Compile()
	question, _ := firewall.ParseQuestion(setting.Value{Kind: setting.Scalar, Text: "tcp 203.0.113.9 -> :22 on eth0"})
	answer := simulate.New(simulate.Host{}, program).Ask(&question)
	fmt.Println(answer)
	for _, near := range answer.Near {
		fmt.Printf("nearly %q, but %s is %s\n", near.Step.Text(), near.Field, near.Found)
	}
	// Output:
	// drop by "policy drop of input" at chain input
	// nearly "accept ssh from 192.0.2.0/24", but ip saddr is 203.0.113.9
}
