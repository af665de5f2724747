package datagram

import (
	"encoding/binary"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// A deadline is a moment after which waiting fails; nil: none.
type deadline struct{ at atomic.Pointer[time.Time] }

func (d *deadline) set(t time.Time) {
	if t.IsZero() {
		d.at.Store(nil)
		return
	}
	d.at.Store(&t)
}

// left returns the time that is left, at most limit, which is negative for none.
func (d *deadline) left(limit time.Duration) time.Duration {
	at := d.at.Load()
	if at == nil {
		return limit
	}
	left := max(time.Until(*at), 0)
	if limit < 0 {
		return left
	}
	return min(left, limit)
}

// prepareWaiting opens what a reader that waits is woken with.
func (c *Conn) prepareWaiting() error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return sys.NewOpError("eventfd", err)
	}
	c.wake = os.NewFile(uintptr(fd), "eventfd")
	if c.raw, err = c.file.SyscallConn(); err == nil {
		c.wakeRaw, err = c.wake.SyscallConn()
	}
	if err != nil {
		c.wake.Close()
	}
	return sys.NewOpError("syscallconn", err)
}

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded from t on, one that
// waits now included; the zero time removes the limit.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.readDeadline.set(t)
	if err := c.wakeReader(); err != nil {
		return c.waitError("set deadline", err, 0)
	}
	return nil
}

// SetWriteDeadline does the same for writes.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.sendDeadline.set(t)
	if c.closed.Load() {
		return os.ErrClosed
	}
	return nil
}

// Close closes the socket.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return os.ErrClosed
	}
	_ = c.wakeReader() // a reader that waits holds the descriptors until it has seen it
	return firstError(c.wake.Close(), c.file.Close())
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (c *Conn) wakeReader() error {
	return c.wakeRaw.Control(func(fd uintptr) {
		// One at a time, the eventfd never fills up, which would block: if the
		// reader never waits, nobody empties it.
		var one [8]byte
		binary.NativeEndian.PutUint64(one[:], 1)
		_, _ = unix.Write(int(fd), one[:])
	})
}

// usable returns an error if c is closed or the deadline has passed.
func (c *Conn) usable(d *deadline) error {
	switch {
	case c.closed.Load():
		return os.ErrClosed
	case d.left(-1) == 0:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// A socketWait waits for a socket, and allocates nothing for it: its methods are at hand
// as values.
type socketWait struct {
	conn    *Conn
	fds     [2]unix.PollFd // the socket, and for a reader the eventfd
	limit   time.Duration  // for which a reader waits; negative: none
	timeout unix.Timespec
	inVain  int // how many moments are not waited for, because the last was in vain

	waitSocket, waitBoth func(fd uintptr)
}

func newSocketWait(c *Conn, events int16) *socketWait {
	w := &socketWait{conn: c}
	w.fds[0].Events, w.fds[1].Events = events, unix.POLLIN
	w.waitSocket = w.forSocket
	w.waitBoth = w.forBoth
	return w
}

// readable waits until something may be read, or the deadline or Close is to be looked at.
func (w *socketWait) readable() error {
	w.limit = -1
	return w.conn.raw.Control(w.waitSocket)
}

func (w *socketWait) forSocket(fd uintptr) {
	w.discardErrors(fd)
	w.fds[0].Fd = int32(fd)
	if w.conn.prompt && w.moment() {
		return
	}
	_ = w.conn.wakeRaw.Control(w.waitBoth) // it fails when c is closed, which is looked at next
}

const (
	// aMoment is how soon a datagram comes that a reader with Config.Prompt is to wait for on
	// its processor.
	aMoment = 200 * time.Microsecond
	// momentsSkipped is how many waits follow without such a try after one that took longer.
	momentsSkipped = 32
	// longestMoment bounds a try, unless the scheduler's signal to let others run has ended
	// it before. A timer for a moment alone would cost more than it saves: the kernel
	// sets the processor's own for one that comes before its next tick.
	longestMoment = 10 * time.Millisecond
)

// moment waits for the socket without telling Go's scheduler, and reports whether there is
// something to look at: a datagram, an error, or a signal.
func (w *socketWait) moment() bool {
	if w.inVain > 0 {
		w.inVain--
		return false
	}
	w.timeout = unix.NsecToTimespec(int64(longestMoment))
	w.fds[0].Revents = 0
	began := time.Now()
	n, _, _ := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&w.fds[0])), 1, uintptr(unsafe.Pointer(&w.timeout)), 0, 0, 0)
	if time.Since(began) > aMoment {
		w.inVain = momentsSkipped
	}
	return n != 0
}

func (w *socketWait) forBoth(fd uintptr) {
	w.fds[1].Fd = int32(fd)
	w.poll(2, w.conn.readDeadline.left(w.limit))
	if w.fds[1].Revents != 0 {
		var count [8]byte
		_, _ = unix.Read(int(fd), count[:])
	}
}

// pause waits for d, or until the deadline or Close is to be looked at.
func (w *socketWait) pause(d time.Duration) {
	w.fds[0].Fd = -1 // which ppoll passes over
	w.limit = d
	_ = w.conn.wakeRaw.Control(w.waitBoth)
}

// sendSlice is how long a writer waits for room before it looks at its deadline: the
// network makes room soon, so that it needs no other signal.
const sendSlice = 20 * time.Millisecond

// writable waits until something may be sent, or sendSlice.
func (w *socketWait) writable(fd uintptr) {
	if w.failed() && w.conn.sendStamps {
		w.fds[0].Fd = -1
		w.poll(1, w.conn.sendDeadline.left(stampPause))
		return
	}
	w.discardErrors(fd)
	w.fds[0].Fd = int32(fd)
	w.poll(1, w.conn.sendDeadline.left(sendSlice))
}

// maxErrors is how many errors of a socket are discarded at a time: more than a
// receive buffer of a megabyte holds.
const maxErrors = 4096

// failed reports whether the last wait ended for the error queue.
func (w *socketWait) failed() bool { return w.fds[0].Revents&unix.POLLERR != 0 }

// stampPause is how long a writer waits for room, or so, while send stamps that the
// reader has to take would end every wait at once.
const stampPause = 200 * time.Microsecond

// discardErrors empties the socket's error queue (IP_RECVERR in ip(7)), if the last
// wait ended for it: no later one would last. A call since then has returned the latest
// error, unless another did. One that comes at this very moment is lost; who sends on is
// told again.
func (w *socketWait) discardErrors(fd uintptr) {
	if !w.failed() || w.conn.sendStamps {
		return
	}
	for range maxErrors {
		_, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, 0, 0, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT, 0, 0)
		if errno != 0 { // EAGAIN: there are no more
			return
		}
	}
}

// poll waits for the first n of fds; a negative limit is none.
func (w *socketWait) poll(n int, limit time.Duration) {
	timeout := &w.timeout
	if limit < 0 {
		timeout = nil
	} else {
		w.timeout = unix.NsecToTimespec(int64(limit))
	}
	w.fds[0].Revents, w.fds[1].Revents = 0, 0
	_, _ = unix.Ppoll(w.fds[:n], timeout, nil) // EINTR is a reason to look again too
}
