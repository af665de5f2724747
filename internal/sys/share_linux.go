package sys

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ShareStream lets ListenShared open further listeners on the address of one
// that ListenStream opened. Between them the kernel spreads connections
// (SO_REUSEPORT, socket(7)). The option is set only now, when the address is had,
// because two programs that both begin with it would quietly share a port.
func ShareStream(listener int) error {
	return NewOpError("setsockopt SO_REUSEPORT", unix.SetsockoptInt(listener, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
}

// ListenShared opens one more blocking listener on addr, the address of a
// listener that ShareStream has prepared. The caller closes it.
func ListenShared(addr netip.AddrPort) (int, error) {
	family, sa := sockaddr(addr)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, NewOpError("socket", err)
	}
	if err := ShareStream(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if err := listenStream(fd, family, sa); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// SetNonblock makes calls on fd that would wait fail with EAGAIN instead.
func SetNonblock(fd int) error { return NewOpError("fcntl", unix.SetNonblock(fd, true)) }

// TryAccept takes a connection from a non-blocking listener, as a non-blocking
// descriptor that the caller closes, and returns EAGAIN when there is none.
func TryAccept(listener int) (fd int, peer netip.AddrPort, errno syscall.Errno) {
	var sa unix.RawSockaddrAny
	for {
		size := uint32(unix.SizeofSockaddrAny)
		n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), uintptr(unsafe.Pointer(&sa)),
			uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			return int(n), rawAddrPort(&sa), 0
		case unix.EINTR:
			continue
		}
		return -1, netip.AddrPort{}, errno
	}
}

// rawAddrPort reads the address that the kernel wrote, IPv4 unmapped.
func rawAddrPort(sa *unix.RawSockaddrAny) netip.AddrPort {
	switch sa.Addr.Family {
	case unix.AF_INET:
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(sa4.Addr), networkPort(&sa4.Port))
	case unix.AF_INET6:
		sa6 := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		a := netip.AddrFrom16(sa6.Addr).Unmap()
		if sa6.Scope_id != 0 && a.Is6() {
			a = a.WithZone(zoneName(sa6.Scope_id))
		}
		return netip.AddrPortFrom(a, networkPort(&sa6.Port))
	}
	return netip.AddrPort{}
}

// networkPort reads a port in network byte order.
func networkPort(p *uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(p))
	return uint16(b[0])<<8 | uint16(b[1])
}
