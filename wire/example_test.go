package wire_test

import (
	"fmt"
	"net/netip"

	"wirelab/wire"
)

// Packets go to these without being asked, and to public addresses only if somebody
// says so.
func ExampleHarmlessRange() {
	for _, r := range [][2]string{{"10.64.37.1", "10.64.37.254"}, {"192.0.2.1", "192.0.2.1"}, {"10.0.0.1", "11.0.0.1"}} {
		fmt.Println(r, wire.HarmlessRange(netip.MustParseAddr(r[0]), netip.MustParseAddr(r[1])))
	}
	// Output:
	// [10.64.37.1 10.64.37.254] true
	// [192.0.2.1 192.0.2.1] true
	// [10.0.0.1 11.0.0.1] false
}
