package frame

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

const (
	// MaxLive is how many frames Live sends at once. A power of two.
	MaxLive = 1 << 14
	// maxVarying bounds the bytes in which frames of a series may differ.
	maxVarying = 256
	// patchesAt is where the patches begin in the map, behind the counter.
	patchesAt = 64
	// maxLiveFrame is what fits into a page beside what the kernel keeps there.
	maxLiveFrame = 3400
)

// Live sends frames from inside the kernel: an XDP program that runs on copies of a
// frame redirects each to the device (BPF_F_TEST_XDP_LIVE_FRAMES). What differs from
// frame to frame it takes from a table that Send fills, because the kernel uses the
// pages of frames again.
//
// A device that takes no frames in this way drops them without a word. Whoever uses
// Live asks first whether it does, and looks at the device's counter.
type Live struct {
	index   int
	base    []byte  // the frame that is copied
	varying []bool  // which of its bytes the table replaces
	patches []patch // the same as pieces of 8, 4, 2 and 1 bytes
	stride  int     // bytes of the table for one frame, a power of two

	program int
	table   int
	memory  []byte
}

// patch is a piece of a frame that comes from the table.
type patch struct {
	at   int // in the frame
	from int // in the frame's entry of the table
	size int
}

// OpenLive prepares to send on an interface.
func OpenLive(index int) (*Live, error) {
	l := &Live{index: index, program: -1, table: -1}
	// A program for an empty frame says whether the process may do this at all.
	l.base = make([]byte, 64)
	l.varying = make([]bool, 64)
	if err := l.build(); err != nil {
		l.Close()
		return nil, err
	}
	l.base = nil
	return l, nil
}

// Send sends up to MaxLive frames of one length in their order and returns how many
// were redirected to the device.
func (l *Live) Send(frames [][]byte) (int, error) {
	frames = frames[:min(len(frames), MaxLive)]
	if len(frames[0]) > maxLiveFrame {
		return 0, &sys.OpError{Op: "send live frame", Err: unix.EMSGSIZE}
	}
	if len(l.base) != len(frames[0]) {
		l.base = append([]byte(nil), frames[0]...)
		l.varying = make([]bool, len(l.base))
		if err := l.rebuild(frames); err != nil {
			return 0, err
		}
	}
	if ok := l.fill(frames); !ok {
		if err := l.rebuild(frames); err != nil {
			return 0, err
		}
		l.fill(frames)
	}
	return l.run(len(frames))
}

// counter is how many times the program ran since it was set to 0.
func (l *Live) counter() *uint64 { return (*uint64)(unsafe.Pointer(&l.memory[0])) }

func (l *Live) run(count int) (int, error) {
	atomic.StoreUint64(l.counter(), 0)
	for {
		done := int(atomic.LoadUint64(l.counter()))
		if done >= count {
			return done, nil
		}
		if errno := runLive(l.program, l.base, uint32(count-done)); errno != 0 && errno != unix.EINTR {
			return int(atomic.LoadUint64(l.counter())), sys.NewOpError("run XDP program on live frames", errno)
		}
	}
}

// fill writes the table. It reports false if a frame differs from the base in bytes
// that no patch covers.
func (l *Live) fill(frames [][]byte) bool {
	previous := &l.base[0]
	for i, f := range frames {
		if len(l.patches) == 0 && &f[0] == previous {
			continue // the same frame again, and again
		}
		previous = &f[0]
		if len(f) != len(l.base) || !l.covers(f) {
			return false
		}
		entry := l.memory[patchesAt+i*l.stride:]
		for _, p := range l.patches {
			copy(entry[p.from:p.from+p.size], f[p.at:p.at+p.size])
		}
	}
	return true
}

// covers reports whether f is the base but for the varying bytes. It compares eight
// bytes at a time and looks closer only where they differ.
func (l *Live) covers(f []byte) bool {
	i := 0
	for ; i+8 <= len(f); i += 8 {
		difference := binary.LittleEndian.Uint64(f[i:]) ^ binary.LittleEndian.Uint64(l.base[i:])
		for difference != 0 {
			at := bits.TrailingZeros64(difference) / 8
			if !l.varying[i+at] {
				return false
			}
			difference &^= 0xff << (8 * at)
		}
	}
	for ; i < len(f); i++ {
		if f[i] != l.base[i] && !l.varying[i] {
			return false
		}
	}
	return true
}

// rebuild makes a program whose patches cover what frames differ in.
func (l *Live) rebuild(frames [][]byte) error {
	count := 0
	for _, f := range frames {
		if len(f) != len(l.base) {
			return fmt.Errorf("send live frames of %d and %d bytes: one length at a time", len(f), len(l.base))
		}
		for i := range f {
			if f[i] != l.base[i] && !l.varying[i] {
				l.varying[i] = true
			}
		}
	}
	for _, v := range l.varying {
		if v {
			count++
		}
	}
	if count > maxVarying {
		return &sys.OpError{Op: fmt.Sprintf("send live frames that differ in %d bytes, more than %d", count, maxVarying), Err: sys.ErrUnsupported}
	}
	return l.build()
}

// build lays out the table and loads the program for the present base.
func (l *Live) build() error {
	l.release()
	l.layOut()
	size := patchesAt
	if l.stride > 0 {
		size += MaxLive * l.stride
	}
	page := unix.Getpagesize()
	var err error
	if l.table, l.memory, err = newMap((size + page - 1) / page * page); err != nil {
		return err
	}
	l.program, err = loadXDP(l.assemble())
	return err
}

// layOut cuts the varying bytes into pieces that one instruction moves, the largest
// first so that each is aligned in the table.
func (l *Live) layOut() {
	var pieces []patch
	for i := 0; i < len(l.varying); {
		end := i
		for end < len(l.varying) && l.varying[end] {
			end++
		}
		for i < end {
			size := min(8, 1<<(bits.Len(uint(end-i))-1))
			pieces = append(pieces, patch{at: i, size: size})
			i += size
		}
		i = max(i, end+1)
	}
	l.patches, l.stride = nil, 0
	from := 0
	for _, size := range []int{8, 4, 2, 1} {
		for _, p := range pieces {
			if p.size == size {
				l.patches = append(l.patches, patch{p.at, from, size})
				from += size
			}
		}
	}
	if from > 0 {
		l.stride = 1 << bits.Len(uint(from-1))
	}
}

// assemble writes the program: count, copy the patches of the frame whose turn it is,
// redirect.
func (l *Live) assemble() []operation {
	moves := map[int][2]uint8{8: {opLoad8, opStore8}, 4: {opLoad4, opStore4}, 2: {opLoad2, opStore2}, 1: {opLoad1, opStore1}}
	p := []operation{
		op(opLoad4, 2, 1, 0, 0), // r2 = data
		op(opLoad4, 3, 1, 4, 0), // r3 = data_end
		op(opMove, 4, 2, 0, 0),
		op(opAddNumber, 4, 0, 0, int32(len(l.base))),
		{}, // a frame too short is dropped: set below
		op(opWide, 7, mapValue, 0, int32(l.table)),
		op(0, 0, 0, 0, 0),
		op(opLoad8, 8, 7, 0, 0), // r8 = counter++
		op(opMove, 9, 8, 0, 0),
		op(opAddNumber, 9, 0, 0, 1),
		op(opStore8, 7, 9, 0, 0),
	}
	if l.stride > 0 {
		p = append(p,
			op(opAndNumber, 8, 0, 0, MaxLive-1),
			op(opLeftNumber, 8, 0, 0, int32(bits.TrailingZeros(uint(l.stride)))),
			op(opAdd, 7, 8, 0, 0))
	}
	for _, m := range l.patches {
		p = append(p,
			op(moves[m.size][0], 5, 7, int16(patchesAt+m.from), 0),
			op(moves[m.size][1], 2, 5, int16(m.at), 0))
	}
	p = append(p,
		op(opSet, 1, 0, 0, int32(l.index)),
		op(opSet, 2, 0, 0, 0),
		op(opCall, 0, 0, 0, callRedirect),
		op(opExit, 0, 0, 0, 0),
		op(opSet, 0, 0, 0, actionDrop),
		op(opExit, 0, 0, 0, 0))
	p[4] = op(opIfGreater, 4, 3, int16(len(p)-2-5), 0)
	return p
}

// release lets go of program and table.
func (l *Live) release() {
	if l.memory != nil {
		unix.Munmap(l.memory)
	}
	for _, fd := range []int{l.program, l.table} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	l.memory, l.program, l.table = nil, -1, -1
}

// Close lets go of what OpenLive and Send made.
func (l *Live) Close() error {
	l.release()
	return nil
}
