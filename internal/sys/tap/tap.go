// Package tap makes network interfaces whose other end is this program: what is
// written to a [Device] comes in by the interface, and what the kernel sends out by
// it is read. See Linux, Documentation/networking/tuntap.rst.
package tap

// A Mode is what a device carries.
type Mode uint16

// The modes.
const (
	Frames  Mode = 2 // TAP: Ethernet frames
	Packets Mode = 1 // TUN: IP packets
)
