//go:build !linux

package epoll

import (
	"time"

	"wirelab/internal/sys"
)

type epollEvent struct {
	Events  uint32
	Fd, Pad int32
}

// An Instance is an event queue of the Linux kernel.
type Instance struct{}

func New() (*Instance, error)                                { return nil, sys.ErrUnsupported }
func (e *Instance) Add(int, Ready, uint64) error             { return sys.ErrUnsupported }
func (e *Instance) Modify(int, Ready, uint64) error          { return sys.ErrUnsupported }
func (e *Instance) Remove(int) error                         { return sys.ErrUnsupported }
func (e *Instance) Poll([]Event) (int, error)                { return 0, sys.ErrUnsupported }
func (e *Instance) Wait([]Event, time.Duration) (int, error) { return 0, sys.ErrUnsupported }
func (e *Instance) Wake() error                              { return sys.ErrUnsupported }
func (e *Instance) Close() error                             { return sys.ErrUnsupported }
