package export_test

import (
	"fmt"
	"log"

	"wirelab/firewall"
	"wirelab/firewall/export"
	"wirelab/internal/setting"
)

// The rules that "nft -f" would load.
func ExampleNFT() {
	file, _ := setting.Read("wirelab.yaml", []byte("firewall:\n  policy: {in: drop}\n  implicit: none\n  in: [accept ssh from 192.0.2.0/24]\n"))
	section, _ := file.Get("firewall")
	policy, errs := firewall.Parse(section)
	if errs != nil {
		log.Fatal(errs)
	}
	program, errs := policy.Compile()
	if errs != nil {
		log.Fatal(errs)
	}
	fmt.Printf("%s", export.NFT(program))
	// Output:
	// # wirelab's rules; "nft -f" of this file replaces the table inet wirelab and no other.
	// table inet wirelab
	// delete table inet wirelab
	// table inet wirelab {
	// 	chain input {
	// 		type filter hook input priority 0; policy drop;
	// 		meta nfproto ipv4 ip saddr 192.0.2.0/24 meta l4proto tcp th dport 22 counter accept comment "wirelab.yaml:4"
	// 	}
	// 	chain forward {
	// 		type filter hook forward priority 0; policy drop;
	// 	}
	// }
}
