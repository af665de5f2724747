package sys

import (
	"errors"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// ConnectStream begins a TCP connection to addr on a new non-blocking descriptor
// with TCP_NODELAY, which the caller closes. When connecting is true it has not
// ended yet: the descriptor becomes ReadyOut when it has, and SocketError says how.
func ConnectStream(addr netip.AddrPort) (fd int, connecting bool, err error) {
	return ConnectStreamFrom(netip.Addr{}, addr)
}

// ConnectStreamFrom is ConnectStream from an address of this host; the zero source
// leaves the choice to the kernel.
func ConnectStreamFrom(source netip.Addr, addr netip.AddrPort) (fd int, connecting bool, err error) {
	family, sa := sockaddr(addr)
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, false, NewOpError("socket", err)
	}
	if err := bindSource(fd, source); err != nil {
		unix.Close(fd)
		return -1, false, err
	}
	err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if err == nil {
		err = unix.Connect(fd, sa)
	}
	// An interrupted connect goes on in the background (connect(2)).
	if err == unix.EINPROGRESS || err == unix.EINTR {
		return fd, true, nil
	}
	if err != nil {
		unix.Close(fd)
		return -1, false, NewOpError("connect", err)
	}
	return fd, false, nil
}

// bindSource fixes the local address and leaves the port to connect, which can
// then take one that is in use towards other peers (IP_BIND_ADDRESS_NO_PORT, ip(7)).
func bindSource(fd int, source netip.Addr) error {
	if !source.IsValid() {
		return nil
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return NewOpError("setsockopt IP_BIND_ADDRESS_NO_PORT", err)
	}
	_, sa := sockaddr(netip.AddrPortFrom(source, 0))
	return NewOpError("bind", unix.Bind(fd, sa))
}

// ConnectDatagram opens a non-blocking UDP socket that exchanges datagrams with
// addr alone. The caller closes it.
func ConnectDatagram(addr netip.AddrPort) (fd int, err error) {
	return ConnectDatagramFrom(netip.Addr{}, addr)
}

// ConnectDatagramFrom is ConnectDatagram from an address of this host; the zero
// source leaves the choice to the kernel.
func ConnectDatagramFrom(source netip.Addr, addr netip.AddrPort) (fd int, err error) {
	family, sa := sockaddr(addr)
	fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return -1, NewOpError("socket", err)
	}
	if err := bindSource(fd, source); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if err := unix.Connect(fd, sa); err != nil {
		unix.Close(fd)
		return -1, NewOpError("connect", err)
	}
	return fd, nil
}

// SocketError returns the error that waits on fd and clears it; 0 if there is none.
func SocketError(fd int) syscall.Errno {
	v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return syscall.Errno(v)
}
