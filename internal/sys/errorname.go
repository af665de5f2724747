package sys

import (
	"errors"
	"syscall"
)

// NotOurs reports whether err says that a source is not an address of this host: the port
// is chosen only as the socket connects.
func NotOurs(err error) bool {
	var op *OpError
	return errors.As(err, &op) && op.Op == "bind" && errors.Is(err, syscall.EADDRNOTAVAIL)
}

// ErrorName returns the name under which an error is counted: short, the same on
// every machine, and understood without a manual.
func ErrorName(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err.Error()
	}
	switch errno {
	case syscall.ECONNREFUSED:
		return "connection refused"
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED:
		return "connection reset"
	case syscall.ETIMEDOUT:
		return "connection timed out"
	case syscall.EHOSTUNREACH:
		return "host unreachable"
	case syscall.ENETUNREACH:
		return "network unreachable"
	case syscall.EADDRNOTAVAIL:
		if NotOurs(err) {
			return "the source is not an address of this host"
		}
		return "no local port left"
	case syscall.EMFILE, syscall.ENFILE:
		return "no descriptor left"
	case syscall.EPERM, syscall.EACCES:
		return "not permitted"
	case syscall.ENOBUFS, syscall.ENOMEM:
		return "no buffer left"
	}
	return errno.Error()
}
