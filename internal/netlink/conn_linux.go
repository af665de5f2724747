package netlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

const (
	readSize      = 128 << 10        // what one read may bring; dumps come in 32 KiB
	receiveBuffer = 8 << 20          // asked for, so that answers are not lost
	attempts      = 100              // at a dump that others interrupt
	patience      = 30 * time.Second // with a kernel that does not answer
	windowCount   = 256              // messages at once: if all fail, their answers fit the smallest receive buffer
	windowBytes   = 64 << 10
)

// Conn is a netlink socket in the network namespace that it was dialled in.
type Conn struct {
	file     *os.File
	raw      syscall.RawConn
	port     uint32
	sequence uint32
	sendRoom int  // SO_SNDBUF as the kernel counts it
	patient  bool // the deadline is that of an exchange, which Receive has not
	buf      []byte
	dumped   int // the room that the last dump took: the next is likely to take as much
}

// Dial opens a socket of the protocol, such as unix.NETLINK_NETFILTER, in the
// network namespace of the calling thread. On NETLINK_ROUTE the kernel checks
// the headers of dumps strictly, and filters by them.
func Dial(protocol int) (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, &sys.OpError{Op: "open netlink socket", Err: err}
	}
	c := &Conn{sequence: 1}
	if err := c.prepare(fd, protocol); err != nil {
		unix.Close(fd)
		return nil, &sys.OpError{Op: "bind netlink socket", Err: err}
	}
	c.file = os.NewFile(uintptr(fd), "netlink")
	if c.raw, err = c.file.SyscallConn(); err != nil {
		c.file.Close()
		return nil, err
	}
	return c, nil
}

// prepare binds the socket and sets its options. Extended acknowledgements and
// large buffers are improvements that the kernel may refuse.
func (c *Conn) prepare(fd, protocol int) error {
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	if own, ok := name.(*unix.SockaddrNetlink); ok {
		c.port = own.Pid
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	if protocol == unix.NETLINK_ROUTE {
		_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	c.sendRoom, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	return err
}

// Close closes the socket. It ends a Receive that waits in another goroutine.
func (c *Conn) Close() error { return c.file.Close() }

// SetReadDeadline ends a Receive that waits longer; the zero time ends none. Any
// other call lifts it.
func (c *Conn) SetReadDeadline(at time.Time) error {
	c.patient = false
	return c.file.SetReadDeadline(at)
}

// Join subscribes to a multicast group, such as unix.RTNLGRP_LINK.
func (c *Conn) Join(group int) error {
	var failed error
	err := c.raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group)
	})
	if failed != nil {
		return &sys.OpError{Op: "join netlink group", Object: fmt.Sprint(group), Err: failed}
	}
	return err
}

// Execute sends all messages of e, up to 256 at a time. It returns the first failure and
// sends nothing more after its window; what came behind it in the window has been
// carried out. e can be sent again.
func (c *Conn) Execute(e *Encoder, describe Describe) error {
	var first error
	err := c.ExecuteEach(e, func(_ int, failed error) bool {
		if first == nil {
			first = failed
		}
		return first == nil
	}, describe)
	if first != nil {
		return first
	}
	return err
}

// ExecuteEach is Execute with the outcome of each message told to result, which
// says whether further windows are to be sent.
func (c *Conn) ExecuteEach(e *Encoder, result func(index int, err error) bool, describe Describe) error {
	if e.err != nil {
		return e.err
	}
	first := c.number(e.count)
	rest := e.stamp(first, c.port, 0)
	for index, more := 0, true; more && len(rest) > 0; {
		length, last, count := window(rest)
		rest[last+6] |= flagAck
		if err := c.send(rest[:length]); err != nil {
			op, object := describe(index)
			return &sys.OpError{Op: op, Object: object, Err: err}
		}
		err := c.acknowledged(first+uint32(index), count, func(i int, v verdict) {
			more = result(index+i, v.failure(describe, index+i)) && more
		})
		if err != nil {
			op, object := describe(index)
			return &sys.OpError{Op: op, Object: object, Err: err}
		}
		rest, index = rest[length:], index+count
	}
	return nil
}

// window returns how many bytes and messages at the front of b are sent at once, and
// where the last of them begins.
func window(b []byte) (length, last, count int) {
	for length < len(b) && count < windowCount {
		next := int(binary.NativeEndian.Uint32(b[length:]))
		if count > 0 && length+next > windowBytes {
			break
		}
		last = length
		length += next
		count++
	}
	return length, last, count
}

// acknowledged reads the answers to count messages: of those that failed, and of the
// last. The kernel takes them in order, so that one without an answer is done when a
// later one has one.
func (c *Conn) acknowledged(first uint32, count int, told func(index int, v verdict)) error {
	for next := 0; next < count; {
		buf, err := c.answer()
		if err != nil {
			return err
		}
		for m := range Messages(buf).All() {
			index := m.Sequence - first
			if m.Kind != kindError || m.Port != c.port || index < uint32(next) || index >= uint32(count) {
				continue
			}
			v, err := verdictOf(m)
			if err != nil {
				return err
			}
			for ; next < int(index); next++ {
				told(next, verdict{})
			}
			told(next, v)
			next++
		}
	}
	return nil
}

// Get sends the one message of e and returns the message that answers it. The
// answer is valid until the next call.
func (c *Conn) Get(e *Encoder, describe Describe) (Message, error) {
	op, object := describe(0)
	if e.err != nil {
		return Message{}, e.err
	}
	sequence := c.number(1)
	if err := c.send(e.stamp(sequence, c.port, 0)); err != nil {
		return Message{}, &sys.OpError{Op: op, Object: object, Err: err}
	}
	for {
		buf, err := c.answer()
		if err != nil {
			return Message{}, &sys.OpError{Op: op, Object: object, Err: err}
		}
		for m := range Messages(buf).All() {
			if m.Sequence != sequence || m.Port != c.port {
				continue
			}
			if m.Kind != kindError {
				return m, nil
			}
			v, err := verdictOf(m)
			if err == nil {
				err = v.failure(describe, 0)
			}
			if err == nil {
				err = fmt.Errorf("%s %s: %w: no answer", op, object, ErrMalformed)
			}
			return Message{}, err
		}
	}
}

// Dump sends the one message of e as the request for a whole table and returns
// what the kernel lists, in memory of the caller's own. It begins again when the table changed
// meanwhile, and gives up with ErrInterrupted after a hundred attempts.
func (c *Conn) Dump(e *Encoder, describe Describe) (Messages, error) {
	if e.err != nil {
		return nil, e.err
	}
	buf := make([]byte, 0, c.dumped)
	for range attempts {
		sequence := c.number(1)
		err := c.send(e.stamp(sequence, c.port, flagDump))
		var changed bool
		if err == nil {
			buf, changed, err = c.dump(buf[:0], sequence, describe)
		}
		if again := errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EBUSY); again || changed && err == nil {
			continue
		}
		c.dumped = len(buf) + readSize
		return buf, named(err, describe)
	}
	return nil, named(ErrInterrupted, describe)
}

// named wraps an error that no answer of the kernel describes.
func named(err error, describe Describe) error {
	var known *sys.OpError
	if err == nil || errors.As(err, &known) {
		return err
	}
	op, object := describe(0)
	return &sys.OpError{Op: op, Object: object, Err: err}
}

// dump reads the answers to a dump behind what is in buf, up to its end.
func (c *Conn) dump(buf []byte, sequence uint32, describe Describe) (all []byte, changed bool, err error) {
	for {
		start := len(buf)
		if buf, err = c.receive(buf, time.Now().Add(patience)); err != nil {
			return buf, false, err
		}
		for rest := buf[start:]; len(rest) > 0; {
			m, after, err := nextMessage(rest)
			if err != nil {
				return buf, false, err
			}
			if m.Sequence != sequence || m.Port != c.port {
				buf = buf[:start] // a stale answer
				break
			}
			changed = changed || m.Flags&flagChanged != 0
			if m.Kind == kindDone || m.Kind == kindError {
				v, err := verdictOf(m)
				if err == nil {
					err = v.failure(describe, 0)
				}
				return buf[:len(buf)-len(rest)], changed, err
			}
			rest = after
		}
	}
}

// Receive waits for messages that nobody asked for: those of groups that the
// connection has joined, or of NFLOG. They are valid until the next call. Lost
// messages are reported as ErrAnswersLost, after which it can be called again.
func (c *Conn) Receive() (Messages, error) {
	if c.patient {
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			return nil, err
		}
	}
	buf, err := c.receive(c.buf[:0], time.Time{})
	c.buf = buf
	return buf, err
}

// answer reads one datagram into the connection's own buffer.
func (c *Conn) answer() ([]byte, error) {
	buf, err := c.receive(c.buf[:0], time.Now().Add(patience))
	c.buf = buf
	return buf, err
}

// number takes so many sequence numbers and returns the first.
func (c *Conn) number(count int) uint32 {
	first := c.sequence
	c.sequence += uint32(count)
	return first
}

// send sends b as one datagram, with a larger buffer where it needs one.
func (c *Conn) send(b []byte) error {
	var failed error
	err := c.raw.Write(func(fd uintptr) bool {
		c.enlarge(int(fd), len(b))
		failed = unix.Sendto(int(fd), b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		return failed != unix.EAGAIN
	})
	if failed == unix.EMSGSIZE {
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, len(b))
	}
	return errors.Join(err, failed)
}

// enlarge asks for a send buffer that takes a datagram of that length. Without
// CAP_NET_ADMIN over the machine it is bounded by net.core.wmem_max.
func (c *Conn) enlarge(fd, length int) {
	if length+4096 <= c.sendRoom {
		return
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, length+4096) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, length+4096)
	}
	if room, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF); err == nil {
		c.sendRoom = room
	}
}

// receive appends one datagram of the kernel to buf. A zero deadline waits for
// as long as the caller's own.
func (c *Conn) receive(buf []byte, deadline time.Time) ([]byte, error) {
	if !deadline.IsZero() {
		c.patient = true
		if err := c.file.SetReadDeadline(deadline); err != nil {
			return buf, err
		}
	}
	if cap(buf)-len(buf) < readSize {
		buf = slices.Grow(buf, max(readSize, cap(buf))) // large dumps: twice as much each time
	}
	room := buf[len(buf) : len(buf)+readSize]
	for {
		n, from, err := c.read(room)
		switch {
		case err == unix.ENOBUFS:
			return buf, ErrAnswersLost
		case err != nil:
			return buf, err
		case n > len(room):
			return buf, fmt.Errorf("%w: datagram of %d bytes", ErrMalformed, n)
		case fromKernel(from):
			return buf[:len(buf)+n], nil
		}
	}
}

// Pending reports whether Receive would return at once.
func (c *Conn) Pending() bool {
	ready := false
	_ = c.raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		ready = err == nil && n > 0
	})
	return ready
}

func (c *Conn) read(room []byte) (n int, from unix.Sockaddr, err error) {
	waited := c.raw.Read(func(fd uintptr) bool {
		n, from, err = unix.Recvfrom(int(fd), room, unix.MSG_TRUNC)
		return err != unix.EAGAIN && err != unix.EINTR
	})
	if waited != nil && !errors.Is(waited, os.ErrDeadlineExceeded) {
		waited = os.ErrClosed // the only other thing that ends the wait
	}
	if waited != nil {
		return 0, nil, waited
	}
	return n, from, err
}

// fromKernel reports whether the kernel sent a datagram, not another process.
func fromKernel(from unix.Sockaddr) bool {
	sender, ok := from.(*unix.SockaddrNetlink)
	return ok && sender.Pid == 0
}
