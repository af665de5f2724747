package server

// The capacities of a new buffer, of one that is kept for later, and of all that
// are kept.
const (
	newBuffer      = 4 << 10
	maxFreeBuffer  = 256 << 10
	maxFreeBuffers = 1 << 20
)

// freeBuffers are buffers that nobody uses, the last used on top: it is the one
// that the processor's caches know.
type freeBuffers struct {
	buffers [][]byte
	size    int // the sum of their capacities
}

// get returns an empty buffer.
func (f *freeBuffers) get() []byte {
	n := len(f.buffers)
	if n == 0 {
		return make([]byte, 0, newBuffer)
	}
	b := f.buffers[n-1]
	f.buffers = f.buffers[:n-1]
	f.size -= cap(b)
	return b
}

func (f *freeBuffers) put(b []byte) {
	if cap(b) > 0 && cap(b) <= maxFreeBuffer && f.size+cap(b) <= maxFreeBuffers {
		f.buffers = append(f.buffers, b[:0])
		f.size += cap(b)
	}
}
