package frame

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

const (
	// maxLive is how many frames one run of the program sends at most. A power of two.
	maxLive = 1 << 20
	// tableSize bounds the memory of the table, in bytes. Each run costs the kernel two
	// grace periods, some ten milliseconds, whatever it sends.
	tableSize = 32 << 20
	// maxVarying bounds the bytes in which frames of a series may differ.
	maxVarying = 256
	// entriesAt is where the entries begin in the map, behind the counter.
	entriesAt = 64
	// maxLiveFrame is what fits into a page beside what the kernel keeps there.
	maxLiveFrame = 3400
	// sample is how many frames are looked at to learn in which bytes they differ.
	sample = 4096
	// scratchFrames is how many are written at once.
	scratchFrames = 64
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
	series  Series
	length  int    // of a frame in memory: its size rounded up to words
	base    []byte // the frame that is copied
	scratch []byte // some that are looked at
	varying []byte // 0xff in words that the table replaces
	words   []int  // where they begin in the frame
	room    int    // frames that the table holds, a power of two

	program int
	table   int
	memory  []byte
}

// OpenLive prepares to send a series on an interface.
func OpenLive(index int, series Series) (*Live, error) {
	l := &Live{index: index, series: series, length: (series.Size + 7) &^ 7, program: -1, table: -1}
	if series.Size > maxLiveFrame {
		return nil, &sys.OpError{Op: fmt.Sprintf("send live frames of more than %d bytes", maxLiveFrame), Err: sys.ErrUnsupported}
	}
	l.base, l.scratch, l.varying = make([]byte, l.length), make([]byte, scratchFrames*l.length), make([]byte, l.length)
	series.Fill(l.base, l.length, 0, 1)
	if err := l.build(); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Send sends up to count frames of the series, beginning with the one with that number,
// and returns how many were redirected to the device.
func (l *Live) Send(first uint64, count int) (int, error) {
	if !l.series.Varies {
		return l.run(min(count, maxLive))
	}
	if len(l.words) == 0 {
		if err := l.learn(first, min(count, sample)); err != nil {
			return 0, err
		}
	}
	for {
		n := min(count, l.room)
		covered := l.fill(first, n)
		if covered == n {
			return l.run(n)
		}
		if err := l.learn(first+uint64(covered), min(count-covered, sample)); err != nil {
			return 0, err
		}
	}
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
		if errno := runLive(l.program, l.base[:l.series.Size], uint32(count-done)); errno != 0 && errno != unix.EINTR {
			return int(atomic.LoadUint64(l.counter())), sys.NewOpError("run XDP program on live frames", errno)
		}
	}
}

// fill writes the table and returns how many frames are in it: fewer than count before a
// frame that differs from the base in other words than those.
func (l *Live) fill(first uint64, count int) int {
	for i := range count {
		frame := l.frame(first, i, count)
		if !l.covers(frame) {
			return i
		}
		entry := l.memory[entriesAt+i*8*len(l.words):]
		for j, at := range l.words {
			binary.NativeEndian.PutUint64(entry[8*j:], binary.NativeEndian.Uint64(frame[at:]))
		}
	}
	return count
}

// frame returns the ith of count frames from first on. It writes some at once, so that i
// must count up.
func (l *Live) frame(first uint64, i, count int) []byte {
	place := i % scratchFrames
	if place == 0 {
		l.series.Fill(l.scratch, l.length, first+uint64(i), min(scratchFrames, count-i))
	}
	return l.scratch[place*l.length:][:l.length]
}

// covers reports whether f is the base but for the varying bytes.
func (l *Live) covers(f []byte) bool {
	difference := uint64(0)
	for i := 0; i < l.length; i += 8 {
		difference |= (binary.NativeEndian.Uint64(f[i:]) ^ binary.NativeEndian.Uint64(l.base[i:])) &^ binary.NativeEndian.Uint64(l.varying[i:])
	}
	return difference == 0
}

// learn makes a program whose words cover what the frames from first on differ in.
func (l *Live) learn(first uint64, count int) error {
	for n := range count {
		for i, octet := range l.frame(first, n, count) {
			if octet != l.base[i] {
				copy(l.varying[i&^7:], "\xff\xff\xff\xff\xff\xff\xff\xff")
			}
		}
	}
	if differ := bytes.Count(l.varying, []byte{0xff}); differ > maxVarying {
		return &sys.OpError{Op: fmt.Sprintf("send live frames that differ in %d bytes, more than %d", differ, maxVarying), Err: sys.ErrUnsupported}
	}
	return l.build()
}

// build lays out the table and loads the program for what varies.
func (l *Live) build() error {
	l.release()
	l.layOut()
	l.room = maxLive
	for l.room*8*len(l.words) > tableSize {
		l.room /= 2
	}
	page := unix.Getpagesize()
	size := (entriesAt + l.room*8*len(l.words) + page - 1) / page * page
	var err error
	if l.table, l.memory, err = newMap(size); err != nil {
		return err
	}
	l.program, err = loadXDP(l.assemble())
	return err
}

// layOut lists the words that vary. The last one ends with the frame.
func (l *Live) layOut() {
	l.words = nil
	for at := 0; at < l.length; at += 8 {
		if binary.NativeEndian.Uint64(l.varying[at:]) != 0 {
			l.words = append(l.words, min(at, l.series.Size-8))
		}
	}
}

// assemble writes the program: count, copy the words of the frame whose turn it is,
// redirect.
func (l *Live) assemble() []operation {
	p := []operation{
		op(opLoad4, 2, 1, 0, 0), // r2 = data
		op(opLoad4, 3, 1, 4, 0), // r3 = data_end
		op(opMove, 4, 2, 0, 0),
		op(opAddNumber, 4, 0, 0, int32(l.series.Size)),
		{}, // a frame too short is dropped: set below
		op(opWide, 7, mapValue, 0, int32(l.table)),
		op(0, 0, 0, 0, 0),
		op(opLoad8, 8, 7, 0, 0), // r8 = counter++
		op(opMove, 9, 8, 0, 0),
		op(opAddNumber, 9, 0, 0, 1),
		op(opStore8, 7, 9, 0, 0),
		op(opAndNumber, 8, 0, 0, int32(l.room-1)), // r7 = its entry
		op(opTimesNumber, 8, 0, 0, int32(8*len(l.words))),
		op(opAdd, 7, 8, 0, 0),
	}
	for j, at := range l.words {
		p = append(p,
			op(opLoad8, 5, 7, int16(entriesAt+8*j), 0),
			op(opStore8, 2, 5, int16(at), 0))
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
