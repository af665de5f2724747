// Package uring has a ring of operations that the kernel carries out while the
// program goes on (io_uring(7)). A [Ring] belongs to one goroutine; [Probe] says
// whether there can be one.
package uring

import "syscall"

// Config sizes a Ring. Both counts are rounded up to powers of two, and cut
// down to what the kernel allows.
type Config struct {
	Submissions int // operations that are handed over with one system call
	Completions int // completions that wait to be reaped before the kernel must keep more elsewhere
}

// A Completion says what came of an operation (io_uring(7)). One operation may
// have many: as long as More says so, it goes on.
type Completion struct {
	Data   uint64 // what the operation was prepared with; epoll.WakeToken is Ring.Wake's
	Result int32  // a count or a descriptor; negative: an errno, see Errno
	flags  uint32
}

// Flags of a completion, IORING_CQE_F_… of linux/io_uring.h.
const (
	completionBuffer     = 1 << 0
	completionMore       = 1 << 1
	completionBufferMore = 1 << 4
	bufferIDShift        = 16
)

// More reports whether the same operation will complete again. If not, one of
// many completions must be prepared anew.
func (c Completion) More() bool { return c.flags&completionMore != 0 }

// Errno returns why the operation failed, 0 if it did not.
func (c Completion) Errno() syscall.Errno {
	if c.Result >= 0 {
		return 0
	}
	return syscall.Errno(-c.Result)
}
