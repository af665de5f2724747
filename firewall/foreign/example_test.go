package foreign_test

import (
	"fmt"

	"wirelab/firewall"
	"wirelab/firewall/foreign"
)

// The policy that rules of iptables amount to; what has no words in it is named.
func ExamplePolicy() {
	rules := foreign.IPTables("rules.v4", []byte(`*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -s 192.0.2.0/24 -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -m owner --uid-owner 1000 -j ACCEPT
COMMIT
`), firewall.IPv4)
	policy, left := foreign.Policy(rules, "rules.v4")
	fmt.Printf("%s", policy)
	for _, l := range left {
		fmt.Println("left:", l)
	}
	// Output:
	// # The policy that rules.v4 amounts to.
	// firewall:
	//   policy: {in: drop, out: accept, forward: drop}
	//   implicit: none
	//   family: ipv4
	//   in:
	//     - accept on lo # line 5
	//     - accept state established,related # line 6
	//     - accept tcp/22 from 192.0.2.0/24 # line 7
	//   forward: []
	// left: line 8: not taken: the module owner is not known here: -A INPUT -m owner --uid-owner 1000 -j ACCEPT
}
