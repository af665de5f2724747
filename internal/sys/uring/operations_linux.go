package uring

import (
	"math/bits"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
	"wirelab/internal/sys/epoll"
)

// prepare returns the next free submission, filled in so far. When the queue is
// full, what is in it is handed over first.
func (r *Ring) prepare(opcode uint8, fd int, data uint64) *submission {
	q := &r.sq
	if q.prepared-atomic.LoadUint32(q.head) > q.mask {
		r.makeRoom()
	}
	e := &q.entries[q.prepared&q.mask]
	q.prepared++
	*e = submission{opcode: opcode, fd: int32(fd), data: data}
	return e
}

// makeRoom submits until there is room for one more. Should the kernel take
// nothing at all, for want of memory, the ring is of no more use: it says so with the next
// submission, and the operation that is being prepared replaces another.
func (r *Ring) makeRoom() {
	const tries = 1 << 16
	for range tries {
		if r.err = r.submit(0, r.enterFlags|ringEnterGetEvents); r.err != nil {
			break
		}
		if r.sq.prepared-atomic.LoadUint32(r.sq.head) <= r.sq.mask {
			return
		}
		runtime.Gosched()
	}
	if r.err == nil {
		r.err = sys.NewOpError("io_uring_enter takes no more operations", unix.EAGAIN)
	}
	r.sq.prepared--
}

// Accept accepts connections from listener until it is cancelled or fails: each
// completion's Result is a blocking descriptor, closed on exec, that is the
// caller's. While it is under way it works on the listener even if that
// descriptor is closed; ShutdownBoth ends it with EINVAL.
func (r *Ring) Accept(listener int, data uint64) {
	e := r.prepare(ringOpAccept, listener, data)
	e.ioprio, e.opFlags = ringAcceptMany, unix.SOCK_CLOEXEC
}

// Receive receives from fd until it is cancelled, fails or meets the end of input
// (Result 0). Each completion is for BufferRing.Take. It ends with ENOBUFS when
// the group has no buffer left.
func (r *Ring) Receive(fd int, group uint16, data uint64) {
	e := r.prepare(ringOpRecv, fd, data)
	e.flags, e.ioprio, e.group = ringBufferSelect, ringReceiveMany, group
}

// Send sends as much of p as the socket takes, at least a byte, for which it waits.
func (r *Ring) Send(fd int, p []byte, data uint64) {
	r.prepareSend(fd, p, data).opFlags = unix.MSG_NOSIGNAL
}

// SendNow sends as much of p as goes without waiting, when it is submitted: when
// Submit or SubmitAndWait returns and SubmissionsLeft is 0, p is the caller's
// again. It has a completion only if not all of p went: Result is what did, or
// EAGAIN, or what went wrong, and can be reaped by then, unless the ring has Overflowed.
func (r *Ring) SendNow(fd int, p []byte, data uint64) {
	e := r.prepareSend(fd, p, data)
	e.flags = ringSkipSuccess
	e.opFlags = unix.MSG_NOSIGNAL | unix.MSG_WAITALL | unix.MSG_DONTWAIT
}

func (r *Ring) prepareSend(fd int, p []byte, data uint64) *submission {
	if r.sq.prepared == 0 && r.fd < 0 {
		r.escape = p // never happens, but keeps p off the stack, which Go may move
	}
	e := r.prepare(ringOpSend, fd, data)
	e.address, e.length = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))), uint32(len(p))
	return e
}

// SubmissionsLeft returns how many prepared operations the kernel has not taken.
func (r *Ring) SubmissionsLeft() int { return int(r.sq.prepared - r.sq.submitted) }

// pollMask swaps the halves of the mask on a big-endian machine, where the kernel
// would read the older 16-bit field otherwise (io_uring_enter(2)).
func pollMask(want epoll.Ready) uint32 {
	one := uint16(1)
	if *(*byte)(unsafe.Pointer(&one)) == 0 {
		return bits.RotateLeft32(uint32(want), 16)
	}
	return uint32(want)
}

// Cancel ends the operation that was prepared with target, which completes with
// ECANCELED unless it completes otherwise. The cancellation's own Result is 0, or
// ENOENT if there was none, or EALREADY if it is being carried out.
func (r *Ring) Cancel(target, data uint64) {
	e := r.prepare(ringOpCancel, -1, data)
	e.address = target
}

// CancelFD does so with all operations on fd. Its Result is how many there were.
func (r *Ring) CancelFD(fd int, data uint64) {
	e := r.prepare(ringOpCancel, fd, data)
	e.opFlags = ringCancelFD | ringCancelAll
}
