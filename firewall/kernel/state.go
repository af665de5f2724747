package kernel

import (
	"wirelab/firewall"
	"wirelab/internal/netlink"
)

// otherHook is added to the numbers of hooks of ARP and of network devices,
// which a Program does not know.
const otherHook firewall.Hook = 50

// State is a table as it was read from the kernel.
type State struct {
	Exists     bool // false: there is no such table, and the Program is empty
	Generation uint32
	Dormant    bool // the kernel passes over its chains
	Program    firewall.Program

	rules [][]known    // of each chain, what the kernel knows its rules by
	sets  []definition // what the kernel says of each of the Program's sets
	index setIndex

	listed  []netlink.Messages // all that the kernel said of it, where a snapshot may be wanted
	objects bool               // it has named counters or the like, which a Program has no words for
}

// known is a rule as the kernel knows it.
type known struct {
	handle uint64
	sealed bool // it is as wirelab wrote it, and does what its hash says; its parts were not read
}
