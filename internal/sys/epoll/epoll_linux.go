package epoll

import (
	"encoding/binary"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

type epollEvent = unix.EpollEvent

// An Instance is an event queue of the kernel (epoll(7)) that another thread can
// wake up. It knows descriptors but does not own them: who opened one closes it,
// which also takes it out of the queue, and must expect events for it that were
// returned before. One goroutine calls Poll and Wait, best one that is locked to
// its thread; Wake may be called from any until Close is.
type Instance struct {
	fd     int
	wake   int  // an eventfd
	coarse bool // the kernel has no epoll_pwait2 (before 5.11)
}

// New returns an empty queue, of two descriptors that Close closes.
func New() (*Instance, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, sys.NewOpError("epoll_create1", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, sys.NewOpError("eventfd", err)
	}
	e := &Instance{fd: fd, wake: wake}
	// On edge, so that nobody has to read the eventfd: every write is an edge.
	if err := e.Add(wake, ReadyIn|OnEdge, WakeToken); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// Add makes Wait tell of what becomes ready on fd, under a token other than
// WakeToken. What is ready already is told of too.
func (e *Instance) Add(fd int, want Ready, token uint64) error {
	return e.control(unix.EPOLL_CTL_ADD, fd, want, token)
}

// Modify replaces what was said when fd was added. What is ready already is told
// of again, even on edge.
func (e *Instance) Modify(fd int, want Ready, token uint64) error {
	return e.control(unix.EPOLL_CTL_MOD, fd, want, token)
}

// Remove takes an open fd out of the queue.
func (e *Instance) Remove(fd int) error {
	return e.control(unix.EPOLL_CTL_DEL, fd, 0, 0)
}

func (e *Instance) control(op, fd int, want Ready, token uint64) error {
	var event Event
	event.set(want, token)
	// It waits for nothing but a mutex that Wait does not hold while it sleeps.
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(e.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&event)), 0, 0)
	if errno != 0 {
		return sys.NewOpError("epoll_ctl", errno)
	}
	return nil
}

// Poll fills events, at least one long, with what is ready now and returns how
// many there are. It does not wait, and does not tell the Go scheduler.
func (e *Instance) Poll(events []Event) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(e.fd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	return waited(n, errno)
}

// Wait is Poll that waits until something is ready or the timeout has passed; a
// negative timeout never does. It may return early without events. Before Linux
// 5.11 the timeout is rounded up to milliseconds.
func (e *Instance) Wait(events []Event, timeout time.Duration) (int, error) {
	if e.coarse {
		return e.waitCoarse(events, timeout)
	}
	var limit *[2]int64 // struct __kernel_timespec: seconds, nanoseconds
	if timeout >= 0 {
		limit = &[2]int64{int64(timeout / time.Second), int64(timeout % time.Second)}
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(e.fd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(unsafe.Pointer(limit)), 0, 0)
	if errno == unix.ENOSYS {
		e.coarse = true
		return e.waitCoarse(events, timeout)
	}
	return waited(n, errno)
}

func (e *Instance) waitCoarse(events []Event, timeout time.Duration) (int, error) {
	ms := -1
	if timeout >= 0 {
		ms = int(min((timeout+time.Millisecond-1)/time.Millisecond, 1<<30))
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(e.fd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(ms), 0, 0)
	return waited(n, errno)
}

func waited(n uintptr, errno unix.Errno) (int, error) {
	switch errno {
	case 0:
		return int(n), nil
	case unix.EINTR:
		return 0, nil
	}
	return 0, sys.NewOpError("epoll_wait", errno)
}

// Wake makes a Wait that waits, or else the next one, return with an event under
// WakeToken.
func (e *Instance) Wake() error {
	_, err := unix.Write(e.wake, binary.NativeEndian.AppendUint64(nil, 1))
	return sys.NewOpError("write eventfd", err)
}

// Close closes the queue. It must not be called while another method runs, and
// does not wake a Wait.
func (e *Instance) Close() error {
	unix.Close(e.wake)
	return sys.NewOpError("close epoll", unix.Close(e.fd))
}
