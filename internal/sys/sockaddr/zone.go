// Package sockaddr translates addresses between netip and the kernel.
package sockaddr

import (
	"net"
	"strconv"
)

// ZoneID returns the interface index that an IPv6 zone names; 0 is none.
func ZoneID(zone string) uint32 {
	if ifi, err := net.InterfaceByName(zone); err == nil {
		return uint32(ifi.Index)
	}
	n, _ := strconv.ParseUint(zone, 10, 32)
	return uint32(n)
}

// ZoneName returns the name of the interface with that index, or the index as text.
func ZoneName(id uint32) string {
	if ifi, err := net.InterfaceByIndex(int(id)); err == nil {
		return ifi.Name
	}
	return strconv.FormatUint(uint64(id), 10)
}
