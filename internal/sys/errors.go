// Package sys is the house of everything that reaches the kernel beyond what Go's
// standard library offers. Each kind of thing has a room of its own below it:
// datagram, stream, epoll, uring, process and others. What they share is here: how
// an error of the kernel reads.
//
// The rooms are thin: one system call or one file under /proc for each function,
// with the result in Go's terms. What a kernel or an operating system lacks is
// [ErrUnsupported], what the process may not do is [ErrNotPermitted], so that a
// caller can fall back or explain.
package sys

import (
	"errors"
	"syscall"
)

// ErrUnsupported reports that this kernel, device or operating system does
// not have what was asked for.
var ErrUnsupported = errors.New("not supported here")

// ErrNotPermitted reports that the process lacks the privilege, or that a
// security policy such as seccomp forbids the call.
var ErrNotPermitted = errors.New("not permitted")

// An OpError is an operation that the kernel refused. It is [ErrUnsupported] or
// [ErrNotPermitted], for errors.Is, where its cause says so.
type OpError struct {
	Op      string // what was asked for: "bind", "setsockopt SO_REUSEPORT", "new rule"
	Object  string // of what: a device, a table, a file; may be empty
	Err     error  // the cause, mostly a syscall.Errno
	Message string // what the kernel itself said, such as netlink's extended ack; mostly empty
}

// NewOpError returns err as an OpError with the name of the operation; nil stays nil.
func NewOpError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &OpError{Op: op, Err: err}
}

// Error returns one line: the operation, its object, the kind of failure, the cause,
// what the kernel said.
func (e *OpError) Error() string {
	text := e.Op
	if e.Object != "" {
		text += " " + e.Object
	}
	cause := e.Err.Error()
	switch {
	case e.Err == ErrUnsupported, e.Err == ErrNotPermitted:
	case e.Is(ErrUnsupported):
		cause = ErrUnsupported.Error() + " (" + cause + ")"
	case e.Is(ErrNotPermitted):
		cause = ErrNotPermitted.Error() + " (" + cause + ")"
	}
	text += ": " + cause
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Is reports whether the cause is of the kind of target.
func (e *OpError) Is(target error) bool {
	switch target {
	case ErrUnsupported:
		return isAny(e.Err, syscall.ENOSYS, syscall.EOPNOTSUPP, syscall.ENOPROTOOPT, syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT)
	case ErrNotPermitted:
		return isAny(e.Err, syscall.EPERM, syscall.EACCES)
	}
	return false
}

func isAny(err error, errnos ...syscall.Errno) bool {
	for _, e := range errnos {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
