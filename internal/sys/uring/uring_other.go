//go:build !linux

package uring

import (
	"time"

	"wirelab/internal/sys"
)

// A Ring is an io_uring of the Linux kernel.
type Ring struct{}

// A BufferRing is a group of buffers of a Ring.
type BufferRing struct{}

func Probe() error                                               { return sys.ErrUnsupported }
func New(Config) (*Ring, error)                                  { return nil, sys.ErrUnsupported }
func NewBufferRing(*Ring, uint16, int, int) (*BufferRing, error) { return nil, sys.ErrUnsupported }

func (r *Ring) Enable() error                          { return sys.ErrUnsupported }
func (r *Ring) Close() error                           { return sys.ErrUnsupported }
func (r *Ring) Wake() error                            { return sys.ErrUnsupported }
func (r *Ring) Submit() error                          { return sys.ErrUnsupported }
func (r *Ring) SubmitAndWait(int, time.Duration) error { return sys.ErrUnsupported }
func (r *Ring) SubmissionsLeft() int                   { return 0 }
func (r *Ring) Ready() int                             { return 0 }
func (r *Ring) Overflowed() bool                       { return false }
func (r *Ring) Reap([]Completion) int                  { return 0 }
func (r *Ring) Accept(int, uint64)                     {}
func (r *Ring) Receive(int, uint16, uint64)            {}
func (r *Ring) Send(int, []byte, uint64)               {}
func (r *Ring) SendNow(int, []byte, uint64)            {}
func (r *Ring) Cancel(uint64, uint64)                  {}
func (r *Ring) CancelFD(int, uint64)                   {}

func (b *BufferRing) Group() uint16          { return 0 }
func (b *BufferRing) Take(Completion) []byte { return nil }
func (b *BufferRing) Publish()               {}
func (b *BufferRing) Free()                  {}
