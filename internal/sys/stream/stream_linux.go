package stream

import (
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
	"wirelab/internal/sys/sockaddr"
)

// Listen opens a TCP socket that listens on addr, blocking, closed on
// exec, with SO_REUSEADDR, the longest backlog that the kernel grants, and both
// families on an unspecified IPv6 address. Port 0 takes a free one. It returns
// the descriptor, which the caller closes, and the address that was bound.
func Listen(addr netip.AddrPort) (fd int, bound netip.AddrPort, err error) {
	family, sa := sockaddr.Of(addr)
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, bound, sys.NewOpError("socket", err)
	}
	if err := listenStream(fd, family, sa); err != nil {
		unix.Close(fd)
		return -1, bound, err
	}
	if bound, err = sockaddr.Local(fd); err != nil {
		unix.Close(fd)
		return -1, bound, err
	}
	return fd, bound, nil
}

func listenStream(fd, family int, sa unix.Sockaddr) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return sys.NewOpError("setsockopt SO_REUSEADDR", err)
	}
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			return sys.NewOpError("setsockopt IPV6_V6ONLY", err)
		}
	}
	if err := unix.Bind(fd, sa); err != nil {
		return sys.NewOpError("bind", err)
	}
	// The kernel cuts the backlog to net.core.somaxconn.
	return sys.NewOpError("listen", unix.Listen(fd, 1<<16-1))
}

// Accept waits on a blocking listener for a connection and returns it as a
// blocking descriptor that the caller closes. ShutdownBoth on the listener makes
// a waiting Accept fail with EINVAL.
func Accept(listener int) (fd int, peer netip.AddrPort, err error) {
	for {
		fd, sa, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, peer, sys.NewOpError("accept", err)
		}
		return fd, sockaddr.AddrPort(sa), nil
	}
}

// Setup makes a connection answer at once (TCP_NODELAY) and notice a peer
// that vanished (keep-alive: first probe after idle, then every interval, gone
// after count of them).
func Setup(fd int, idle, interval time.Duration, count int) error {
	options := []struct{ level, name, value int }{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(idle / time.Second)},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(interval / time.Second)},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, count},
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return sys.NewOpError("setsockopt", err)
		}
	}
	return nil
}

// Receive reads what has arrived on a blocking descriptor, and waits for at
// least one byte. It returns 0 at end of input. The thread of the calling
// goroutine is occupied meanwhile; ShutdownRead or ShutdownBoth from another
// thread ends the wait, and so does the limit set by SetReceiveTimeout, with EAGAIN.
func Receive(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Read(fd, p)
		if err == unix.EINTR {
			continue
		}
		return max(n, 0), sys.NewOpError("read", err)
	}
}

// Send writes all of p to a blocking descriptor and waits as long as the peer
// takes nothing; ShutdownBoth from another thread ends the wait with EPIPE.
func Send(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.SendmsgN(fd, p, nil, nil, unix.MSG_NOSIGNAL)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return sys.NewOpError("write", err)
		}
		p = p[n:]
	}
	return nil
}

// SetReceiveTimeout bounds every later Receive on fd; 0 removes the bound.
func SetReceiveTimeout(fd int, d time.Duration) error {
	tv := unix.NsecToTimeval(int64(d))
	return sys.NewOpError("setsockopt SO_RCVTIMEO", unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv))
}

// Unacknowledged returns how many bytes that were sent on fd the peer's kernel has
// not confirmed yet (SIOCOUTQ, tcp(7)).
func Unacknowledged(fd int) (int, error) {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	return n, sys.NewOpError("ioctl SIOCOUTQ", err)
}

// Unread returns how many bytes have arrived on fd and not been read (SIOCINQ, tcp(7)).
func Unread(fd int) (int, error) {
	n, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
	return n, sys.NewOpError("ioctl SIOCINQ", err)
}

// ShutdownRead makes fd report end of input after what has arrived.
func ShutdownRead(fd int) error { return sys.NewOpError("shutdown", unix.Shutdown(fd, unix.SHUT_RD)) }

// ShutdownWrite tells the peer that nothing more will be sent.
func ShutdownWrite(fd int) error { return sys.NewOpError("shutdown", unix.Shutdown(fd, unix.SHUT_WR)) }

// ShutdownBoth ends both directions and every wait on fd.
func ShutdownBoth(fd int) error { return sys.NewOpError("shutdown", unix.Shutdown(fd, unix.SHUT_RDWR)) }

// Close closes fd.
func Close(fd int) error { return sys.NewOpError("close", unix.Close(fd)) }

// TryReceive reads what has arrived on a socket without waiting, also where its
// descriptor blocks, and without telling the Go scheduler, which a call that cannot
// block need not do. It returns EAGAIN when nothing has, and 0, 0 at end of input.
func TryReceive(fd int, p []byte) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// TrySend writes as much of p to a non-blocking socket as it takes without
// waiting, and without telling the Go scheduler. It returns EAGAIN when the
// socket takes nothing now.
func TrySend(fd int, p []byte) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// PeerAddr returns the address at the other end of a connection, IPv4 unmapped,
// and ENOTCONN when the peer has reset it. An accept that completes many times
// cannot tell it.
func PeerAddr(fd int) (netip.AddrPort, syscall.Errno) {
	var sa unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	_, _, errno := unix.RawSyscall(unix.SYS_GETPEERNAME, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return netip.AddrPort{}, errno
	}
	return sockaddr.Raw(&sa), 0
}
