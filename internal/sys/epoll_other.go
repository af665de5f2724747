//go:build !linux

package sys

import "time"

type epollEvent struct {
	Events  uint32
	Fd, Pad int32
}

// An Epoll is an event queue of the Linux kernel.
type Epoll struct{}

func NewEpoll() (*Epoll, error)                           { return nil, ErrUnsupported }
func (e *Epoll) Add(int, Ready, uint64) error             { return ErrUnsupported }
func (e *Epoll) Modify(int, Ready, uint64) error          { return ErrUnsupported }
func (e *Epoll) Remove(int) error                         { return ErrUnsupported }
func (e *Epoll) Poll([]Event) (int, error)                { return 0, ErrUnsupported }
func (e *Epoll) Wait([]Event, time.Duration) (int, error) { return 0, ErrUnsupported }
func (e *Epoll) Wake() error                              { return ErrUnsupported }
func (e *Epoll) Close() error                             { return ErrUnsupported }
