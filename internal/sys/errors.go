// Package sys is wirelab's only door to the kernel beyond what Go's standard
// library offers: sockets, event queues, stamps, threads and /proc. No other
// package imports golang.org/x/sys/unix.
//
// Its functions are thin: one system call or one file under /proc each, with
// the result in Go's terms. What a kernel or an operating system lacks is
// reported as ErrUnsupported, what the process may not do as ErrNotPermitted,
// both wrapped with the operation, so that a caller can fall back or explain.
package sys

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrUnsupported reports that this kernel, device or operating system does
// not have what was asked for.
var ErrUnsupported = errors.New("not supported here")

// ErrNotPermitted reports that the process lacks the privilege, or that a
// security policy such as seccomp forbids the call.
var ErrNotPermitted = errors.New("not permitted")

// opError gives err the name of the failed operation, and makes it match
// ErrUnsupported or ErrNotPermitted where the errno says so. A nil err stays nil.
func opError(op string, err error) error {
	if err == nil {
		return nil
	}
	switch {
	case isAny(err, syscall.ENOSYS, syscall.EOPNOTSUPP, syscall.ENOPROTOOPT, syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT):
		return fmt.Errorf("%s: %w (%w)", op, ErrUnsupported, err)
	case isAny(err, syscall.EPERM, syscall.EACCES):
		return fmt.Errorf("%s: %w (%w)", op, ErrNotPermitted, err)
	}
	return fmt.Errorf("%s: %w", op, err)
}

func isAny(err error, errnos ...syscall.Errno) bool {
	for _, e := range errnos {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
