package socket

import (
	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// Set sets the options on a socket of any family, before it is bound or connected. Where
// the kernel grants less of a buffer than asked for, the error is ErrBuffer.
func (o Options) Set(fd int) error {
	if o.ReuseAddress {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return sys.NewOpError("setsockopt SO_REUSEADDR", err)
		}
	}
	if err := setBuffer(fd, "SO_SNDBUF", o.SendBuffer, unix.SO_SNDBUF, unix.SO_SNDBUFFORCE); err != nil {
		return err
	}
	if err := setBuffer(fd, "SO_RCVBUF", o.ReceiveBuffer, unix.SO_RCVBUF, unix.SO_RCVBUFFORCE); err != nil {
		return err
	}
	if o.DSCP == 0 {
		return nil
	}
	return setDSCP(fd, o.DSCP)
}

// SetNagle turns TCP_NODELAY off on a socket, or on a listener for those that it accepts.
func SetNagle(fd int) error {
	return sys.NewOpError("setsockopt TCP_NODELAY", unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 0))
}

// setBuffer asks for a buffer of size bytes; the kernel doubles that for what it needs
// itself (socket(7)).
func setBuffer(fd int, name string, size, option, force int) error {
	if size == 0 {
		return nil
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, size); err != nil {
		return sys.NewOpError("setsockopt "+name, err)
	}
	if got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option); err == nil && got >= 2*size {
		return nil
	}
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size)
	if err == unix.EPERM {
		return sys.NewOpError("setsockopt "+name, ErrBuffer)
	}
	return sys.NewOpError("setsockopt "+name, err)
}

// setDSCP writes the upper six bits of the TOS field or the traffic class; ECN keeps the
// others. A socket of IPv6 may speak IPv4 too. One of neither has no such field.
func setDSCP(fd, dscp int) error {
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return sys.NewOpError("getsockopt SO_DOMAIN", err)
	}
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, dscp<<2); err != nil {
			return sys.NewOpError("setsockopt IPV6_TCLASS", err)
		}
	}
	if family == unix.AF_INET || family == unix.AF_INET6 {
		return sys.NewOpError("setsockopt IP_TOS", unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TOS, dscp<<2))
	}
	return nil
}
