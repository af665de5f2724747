package frame

import (
	"math/bits"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

const (
	chunkSize = 2048 // of the memory for frames, in which several may be; the longest frame
	ringSize  = 4096 // descriptors, a power of two
	txBudget  = 1024 // frames that one kick may send

	// What x/sys/unix lacks of linux/if_xdp.h.
	optionBudget = 9 // XDP_MAX_TX_SKB_BUDGET
)

// XDPSocket sends frames through an AF_XDP socket in copy mode, which needs no XDP
// program and works on every device.
type XDPSocket struct {
	fd     int
	series Series
	memory []byte // ringSize places for frames
	stride int    // of them: a power of two, so that none lies across two chunks
	sent   sharedRing
	done   sharedRing
	next   uint32 // place for the next frame; places are used in turn
	free   uint32 // places that the kernel does not hold
}

// sharedRing is a ring of indexes that the kernel shares.
type sharedRing struct {
	mapping            []byte
	producer, consumer *uint32
	entries            unsafe.Pointer
}

// MaxXDPFrame is the longest frame that an XDPSocket sends, in bytes.
const MaxXDPFrame = chunkSize

// OpenXDP opens an AF_XDP socket for sending a series on a queue of an interface, counted
// from 0. A queue has one socket.
func OpenXDP(index, queue int, series Series) (*XDPSocket, error) {
	if series.Size > chunkSize {
		return nil, &sys.OpError{Op: "send frame through AF_XDP", Err: unix.EMSGSIZE}
	}
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, sys.NewOpError("open AF_XDP socket", err)
	}
	x := &XDPSocket{fd: fd, series: series, free: ringSize, stride: max(64, 1<<bits.Len(uint(series.Size-1)))}
	if err := x.prepare(index, queue); err != nil {
		x.Close()
		return nil, err
	}
	return x, nil
}

func (x *XDPSocket) prepare(index, queue int) error {
	memory, err := unix.Mmap(-1, 0, ringSize*x.stride, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	if err != nil {
		return sys.NewOpError("map memory for frames", err)
	}
	x.memory = memory
	area := unix.XDPUmemReg{Addr: uint64(uintptr(unsafe.Pointer(&memory[0]))), Len: uint64(len(memory)), Size: chunkSize}
	if err := x.set(unix.XDP_UMEM_REG, unsafe.Pointer(&area), unsafe.Sizeof(area)); err != nil {
		return sys.NewOpError("register memory with AF_XDP", err)
	}
	size := uint32(ringSize)
	for _, ring := range []int{unix.XDP_UMEM_FILL_RING, unix.XDP_UMEM_COMPLETION_RING, unix.XDP_TX_RING} {
		if err := x.set(ring, unsafe.Pointer(&size), 4); err != nil {
			return sys.NewOpError("make AF_XDP ring", err)
		}
	}
	budget := uint32(txBudget)
	_ = x.set(optionBudget, unsafe.Pointer(&budget), 4) // kernels before 6.17 send 32 at a time
	if err := x.mapRings(); err != nil {
		return err
	}
	address := unix.RawSockaddrXDP{Family: unix.AF_XDP, Flags: unix.XDP_COPY | unix.XDP_USE_NEED_WAKEUP, Ifindex: uint32(index), Queue_id: uint32(queue)}
	// The kernel lets go of a queue some time after the socket that had it was closed.
	for attempt := 0; ; attempt++ {
		_, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(x.fd), uintptr(unsafe.Pointer(&address)), unsafe.Sizeof(address))
		switch {
		case errno == 0:
			return nil
		case errno != unix.EBUSY || attempt == 100:
			return sys.NewOpError("bind AF_XDP socket", errno)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (x *XDPSocket) set(option int, value unsafe.Pointer, length uintptr) error {
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(x.fd), unix.SOL_XDP, uintptr(option), uintptr(value), length, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func (x *XDPSocket) mapRings() error {
	var offsets unix.XDPMmapOffsets
	length := uint32(unsafe.Sizeof(offsets))
	if _, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(x.fd), unix.SOL_XDP, unix.XDP_MMAP_OFFSETS, uintptr(unsafe.Pointer(&offsets)), uintptr(unsafe.Pointer(&length)), 0); errno != 0 {
		return sys.NewOpError("getsockopt XDP_MMAP_OFFSETS", errno)
	}
	err := x.sent.mapInto(x.fd, unix.XDP_PGOFF_TX_RING, offsets.Tx, unsafe.Sizeof(unix.XDPDesc{}))
	if err == nil {
		err = x.done.mapInto(x.fd, unix.XDP_UMEM_PGOFF_COMPLETION_RING, offsets.Cr, 8)
	}
	return err
}

func (r *sharedRing) mapInto(fd int, offset int64, layout unix.XDPRingOffset, entry uintptr) error {
	mapping, err := unix.Mmap(fd, offset, int(layout.Desc)+ringSize*int(entry), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return sys.NewOpError("map AF_XDP ring", err)
	}
	r.mapping = mapping
	r.producer = (*uint32)(unsafe.Pointer(&mapping[layout.Producer]))
	r.consumer = (*uint32)(unsafe.Pointer(&mapping[layout.Consumer]))
	r.entries = unsafe.Pointer(&mapping[layout.Desc])
	return nil
}

// Send sends up to count frames of the series, beginning with the one with that number,
// and returns how many the kernel took. Fewer than it could mean that it has no room at
// the moment.
func (x *XDPSocket) Send(first uint64, count int) (int, error) {
	x.reap()
	produced := atomic.LoadUint32(x.sent.producer)
	room := min(uint32(count), x.free)
	x.fill(first, room)
	for i := range room {
		at := int(x.next%ringSize) * x.stride
		x.next++
		entry := (produced + i) % ringSize
		*(*unix.XDPDesc)(unsafe.Add(x.sent.entries, uintptr(entry)*unsafe.Sizeof(unix.XDPDesc{}))) = unix.XDPDesc{Addr: uint64(at), Len: uint32(x.series.Size)}
	}
	atomic.StoreUint32(x.sent.producer, produced+room)
	x.free -= room
	taken, err := x.kick(produced + room)
	return int(taken), err
}

// fill writes frames into the next places, which may begin again with the first one.
func (x *XDPSocket) fill(first uint64, count uint32) {
	place := x.next % ringSize
	some := min(count, ringSize-place)
	x.series.Fill(x.memory[int(place)*x.stride:], x.stride, first, int(some))
	x.series.Fill(x.memory, x.stride, first+uint64(some), int(count-some))
}

// kick makes the kernel send until it has taken all descriptors up to end, and returns
// how many it took. It gives up on a device that takes none for a second.
func (x *XDPSocket) kick(end uint32) (uint32, error) {
	first := atomic.LoadUint32(x.sent.consumer)
	last, since := first, time.Now()
	for {
		// Raw for the same reason as in Packets.Send.
		_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(x.fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
		x.reap()
		switch errno {
		case 0, unix.EAGAIN, unix.EINTR: // EAGAIN: the budget of one kick is used up
		case unix.EBUSY, unix.ENOBUFS: // the device dropped one, or has no room
		default:
			return atomic.LoadUint32(x.sent.consumer) - first, sys.NewOpError("send through AF_XDP", errno)
		}
		switch now := atomic.LoadUint32(x.sent.consumer); {
		case now == end:
			return end - first, nil
		case now != last:
			last, since = now, time.Now()
		case time.Since(since) > time.Second:
			return now - first, sys.NewOpError("send through AF_XDP", unix.ETIMEDOUT)
		default:
			time.Sleep(20 * time.Microsecond)
		}
	}
}

// reap takes back the places of frames that have left.
func (x *XDPSocket) reap() {
	produced, consumed := atomic.LoadUint32(x.done.producer), atomic.LoadUint32(x.done.consumer)
	if produced != consumed {
		x.free += produced - consumed
		atomic.StoreUint32(x.done.consumer, produced)
	}
}

// Close closes the socket.
func (x *XDPSocket) Close() error {
	for _, mapping := range [][]byte{x.sent.mapping, x.done.mapping, x.memory} {
		if mapping != nil {
			unix.Munmap(mapping)
		}
	}
	return sys.NewOpError("close AF_XDP socket", unix.Close(x.fd))
}
