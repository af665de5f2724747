package uring

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// What linux/io_uring.h defines and golang.org/x/sys/unix does not.

// Flags of io_uring_setup.
const (
	ringSetupCQSize       = 1 << 3
	ringSetupClamp        = 1 << 4
	ringSetupDisabled     = 1 << 6
	ringSetupSubmitAll    = 1 << 7
	ringSetupCoopTaskrun  = 1 << 8
	ringSetupSingleIssuer = 1 << 12
	ringSetupDeferTaskrun = 1 << 13
	ringSetupNoSQArray    = 1 << 16

	ringSetupBase = ringSetupCQSize | ringSetupClamp | ringSetupDisabled | ringSetupSubmitAll
)

// Where the queues are mapped from, and a flag of the submission queue.
const (
	ringOffsetQueues  = 0
	ringOffsetEntries = 0x10000000
	ringSQOverflow    = 1 << 1
)

// Flags of io_uring_enter.
const (
	ringEnterGetEvents  = 1 << 0
	ringEnterExtArg     = 1 << 3
	ringEnterRegistered = 1 << 4
)

// What io_uring_register does.
const (
	ringRegisterProbe        = 8
	ringRegisterEnable       = 12
	ringRegisterRingFDs      = 20
	ringUnregisterRingFDs    = 21
	ringRegisterBufferRing   = 22
	ringUnregisterBufferRing = 23
)

// Operations.
const (
	ringOpPollAdd = 6
	ringOpAccept  = 13
	ringOpCancel  = 14
	ringOpSend    = 26
	ringOpRecv    = 27
)

// Flags of operations, each in the field that its operation has for it.
const (
	ringBufferSelect  = 1 << 5 // of any operation
	ringSkipSuccess   = 1 << 6
	ringPollMultishot = 1 << 0
	ringAcceptMany    = 1 << 0
	ringReceiveMany   = 1 << 1
	ringCancelAll     = 1 << 0
	ringCancelFD      = 1 << 1
	ringCancelAny     = 1 << 2
)

// submission is struct io_uring_sqe.
type submission struct {
	opcode, flags uint8
	ioprio        uint16 // flags of some operations
	fd            int32
	offset        uint64
	address       uint64
	length        uint32
	opFlags       uint32
	data          uint64
	group         uint16
	_             uint16
	_             uint32
	_             [2]uint64
}

// ringParameters is struct io_uring_params.
type ringParameters struct {
	sqEntries, cqEntries uint32
	flags                uint32
	_, _                 uint32
	features             uint32
	_                    uint32
	_                    [3]uint32
	sqOffsets            struct{ head, tail, mask, entries, flags, dropped, array, _, _, _ uint32 }
	cqOffsets            struct{ head, tail, mask, entries, overflow, cqes, flags, _, _, _ uint32 }
}

// ringFileUpdate is struct io_uring_rsrc_update.
type ringFileUpdate struct {
	offset, _ uint32
	data      uint64
}

// bufferRingArgument is struct io_uring_buf_reg.
type bufferRingArgument struct {
	address uint64
	entries uint32
	group   uint16
	flags   uint16
	_       [3]uint64
}

// bufferRingIncremental has a buffer used by many receives, one behind the other.
const bufferRingIncremental = 1 << 1

// bufferEntry is struct io_uring_buf. The last field of the first entry is the
// ring's tail.
type bufferEntry struct {
	address uint64
	length  uint32
	id      uint16
	tail    uint16
}

// ringProbe is struct io_uring_probe.
type ringProbe struct {
	lastOp, count uint8
	_             uint16
	_             [3]uint32
	ops           [256]struct {
		op, _ uint8
		flags uint16
		_     uint32
	}
}

func ringRegister(fd, what int, arg unsafe.Pointer, count int) error {
	_, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(fd), uintptr(what), uintptr(arg), uintptr(count), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
