package datagram

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
	"wirelab/internal/sys/sockaddr"
)

// Connect opens a non-blocking UDP socket that exchanges datagrams with
// addr alone. The caller closes it.
func Connect(addr netip.AddrPort) (fd int, err error) {
	return ConnectFrom(netip.Addr{}, addr)
}

// ConnectFrom is Connect from an address of this host; the zero
// source leaves the choice to the kernel.
func ConnectFrom(source netip.Addr, addr netip.AddrPort) (fd int, err error) {
	family, sa := sockaddr.Of(addr)
	fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return -1, sys.NewOpError("socket", err)
	}
	if err := sockaddr.BindSource(fd, source); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if err := unix.Connect(fd, sa); err != nil {
		unix.Close(fd)
		return -1, sys.NewOpError("connect", err)
	}
	return fd, nil
}
