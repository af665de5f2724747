// Package wire takes frames out of the machine and puts them in. It treats them as
// bytes; what they mean is package packet's.
//
//   - [Capture] hands out what passes an interface, with VLAN tags and with what the
//     kernel knows of checksums;
//   - [Flood] sends a series of frames at an exact rate, by the fastest way that
//     delivers, and counts in four places;
//   - [Replay] sends the frames of a capture again in their own time;
//   - [Raw] sends single IP packets, and [FindRoute] says which way packets go and what
//     stands in front of them on an Ethernet.
//
// Capture files are in capfile, tcpdump's filters in filter. Everything works in the
// network namespace of the thread that calls, and needs CAP_NET_RAW.
package wire

import "wirelab/internal/sys/frame"

// Raw sends IP packets through a raw socket; see [frame.Raw].
type Raw = frame.Raw

// OpenRaw opens a raw socket for IPv4 packets, or for IPv6.
func OpenRaw(six bool) (*Raw, error) { return frame.OpenRaw(six) }

// Hold keeps the kernel from answering on a port; see [frame.Hold].
type Hold = frame.Hold
