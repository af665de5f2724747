// Package trial tries a firewall on real packets: in a network namespace that is
// thrown away it makes the interfaces, puts packets into them, or sends them, and
// watches what the kernel does with each. What rules are loaded there, and how, is
// the caller's affair; see [Host.Do].
//
// The kernel is watched through rules of a table of its own, behind all others,
// that log each packet that came that far to NFLOG and then drop it. So no
// connection is ever established, and every packet is the first of its own.
package trial

import (
	"net/netip"

	"wirelab/firewall"
)

// An Interface of the host that is made up.
type Interface struct {
	Name     string
	Prefixes []netip.Prefix // its addresses, each with its network
}

// A Route leads to a prefix out of an interface.
type Route struct {
	To  netip.Prefix
	Out string
}

// A Packet is what is put into the kernel: the first of a connection.
type Packet struct {
	Protocol                    uint8
	Source, Destination         netip.Addr
	SourcePort, DestinationPort uint16
	Type, Code                  uint8  // of ICMP
	Flags                       uint8  // of TCP
	In                          string // the interface that it comes in by; "": this host sends it
}

// An Outcome is what became of a packet.
type Outcome struct {
	Accepted bool
	Hook     firewall.Hook // of an accepted one: Input or Postrouting
	// Source and Destination are those of an accepted packet after NAT.
	Source, Destination netip.AddrPort
	Reply               string // to a rejected one, such as "tcp reset", "icmp 3" (its code); "": none
}
