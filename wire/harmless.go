package wire

import (
	"errors"
	"net/netip"
	"slices"
)

// ErrPublic reports a destination that is not loopback, private, link-local, of a group
// or for documentation.
var ErrPublic = errors.New("a public address")

// harmless are the networks that packets may go to without being asked: this machine,
// private and shared ones (RFC 1918, 4193, 6598), the link (RFC 3927, 4291), groups,
// documentation (RFC 5737, 3849, 9637) and benchmarks (RFC 2544, 5180).
var harmless = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("0.0.0.0/32"), netip.MustParsePrefix("255.255.255.255/32"),
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("224.0.0.0/4"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("::/127"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("ff00::/8"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("3fff::/20"), netip.MustParsePrefix("2001:2::/48"),
}

// Harmless reports whether an address is no public one.
func Harmless(a netip.Addr) bool { return HarmlessRange(a, a) }

// HarmlessRange reports whether none of the addresses between two, nor they themselves,
// is public: whether one harmless network holds them all.
func HarmlessRange(from, to netip.Addr) bool {
	from, to = from.Unmap(), to.Unmap()
	return slices.ContainsFunc(harmless, func(p netip.Prefix) bool { return p.Contains(from) && p.Contains(to) })
}
