// Package epoll waits for many descriptors at once (epoll(7)). An [Instance] belongs
// to one goroutine; [Instance.Wake] alone may be called from others.
package epoll

// Ready is a set of conditions of a descriptor: those to be told of, or those
// that hold. The values are the kernel's (epoll_ctl(2)).
type Ready uint32

// Conditions. ReadyError and ReadyClosed are always told of.
const (
	ReadyIn     Ready = 0x1     // bytes or a connection can be read
	ReadyUrgent Ready = 0x2     // urgent data has come (EPOLLPRI): a read ends before it, whatever follows
	ReadyOut    Ready = 0x4     // bytes can be written, or a connect has ended
	ReadyError  Ready = 0x8     // an error waits to be read with stream.SocketError
	ReadyClosed Ready = 0x10    // both directions are closed
	ReadyEOF    Ready = 0x2000  // the peer will send no more (EPOLLRDHUP)
	OnEdge      Ready = 1 << 31 // tell once when a condition begins to hold, not as long as it holds
	ReadyEnd          = ReadyEOF | ReadyError | ReadyClosed
	WakeToken         = ^uint64(0) // the token of the event that Wake causes
)

// An Event says what became ready. Its Token is the one given to Add.
type Event epollEvent

// Token returns what the caller of Add chose to know the descriptor by.
func (e *Event) Token() uint64 { return uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32 }

// Ready returns the conditions that hold.
func (e *Event) Ready() Ready { return Ready(e.Events) }

func (e *Event) set(want Ready, token uint64) {
	e.Events, e.Fd, e.Pad = uint32(want), int32(uint32(token)), int32(uint32(token>>32))
}
