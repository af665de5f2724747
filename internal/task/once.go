package task

import (
	"sync"
	"sync/atomic"
)

// A Once lets a task that holds resources before it runs, such as a server that listens,
// run once and be closed at any time.
type Once struct {
	begun   atomic.Bool
	once    sync.Once
	closing chan struct{} // closed when the task is to end at once
	ended   chan struct{} // closed when nothing of the task is left
}

// NewOnce returns the Once of a task that has not run.
func NewOnce() *Once {
	return &Once{closing: make(chan struct{}), ended: make(chan struct{})}
}

// Begin reports whether the caller is the one who runs the task, or frees it. That one
// calls End.
func (o *Once) Begin() bool { return o.begun.CompareAndSwap(false, true) }

// End says that nothing of the task is left.
func (o *Once) End() { close(o.ended) }

// Closing is closed when the task is to end at once.
func (o *Once) Closing() <-chan struct{} { return o.closing }

// Close asks a running task to end at once and waits for it. It reports whether the
// task was never run: then the caller frees what it has, and calls End.
func (o *Once) Close() (idle bool) {
	o.once.Do(func() { close(o.closing) })
	if o.Begin() {
		return true
	}
	<-o.ended
	return false
}
