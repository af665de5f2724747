package capfile

import (
	"errors"
	"fmt"
	"io"
)

// bufferSize is what a Reader holds of a file unless a frame is larger.
const bufferSize = 512 << 10

// window is the part of a file that is in memory.
type window struct {
	source io.Reader
	buf    []byte
	start  int   // of what was not consumed
	end    int   // of what was read
	base   int64 // offset of buf[0] in the file
	err    error // what ended the file
}

func newWindow(source io.Reader) window {
	return window{source: source, buf: make([]byte, bufferSize)}
}

// offset returns where the next byte is in the file.
func (w *window) offset() int64 { return w.base + int64(w.start) }

// peek returns the next n bytes without consuming them, fewer only at the end of
// the file. They stay valid until the next call.
func (w *window) peek(n int) []byte {
	if w.end-w.start < n {
		w.fill(n)
	}
	return w.buf[w.start:min(w.start+n, w.end)]
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
	if w.err != nil && !errors.Is(w.err, io.EOF) {
		return w.err
	}
	return &DamageError{at, fmt.Sprintf("the file ends inside %s of %d bytes", what, n)}
}
