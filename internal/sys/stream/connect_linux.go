package stream

import (
	"errors"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
	"wirelab/internal/sys/sockaddr"
	"wirelab/internal/sys/socket"
)

// Connect begins a TCP connection to addr on a new non-blocking descriptor
// with TCP_NODELAY, which the caller closes. When connecting is true it has not
// ended yet: the descriptor becomes ReadyOut when it has, and SocketError says how.
func Connect(addr netip.AddrPort) (fd int, connecting bool, err error) {
	return ConnectFrom(netip.Addr{}, addr, socket.Options{})
}

// ConnectFrom is Connect from an address of this host, with options; the zero source
// leaves the choice to the kernel.
func ConnectFrom(source netip.Addr, addr netip.AddrPort, options socket.Options) (fd int, connecting bool, err error) {
	family, sa := sockaddr.Of(addr)
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, false, sys.NewOpError("socket", err)
	}
	if err := sockaddr.BindSource(fd, source); err != nil {
		unix.Close(fd)
		return -1, false, err
	}
	if err := setConnecting(fd, options); err != nil {
		unix.Close(fd)
		return -1, false, err
	}
	err = unix.Connect(fd, sa)
	// An interrupted connect goes on in the background (connect(2)).
	if err == unix.EINPROGRESS || err == unix.EINTR {
		return fd, true, nil
	}
	if err != nil {
		unix.Close(fd)
		return -1, false, sys.NewOpError("connect", err)
	}
	return fd, false, nil
}

// setConnecting sets the options of a connection to be.
func setConnecting(fd int, options socket.Options) error {
	if !options.Nagle {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return sys.NewOpError("setsockopt TCP_NODELAY", err)
		}
	}
	return options.Set(fd)
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

// Peek reports whether a connection has bytes to read, or their end, and whether its peer
// has reset it. It takes nothing that is to be read, but the error of a reset.
func Peek(fd int) (readable, reset bool) {
	var b [1]byte
	_, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err == nil, err != nil && err != unix.EAGAIN && err != unix.EINTR
}
