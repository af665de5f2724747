// Command policy asks a firewall policy what becomes of packets, without a kernel and
// without privilege.
package main

import (
	"fmt"
	"log"

	"wirelab/firewall"
	"wirelab/firewall/simulate"
	"wirelab/internal/setting"
)

const text = `
policy: {in: drop, out: accept, forward: drop}
nets: {office: [10.64.37.0/24]}
in:
  - accept ssh from office
  - accept tcp/8000-8010
`

func main() {
	value, mistakes := setting.Read("policy.yaml", []byte(text))
	if mistakes != nil {
		log.Fatal(mistakes)
	}
	policy, mistakes := firewall.Parse(value)
	if mistakes != nil {
		log.Fatal(mistakes)
	}
	program, mistakes := policy.Compile()
	if mistakes != nil {
		log.Fatal(mistakes)
	}
	simulator := simulate.New(simulate.Host{}, program)
	for _, question := range []string{"ssh 10.64.37.9", "ssh 203.0.113.9", "tcp 203.0.113.9 -> :8005"} {
		q, mistake := firewall.ParseQuestion(setting.Value{Kind: setting.Scalar, Text: question})
		if mistake != nil {
			log.Fatal(mistake)
		}
		fmt.Printf("%s: %v\n", question, simulator.Ask(&q).Verdict)
	}
}
