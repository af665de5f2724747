package uring

import (
	"fmt"
	"unsafe"

	"wirelab/internal/sys"
)

// ringOperations are those that a Ring needs.
var ringOperations = [...]uint8{ringOpPollAdd, ringOpAccept, ringOpCancel, ringOpSend, ringOpRecv}

// Probe reports whether this process can use a Ring with a BufferRing: nil,
// sys.ErrUnsupported (before Linux 6.0, or built without), or sys.ErrNotPermitted
// (seccomp, or kernel.io_uring_disabled of sysctl).
func Probe() error {
	r, err := New(Config{Submissions: 1, Completions: 2})
	if err != nil {
		return err
	}
	defer r.Close()
	var probe ringProbe
	if err := ringRegister(r.fd, ringRegisterProbe, unsafe.Pointer(&probe), len(probe.ops)); err != nil {
		return sys.NewOpError("probe io_uring", err)
	}
	for _, op := range ringOperations {
		if probe.ops[op].flags&1 == 0 { // IO_URING_OP_SUPPORTED
			return fmt.Errorf("io_uring operation %d: %w", op, sys.ErrUnsupported)
		}
	}
	b, err := NewBufferRing(r, 0, 1, 1)
	if err != nil {
		return err
	}
	b.Free() // nothing was received
	return nil
}
