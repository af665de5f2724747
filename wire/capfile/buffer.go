package capfile

import (
	"errors"
	"fmt"
	"io"
)

// BufferSize is what a Reader holds of a file unless a frame is larger, in bytes. It is
// the size of memory that suits [Reader.Batch].
const BufferSize = 128 << 10

// errHeld says that the file goes on behind what is in memory.
var errHeld = errors.New("more of the file must be read")

// window is the part of a file that is in memory.
type window struct {
	source io.Reader
	buf    []byte
	start  int   // of what was not consumed
	end    int   // of what was read
	base   int64 // offset of buf[0] in the file
	err    error // what ended the file
	held   bool  // frames are in use: nothing may be moved, nor read
}

func newWindow(source io.Reader) window {
	return window{source: source, buf: make([]byte, BufferSize)}
}

// offset returns where the next byte is in the file.
func (w *window) offset() int64 { return w.base + int64(w.start) }

// use goes on in other memory. What it had before is left as it is.
func (w *window) use(memory []byte) {
	w.base += int64(w.start)
	rest := w.buf[w.start:w.end]
	if len(rest) > len(memory) {
		memory = make([]byte, len(rest))
	}
	w.buf, w.start, w.end = memory, 0, copy(memory, rest)
}

// holds reports whether the next n bytes may be consumed, though they may have to be
// read first.
func (w *window) holds(n int64) bool { return !w.held || n <= int64(w.end-w.start) }

// ahead returns what is in memory, n bytes or more, fewer only at the end of the file or of
// what is held. It stays valid until the next call.
func (w *window) ahead(n int) []byte {
	if w.end-w.start < n && !w.held {
		w.fill(n)
	}
	return w.buf[w.start:w.end]
}

// peek returns the next n bytes without consuming them, fewer only at the end of
// the file or of what is held. They stay valid until the next call.
func (w *window) peek(n int) []byte {
	b := w.ahead(n)
	return b[:min(n, len(b))]
}

// fill makes room for n bytes and reads until they are there.
func (w *window) fill(n int) {
	if w.start > 0 {
		w.base += int64(w.start)
		w.end = copy(w.buf, w.buf[w.start:w.end])
		w.start = 0
	}
	if n > len(w.buf) {
		w.buf = append(make([]byte, 0, n), w.buf[:w.end]...)[:n]
	}
	for w.end < n && w.err == nil {
		var got int
		got, w.err = w.source.Read(w.buf[w.end:])
		w.end += got
	}
}

// skip consumes n bytes and reports whether the file had that many.
func (w *window) skip(n int64) bool {
	for {
		step := min(n, int64(w.end-w.start))
		w.start += int(step)
		if n -= step; n == 0 {
			return true
		}
		if w.fill(1); w.start == w.end {
			return false
		}
	}
}

// ended returns the error for a file that ends where n more bytes were expected
// from at on.
func (w *window) ended(at int64, what string, n int64) error {
	if w.held && w.err == nil {
		return errHeld
	}
	if w.err != nil && !errors.Is(w.err, io.EOF) {
		return w.err
	}
	return &DamageError{at, fmt.Sprintf("the file ends inside %s of %d bytes", what, n)}
}
