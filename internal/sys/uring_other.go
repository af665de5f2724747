//go:build !linux

package sys

import (
	"net/netip"
	"syscall"
	"time"
)

// A Ring is an io_uring of the Linux kernel.
type Ring struct{}

// A BufferRing is a group of buffers of a Ring.
type BufferRing struct{}

func ProbeRing() error                                           { return ErrUnsupported }
func NewRing(RingConfig) (*Ring, error)                          { return nil, ErrUnsupported }
func NewBufferRing(*Ring, uint16, int, int) (*BufferRing, error) { return nil, ErrUnsupported }

func PeerAddr(int) (netip.AddrPort, syscall.Errno) { return netip.AddrPort{}, syscall.ENOSYS }

func (r *Ring) Enable() error                          { return ErrUnsupported }
func (r *Ring) Close() error                           { return ErrUnsupported }
func (r *Ring) Wake() error                            { return ErrUnsupported }
func (r *Ring) Submit() error                          { return ErrUnsupported }
func (r *Ring) SubmitAndWait(int, time.Duration) error { return ErrUnsupported }
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
