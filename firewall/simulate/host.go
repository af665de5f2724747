package simulate

import (
	"net/netip"

	"wirelab/firewall"
)

// A Host is what is known of the machine that a packet comes to: enough to tell what
// is for itself and where the rest leaves. The zero Host knows nothing: packets are for
// it unless a question says "out".
type Host struct {
	Interfaces []Interface
	Routes     []Route
}

// An Interface has addresses, each with the prefix of its network.
type Interface struct {
	Name     string
	Prefixes []netip.Prefix
}

// A Route leads packets to a prefix out of an interface.
type Route struct {
	To  netip.Prefix
	Out string
}

func (h *Host) known() bool { return len(h.Interfaces) > 0 }

// stranger returns an address that a question without a source comes from.
func (h *Host) stranger(v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, 15: 1})
	}
	return netip.AddrFrom4([4]byte{203, 0, 113, 1})
}

// own returns an address of the host, of the interface if it has one.
func (h *Host) own(name string, v6 bool) netip.Addr {
	var any netip.Addr
	for _, i := range h.Interfaces {
		for _, p := range i.Prefixes {
			if p.Addr().Is6() != v6 || p.Addr().IsLoopback() && name != i.Name {
				continue
			}
			if i.Name == name {
				return p.Addr()
			}
			if !any.IsValid() {
				any = p.Addr()
			}
		}
	}
	switch {
	case any.IsValid():
		return any
	case v6:
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 0xfe})
	}
	return netip.AddrFrom4([4]byte{192, 0, 2, 254})
}

// kind returns the type of an address as the kernel's routing has it.
func (h *Host) kind(a netip.Addr) uint32 {
	switch {
	case a.IsMulticast():
		return firewall.AddressMulticast
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return firewall.AddressBroadcast
	case a.IsLoopback():
		return firewall.AddressLocal
	}
	for _, i := range h.Interfaces {
		for _, p := range i.Prefixes {
			switch {
			case p.Addr() == a:
				return firewall.AddressLocal
			case a.Is4() && p.Bits() < 31 && p.Contains(a) && firewall.RangeOf(p).Last == a:
				return firewall.AddressBroadcast
			}
		}
	}
	return firewall.AddressUnicast
}

// route returns the interface that packets to an address leave by, "" if none is known.
func (h *Host) route(a netip.Addr) string {
	best, out := -1, ""
	for _, i := range h.Interfaces {
		for _, p := range i.Prefixes {
			if p.Contains(a) && p.Bits() > best {
				best, out = p.Bits(), i.Name
			}
		}
	}
	for _, r := range h.Routes {
		if r.To.Contains(a) && r.To.Bits() > best {
			best, out = r.To.Bits(), r.Out
		}
	}
	return out
}
