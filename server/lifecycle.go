package server

import (
	"errors"
	"sync"
	"sync/atomic"
)

// ErrClosed is what Run returns of a server that was closed before, or run before.
var ErrClosed = errors.New("the server is closed")

// A lifecycle lets a server run once, and be closed at any time.
type lifecycle struct {
	begun   atomic.Bool
	once    sync.Once
	closing chan struct{} // closed when the server is to end at once
	ended   chan struct{} // closed when nothing of the server is left
}

func newLifecycle() lifecycle {
	return lifecycle{closing: make(chan struct{}), ended: make(chan struct{})}
}

// begin reports whether the caller is the one who runs the server, or frees it. That
// one calls end.
func (l *lifecycle) begin() bool { return l.begun.CompareAndSwap(false, true) }

func (l *lifecycle) end() { close(l.ended) }

// close asks a running server to end at once and waits for it. It reports whether
// the server was never run: then the caller frees what it has, and calls end.
func (l *lifecycle) close() (idle bool) {
	l.once.Do(func() { close(l.closing) })
	if l.begin() {
		return true
	}
	<-l.ended
	return false
}
