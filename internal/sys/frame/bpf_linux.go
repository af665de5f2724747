package frame

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// operation is one instruction of eBPF (struct bpf_insn).
type operation struct {
	code      uint8
	registers uint8 // destination in the low half, source in the high one
	offset    int16
	immediate int32
}

// The opcodes that a program here uses.
const (
	opLoad8       = 0x79 // dst = *(u64 *)(src + offset)
	opLoad4       = 0x61
	opLoad2       = 0x69
	opLoad1       = 0x71
	opStore8      = 0x7b // *(u64 *)(dst + offset) = src
	opStore4      = 0x63
	opStore2      = 0x6b
	opStore1      = 0x73
	opMove        = 0xbf
	opSet         = 0xb7
	opAdd         = 0x0f
	opAddNumber   = 0x07
	opAndNumber   = 0x57
	opTimesNumber = 0x27
	opWide        = 0x18 // dst = a 64-bit number, or the address of a map's value
	opIfGreater   = 0x2d
	opCall        = 0x85
	opExit        = 0x95

	callRedirect = 23 // bpf_redirect(ifindex, flags)
	mapValue     = 2  // BPF_PSEUDO_MAP_VALUE
	actionDrop   = 1  // XDP_DROP
)

func op(code uint8, dst, src uint8, offset int16, immediate int32) operation {
	return operation{code, dst | src<<4, offset, immediate}
}

// bpf is bpf(2). It returns a descriptor or 0.
func bpf(command uintptr, attributes unsafe.Pointer, size uintptr) (int, unix.Errno) {
	fd, _, errno := unix.Syscall(unix.SYS_BPF, command, uintptr(attributes), size)
	return int(fd), errno
}

// newMap makes a map of one value that this process can map into memory.
func newMap(size int) (fd int, memory []byte, err error) {
	attributes := struct{ kind, key, value, entries, flags uint32 }{unix.BPF_MAP_TYPE_ARRAY, 4, uint32(size), 1, unix.BPF_F_MMAPABLE}
	fd, errno := bpf(unix.BPF_MAP_CREATE, unsafe.Pointer(&attributes), unsafe.Sizeof(attributes))
	if errno != 0 {
		return -1, nil, sys.NewOpError("make BPF map", errno)
	}
	if memory, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		unix.Close(fd)
		return -1, nil, sys.NewOpError("map BPF map", err)
	}
	return fd, memory, nil
}

// loadXDP loads an XDP program.
func loadXDP(program []operation) (int, error) {
	licence := []byte("MIT\x00")
	attributes := struct {
		kind, count           uint32
		program, licence      uint64
		logLevel, logSize     uint32
		log                   uint64
		kernel, flags         uint32
		name                  [16]byte
		device, attachingType uint32
	}{
		kind: unix.BPF_PROG_TYPE_XDP, count: uint32(len(program)),
		program: uint64(uintptr(unsafe.Pointer(&program[0]))), licence: uint64(uintptr(unsafe.Pointer(&licence[0]))),
	}
	copy(attributes.name[:], "wirelab_flood")
	fd, errno := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attributes), unsafe.Sizeof(attributes))
	runtime.KeepAlive(program)
	runtime.KeepAlive(licence)
	if errno != 0 {
		return -1, sys.NewOpError("load XDP program", errno)
	}
	return fd, nil
}

// runLive runs a program on copies of a frame, which then take the way that the program
// chose. The caller learns from the program's own counter how many went that way.
func runLive(program int, frame []byte, times uint32) unix.Errno {
	const liveFrames = 2 // BPF_F_TEST_XDP_LIVE_FRAMES
	attributes := struct {
		program, result  uint32
		sizeIn, sizeOut  uint32
		in, out          uint64
		repeat, duration uint32
		contextIn        uint32
		contextOut       uint32
		context, answer  uint64
		flags, cpu       uint32
		batch            uint32
		_                uint32
	}{
		program: uint32(program), sizeIn: uint32(len(frame)), in: uint64(uintptr(unsafe.Pointer(&frame[0]))),
		repeat: times, flags: liveFrames, batch: 64,
	}
	_, errno := bpf(unix.BPF_PROG_TEST_RUN, unsafe.Pointer(&attributes), unsafe.Sizeof(attributes))
	runtime.KeepAlive(frame)
	return errno
}
