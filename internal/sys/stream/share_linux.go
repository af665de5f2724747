package stream

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
	"wirelab/internal/sys/sockaddr"
)

// Share lets ListenShared open further listeners on the address of one
// that Listen opened. Between them the kernel spreads connections
// (SO_REUSEPORT, socket(7)). The option is set only now, when the address is had,
// because two programs that both begin with it would quietly share a port.
func Share(listener int) error {
	return sys.NewOpError("setsockopt SO_REUSEPORT", unix.SetsockoptInt(listener, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
}

// ListenShared opens one more blocking listener on addr, the address of a
// listener that Share has prepared. The caller closes it.
func ListenShared(addr netip.AddrPort) (int, error) {
	family, sa := sockaddr.Of(addr)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, sys.NewOpError("socket", err)
	}
	if err := Share(fd); err != nil {
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
func SetNonblock(fd int) error { return sys.NewOpError("fcntl", unix.SetNonblock(fd, true)) }

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
			return int(n), sockaddr.Raw(&sa), 0
		case unix.EINTR:
			continue
		}
		return -1, netip.AddrPort{}, errno
	}
}
