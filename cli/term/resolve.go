package term

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"wirelab/internal/receiver"
)

// A Family is which addresses of a name a client uses: IPv4, IPv6, or both when neither
// or both are asked for.
type Family struct{ four, six bool }

// Add adds the flags -4 and -6.
func (f *Family) Add(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&f.four, "ipv4", "4", false, "use the IPv4 addresses of a name only")
	cmd.Flags().BoolVarP(&f.six, "ipv6", "6", false, "use the IPv6 addresses of a name only")
	cmd.MarkFlagsMutuallyExclusive("ipv4", "ipv6")
}

// Network returns network (tcp, udp) as package net names it for the family.
func (f Family) Network(network string) string {
	switch {
	case f.four && !f.six:
		return network + "4"
	case f.six && !f.four:
		return network + "6"
	}
	return network
}

// Of returns the family of an address, and f where that is none.
func (f Family) Of(a netip.Addr) Family {
	if !a.IsValid() {
		return f
	}
	return Family{four: a.Unmap().Is4(), six: a.Unmap().Is6()}
}

func (f Family) has(a netip.Addr) bool { return f.four == f.six || a.Is4() == f.four }

// Lookup returns all addresses that HOST:PORT means, those of IPv4 first, which servers
// here bind to by default. An IPv6 zone stays.
func (f Family) Lookup(ctx context.Context, address string) ([]netip.AddrPort, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, err
	}
	addrs, err := lookupHost(ctx, host)
	if err != nil {
		return nil, err
	}
	var all []netip.AddrPort
	for _, a := range addrs {
		if f.has(a) {
			all = append(all, netip.AddrPortFrom(a, uint16(port)))
		}
	}
	if len(all) == 0 {
		return nil, Usagef("%s has no address of %s, but %v", host, f.Network("IPv"), addrs[0])
	}
	return all, CheckZone(all[0].Addr())
}

func lookupHost(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	found, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, ip := range found {
		if a, ok := netip.AddrFromSlice(ip.IP); ok {
			addrs = append(addrs, a.Unmap().WithZone(ip.Zone))
		}
	}
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	return addrs, nil
}

// CheckZone refuses an IPv6 address of a link without its zone, and with one of no interface here.
func CheckZone(a netip.Addr) error {
	if !a.Is6() || a.Zone() == "" && !a.IsLinkLocalUnicast() && !a.IsLinkLocalMulticast() && !a.IsInterfaceLocalMulticast() {
		return nil
	}
	var links []string
	interfaces, _ := net.Interfaces() // without them there is less to say
	for _, i := range interfaces {
		if a.Zone() == i.Name || a.Zone() == strconv.Itoa(i.Index) {
			return nil
		}
		links = append(links, i.Name)
	}
	have := strings.Join(links, ", ")
	if a.Zone() != "" {
		return Usagef("%s: this host has no interface %s (it has %s)", a, a.Zone(), have)
	}
	return Usagef("%s is an address of one link: say of which, as in %s%%eth0 (this host has %s)", a, a, have)
}

// reachTime bounds how long one address of several is tried.
const reachTime = time.Second

// Reach returns the address of HOST:PORT that clients of network (tcp, udp) are to use: of
// several, the first that does not refuse. A server of datagrams that is no wirelab gets one
// that it does not understand; only addresses of this host and of private networks do.
func (f Family) Reach(ctx context.Context, network, address string) (netip.AddrPort, error) {
	all, err := f.Lookup(ctx, address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if len(all) > 1 {
		for _, a := range all {
			if reachable(ctx, network, a) {
				return a, nil
			}
		}
	}
	return all[0], nil
}

func reachable(ctx context.Context, network string, a netip.AddrPort) bool {
	dialer := net.Dialer{Timeout: reachTime}
	conn, err := dialer.DialContext(ctx, network, a.String())
	if err != nil {
		return false
	}
	defer conn.Close()
	if ip := a.Addr(); network == "udp" && (ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast()) {
		_, err := receiver.Ask(ctx, conn, false, 3*receiver.FirstWait)
		return !errors.Is(err, syscall.ECONNREFUSED)
	}
	return true
}
