package sockaddr

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// Of returns the address family and the socket address of addr.
func Of(addr netip.AddrPort) (family int, sa unix.Sockaddr) {
	if a := addr.Addr().Unmap(); a.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: a.As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16(), ZoneId: ZoneID(addr.Addr().Zone())}
}

// AddrPort returns the address in sa, IPv4 unmapped.
func AddrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		a := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.ZoneId != 0 && a.Is6() {
			a = a.WithZone(ZoneName(sa.ZoneId))
		}
		return netip.AddrPortFrom(a, uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// Local returns the address that fd is bound to, IPv4 unmapped.
func Local(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, sys.NewOpError("getsockname", err)
	}
	return AddrPort(sa), nil
}

// Raw reads the address that the kernel wrote, IPv4 unmapped.
func Raw(sa *unix.RawSockaddrAny) netip.AddrPort {
	switch sa.Addr.Family {
	case unix.AF_INET:
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(sa4.Addr), NetworkPort(&sa4.Port))
	case unix.AF_INET6:
		sa6 := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		a := netip.AddrFrom16(sa6.Addr).Unmap()
		if sa6.Scope_id != 0 && a.Is6() {
			a = a.WithZone(ZoneName(sa6.Scope_id))
		}
		return netip.AddrPortFrom(a, NetworkPort(&sa6.Port))
	}
	return netip.AddrPort{}
}

// NetworkPort reads a port in network byte order.
func NetworkPort(p *uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(p))
	return uint16(b[0])<<8 | uint16(b[1])
}

// BindSource fixes the local address of a socket and leaves the port to connect, which can
// then take one that is in use towards other peers (IP_BIND_ADDRESS_NO_PORT, ip(7)).
func BindSource(fd int, source netip.Addr) error {
	if !source.IsValid() {
		return nil
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return sys.NewOpError("setsockopt IP_BIND_ADDRESS_NO_PORT", err)
	}
	_, sa := Of(netip.AddrPortFrom(source, 0))
	return sys.NewOpError("bind", unix.Bind(fd, sa))
}
