//go:build linux

package uring

// Setups is how many ways there are to set up a ring.
const Setups = len(ringSetups)

// NewWith makes a ring in one of those ways.
func NewWith(setup int, cfg Config) (*Ring, error) {
	return newRing(cfg, ringSetups[setup:setup+1])
}

// CancelAll is the first half of Close.
func (r *Ring) CancelAll() { r.cancelAll() }

// CompletionsSize returns how many completions the queue holds.
func (r *Ring) CompletionsSize() int { return len(r.cq.entries) }

// Memory returns all buffers.
func (b *BufferRing) Memory() []byte { return b.memory }

// NewWholeBufferRing makes a BufferRing as before Linux 6.12.
func NewWholeBufferRing(ring *Ring, group uint16, count, size int) (*BufferRing, error) {
	return newBufferRing(ring, group, count, size, 0)
}
