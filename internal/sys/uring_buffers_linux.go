package sys

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxBufferRing is the kernel's limit on a ring's entries.
const maxBufferRing = 1 << 15

// bufferColour is put between buffers, so that their first bytes, which is all that
// short messages fill, do not compete for the same lines of the processor's caches.
const bufferColour = 64

// A BufferRing is a group of equal buffers from which Ring.Receive takes one when
// bytes have arrived, and not before: connections that are silent hold none. It
// belongs to its Ring's thread.
type BufferRing struct {
	ring    *Ring
	group   uint16
	tail    uint16 // with what Publish has not shown yet
	mask    uint16
	size    int
	stride  int
	entries []bufferEntry
	memory  []byte // of the buffers
	mapping []byte // of the entries
}

// NewBufferRing gives ring a group of count buffers of size bytes each. The count,
// at most 32768, is rounded up to a power of two. All are with the kernel at first.
// Free it after the ring was closed.
func NewBufferRing(ring *Ring, group uint16, count, size int) (*BufferRing, error) {
	if count < 1 || count > maxBufferRing || size < 1 {
		return nil, fmt.Errorf("buffer ring: %d buffers of %d bytes", count, size)
	}
	entries := 1 << bits.Len(uint(count-1))
	b := &BufferRing{ring: ring, group: group, mask: uint16(entries - 1), size: size, stride: size + bufferColour}
	var err error
	if b.mapping, err = mapMemory(entries * int(unsafe.Sizeof(bufferEntry{}))); err != nil {
		return nil, err
	}
	b.entries = unsafe.Slice((*bufferEntry)(unsafe.Pointer(&b.mapping[0])), entries)
	if b.memory, err = mapMemory(entries * b.stride); err != nil {
		b.Free()
		return nil, err
	}
	arg := bufferRingArgument{address: uint64(uintptr(unsafe.Pointer(&b.mapping[0]))), entries: uint32(entries), group: group}
	if err := ringRegister(ring.fd, ringRegisterBufferRing, unsafe.Pointer(&arg), 1); err != nil {
		b.Free()
		return nil, opError("register io_uring buffers", err)
	}
	for id := range entries {
		b.Recycle(uint16(id))
	}
	b.Publish()
	return b, nil
}

func mapMemory(size int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
	return b, opError("mmap", err)
}

// Group returns what Ring.Receive names it by.
func (b *BufferRing) Group() uint16 { return b.group }

// Count returns how many buffers there are.
func (b *BufferRing) Count() int { return len(b.entries) }

// Bytes returns the first n bytes of a buffer that a completion has handed over.
// They are the caller's until it recycles the buffer.
func (b *BufferRing) Bytes(id uint16, n int) []byte {
	at := int(id&b.mask) * b.stride
	return b.memory[at : at+n : at+b.size]
}

// Recycle gives a buffer back, from the next Publish on.
func (b *BufferRing) Recycle(id uint16) {
	id &= b.mask
	e := &b.entries[b.tail&b.mask]
	// Field by field: the first entry's last field is the tail.
	e.address = uint64(uintptr(unsafe.Pointer(&b.memory[int(id)*b.stride])))
	e.length, e.id = uint32(b.size), id
	b.tail++
}

// Publish shows the kernel all buffers that were recycled.
func (b *BufferRing) Publish() {
	// The tail shares a word with an id that only we write: storing both makes it an
	// ordered store, of which sync/atomic has none for 16 bits.
	first := &b.entries[0]
	var word [4]byte
	binary.NativeEndian.PutUint16(word[:2], first.id)
	binary.NativeEndian.PutUint16(word[2:], b.tail)
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&first.id)), binary.NativeEndian.Uint32(word[:]))
}

// Free gives the memory back. The ring must be closed, and no Bytes in use.
func (b *BufferRing) Free() {
	for _, mapping := range [][]byte{b.mapping, b.memory} {
		if mapping != nil {
			unix.Munmap(mapping)
		}
	}
	b.mapping, b.memory, b.entries = nil, nil, nil
}
