package kernel

import "wirelab/firewall"

// otherHook is added to the numbers of hooks of ARP and of network devices,
// which a Program does not know.
const otherHook firewall.Hook = 50

// State is a table as it was read from the kernel.
type State struct {
	Exists     bool // false: there is no such table, and the Program is empty
	Generation uint32
	Dormant    bool // the kernel passes over its chains
	Program    firewall.Program

	handles [][]uint64   // of the rules, by chain
	sets    []definition // what the kernel says of each of the Program's sets
	index   setIndex
}
