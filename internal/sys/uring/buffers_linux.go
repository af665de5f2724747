package uring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// A BufferRing is a group of buffers into which Ring.Receive writes what has
// arrived, when it has: connections that are silent hold none. Where the kernel
// can (Linux 6.12), many messages share a buffer, one behind the other; otherwise
// each takes one to itself. It belongs to its Ring's thread.
type BufferRing struct {
	ring        *Ring
	group       uint16
	incremental bool
	tail        uint16 // with what Publish has not shown yet
	mask        uint16
	size        int
	entries     []bufferEntry
	used        []int  // of each buffer, by those messages that were taken
	memory      []byte // of the buffers
	mapping     []byte // of the entries
}

// wholeBuffer is the most that a buffer holds that one message takes to itself.
const wholeBuffer = 2 << 10

// NewBufferRing gives ring a group of count buffers of size bytes each; where
// each message takes a whole one, more and smaller ones of as much memory. All
// are with the kernel at first. Free it after the ring was closed.
func NewBufferRing(ring *Ring, group uint16, count, size int) (*BufferRing, error) {
	if count < 1 || size < 1 || count*size > 1<<26 {
		return nil, fmt.Errorf("buffer ring: %d buffers of %d bytes", count, size)
	}
	b, err := newBufferRing(ring, group, count, size, bufferRingIncremental)
	if errors.Is(err, unix.EINVAL) {
		small := min(size, wholeBuffer)
		return newBufferRing(ring, group, count*size/small, small, 0)
	}
	return b, err
}

func newBufferRing(ring *Ring, group uint16, count, size int, flags uint16) (*BufferRing, error) {
	entries := 1 << bits.Len(uint(count-1))
	b := &BufferRing{
		ring: ring, group: group, incremental: flags&bufferRingIncremental != 0,
		mask: uint16(entries - 1), size: size, used: make([]int, entries),
	}
	if err := b.register(entries, flags); err != nil {
		b.Free()
		return nil, err
	}
	for id := range entries {
		b.recycle(uint16(id))
	}
	b.Publish()
	return b, nil
}

func (b *BufferRing) register(entries int, flags uint16) (err error) {
	if b.mapping, err = mapMemory(entries * int(unsafe.Sizeof(bufferEntry{}))); err != nil {
		return err
	}
	b.entries = unsafe.Slice((*bufferEntry)(unsafe.Pointer(&b.mapping[0])), entries)
	if b.memory, err = mapMemory(entries * b.size); err != nil {
		return err
	}
	arg := bufferRingArgument{
		address: uint64(uintptr(unsafe.Pointer(&b.mapping[0]))), entries: uint32(entries), group: b.group, flags: flags,
	}
	return sys.NewOpError("register io_uring buffers", ringRegister(b.ring.fd, ringRegisterBufferRing, unsafe.Pointer(&arg), 1))
}

func mapMemory(size int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
	return b, sys.NewOpError("mmap", err)
}

// Group returns what Ring.Receive names it by.
func (b *BufferRing) Group() uint16 { return b.group }

// Take returns what a completed receive has written, nil if nothing. The bytes are
// the caller's until the next Publish. It must be called for every completion of a
// receive, once, in the order in which they were reaped.
func (b *BufferRing) Take(c Completion) []byte {
	if c.flags&completionBuffer == 0 {
		return nil
	}
	id := uint16(c.flags>>bufferIDShift) & b.mask
	n := max(int(c.Result), 0)
	from := b.used[id]
	got := b.memory[int(id)*b.size:][from : from+n : from+n]
	if b.used[id] += n; c.flags&completionBufferMore == 0 {
		b.recycle(id)
	}
	return got
}

// recycle gives a buffer back, from the next Publish on.
func (b *BufferRing) recycle(id uint16) {
	b.used[id] = 0
	e := &b.entries[b.tail&b.mask]
	// Field by field: the first entry's last field is the tail.
	e.address = uint64(uintptr(unsafe.Pointer(&b.memory[int(id)*b.size])))
	e.length, e.id = uint32(b.size), id
	b.tail++
}

// Publish gives the kernel back all buffers that were taken and are used up.
func (b *BufferRing) Publish() {
	// The tail shares a word with an id that only we write: storing both makes it an
	// ordered store, of which sync/atomic has none for 16 bits.
	first := &b.entries[0]
	var word [4]byte
	binary.NativeEndian.PutUint16(word[:2], first.id)
	binary.NativeEndian.PutUint16(word[2:], b.tail)
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&first.id)), binary.NativeEndian.Uint32(word[:]))
}

// Free gives the memory back. The ring must be closed, and nothing that was taken in use.
func (b *BufferRing) Free() {
	for _, mapping := range [][]byte{b.mapping, b.memory} {
		if mapping != nil {
			unix.Munmap(mapping)
		}
	}
	b.mapping, b.memory, b.entries = nil, nil, nil
}
