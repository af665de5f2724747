package netlink_test

import (
	"fmt"

	"wirelab/internal/netlink"
)

func ExampleEncoder() {
	var e netlink.Encoder
	e.Netfilter(0x0a00, 0, 1, 0) // NFT_MSG_NEWTABLE of an inet table
	e.String(1, "wirelab")       // NFTA_TABLE_NAME
	for m := range e.Messages().All() {
		d := m.Attributes(4) // behind struct nfgenmsg
		for d.Next() {
			fmt.Println(d.Kind(), d.String())
		}
	}
	// Output: 1 wirelab
}
