package datagram

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Writer writes batches of datagrams without allocating. It is used by
// one goroutine.
type Writer struct {
	conn    *Conn
	headers []mmsghdr
	iovecs  []unix.Iovec
	names   []unix.RawSockaddrInet6
	control []controlBuffer

	calls, waits uint64

	// The state of one send, see Reader.
	sent, count int
	errno       syscall.Errno
	send, await func(fd uintptr)
}

// NewWriter returns a writer that hands at most batch datagrams, at least 1, to
// the kernel at a time.
func (c *Conn) NewWriter(batch int) *Writer {
	w := &Writer{
		conn:    c,
		headers: make([]mmsghdr, batch),
		iovecs:  make([]unix.Iovec, batch),
		names:   make([]unix.RawSockaddrInet6, batch),
		control: make([]controlBuffer, batch),
	}
	for i := range w.headers {
		h := &w.headers[i].Msghdr
		h.Iov = &w.iovecs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&w.names[i]))
	}
	w.send = w.sendNow
	w.await = newSocketWait(c, unix.POLLOUT).writable
	return w
}

// Write sends datagrams to their Peer, from their Local address and the
// Interface of a link-local one, and waits while the kernel has no room for them. It
// returns how many were sent; the error is that of the first which was not, and
// nothing was tried with those behind it. It fails with os.ErrClosed after Close and with
// os.ErrDeadlineExceeded after a deadline, and of a datagram with segments also with
// ErrSegmentation. Payloads are not used after it returns. Of datagrams that are to
// be stamped it sets ID, which counts those of the Conn up from 0.
func (w *Writer) Write(datagrams []Datagram) (n int, err error) {
	for n < len(datagrams) {
		count := min(len(datagrams)-n, len(w.headers))
		stamped := w.conn.stamped.Load()
		for i := range count {
			w.prepare(i, &datagrams[n+i])
		}
		w.sent, w.count, w.errno = 0, count, 0
		w.conn.sending.Store(stamped + uint32(count))
		err := w.sendAll()
		if w.conn.sendStamps {
			w.number(datagrams[n:][:count], stamped)
		}
		w.conn.sending.Store(w.conn.stamped.Load())
		n += w.sent
		if err == nil && w.errno != 0 && datagrams[n].Segments() > 1 && refusesSegments(w.errno) {
			return n, fmt.Errorf("sendmmsg: %w (%w)", ErrSegmentation, w.errno)
		}
		if err != nil || w.errno != 0 {
			return n, w.conn.waitError("sendmmsg", err, w.errno)
		}
	}
	return n, nil
}

// number gives the datagrams that were sent their IDs, which the kernel counts too. Of one
// that it refused it may or may not have counted: then it begins anew.
func (w *Writer) number(datagrams []Datagram, next uint32) {
	for i := range datagrams {
		d := &datagrams[i]
		if !d.Stamp {
			continue
		}
		if i >= w.sent {
			w.conn.stamped.Store(next)
			_ = w.conn.raw.Control(w.countAnew)
			return
		}
		d.ID = next
		next++
	}
	w.conn.stamped.Store(next)
}

// countAnew makes the kernel's counter begin with 0. Stamps that are still to come of
// what was sent before are lost.
func (w *Writer) countAnew(fd uintptr) {
	if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPING_NEW, bothWays&^unix.SOF_TIMESTAMPING_OPT_ID) == nil &&
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPING_NEW, bothWays) == nil {
		w.conn.stampBase.Store(w.conn.stamped.Load())
	}
}

// sendAll sends what is prepared, until that fails for another reason than want of room.
func (w *Writer) sendAll() error {
	for {
		if err := w.conn.usable(&w.conn.sendDeadline); err != nil {
			return err
		}
		if err := w.conn.raw.Control(w.send); err != nil || w.errno != unix.EAGAIN {
			return err
		}
		w.waits++
		if err := w.conn.raw.Control(w.await); err != nil {
			return err
		}
	}
}

// refusesSegments reports whether errno may be about UDP_SEGMENT: what udp_send_skb
// of the kernel's net/ipv4/udp.c returns.
func refusesSegments(errno syscall.Errno) bool {
	return errno == unix.EIO || errno == unix.EINVAL || errno == unix.EMSGSIZE
}

// Calls returns how many system calls have sent datagrams, and how often one
// had to wait because the kernel had no room.
func (w *Writer) Calls() (sent, waited uint64) { return w.calls, w.waits }

// sendNow sends as much as there is room for. It does not block, so that the Go
// scheduler is not told.
func (w *Writer) sendNow(fd uintptr) {
	w.errno = 0
	for w.sent < w.count && w.errno == 0 {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&w.headers[w.sent])), uintptr(w.count-w.sent), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			w.sent += int(n)
			w.calls++
		case unix.EINTR:
		default:
			w.errno = errno
		}
	}
}

// prepare makes header i describe d.
func (w *Writer) prepare(i int, d *Datagram) {
	h := &w.headers[i].Msghdr
	w.iovecs[i].Base = unsafe.SliceData(d.Payload)
	w.iovecs[i].SetLen(len(d.Payload))
	if w.conn.connected {
		h.Name = nil
	} else {
		h.Namelen = w.putName(&w.names[i], d)
	}
	h.Control = nil
	length := putLocal(&w.control[i], d)
	if d.Segment > 0 && len(d.Payload) > d.Segment {
		length += putSegment(w.control[i].bytes()[length:], d.Segment)
	}
	if d.Stamp && w.conn.sendStamps {
		length += putStamp(w.control[i].bytes()[length:])
	}
	if length > 0 {
		h.Control = &w.control[i].bytes()[0]
	}
	h.SetControllen(length)
}

// putName writes the peer's address in the form that the socket's family wants.
// The kernel refuses an IPv6 address on an IPv4 socket, and one that is not valid.
func (w *Writer) putName(name *unix.RawSockaddrInet6, d *Datagram) uint32 {
	addr, port := d.Peer.Addr().Unmap(), networkOrder(d.Peer.Port())
	if addr.Is4() && !w.conn.is6 {
		name4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		*name4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: addr.As4()}
		return unix.SizeofSockaddrInet4
	}
	*name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: addr.As16()}
	if addr.IsLinkLocalUnicast() && addr.Is6() {
		name.Scope_id = d.Interface
	}
	return unix.SizeofSockaddrInet6
}
