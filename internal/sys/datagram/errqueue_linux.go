package datagram

import (
	"encoding/binary"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The parts of linux/net_tstamp.h and linux/errqueue.h that x/sys lacks or names otherwise.
const (
	// perDatagram is what is asked for of one datagram: where it leaves, in software and hardware.
	perDatagram = unix.SOF_TIMESTAMPING_TX_SOFTWARE | unix.SOF_TIMESTAMPING_TX_HARDWARE
	// receiveStamps is what a socket without send stamps asks for.
	receiveStamps = unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE
	// bothWays is what one with send stamps asks for: hardware stamps too, if somebody has
	// turned them on at the device, beside the software ones; counters of the
	// datagrams stamped (OPT_ID); stamps without copies of the datagrams (OPT_TSONLY).
	bothWays = receiveStamps | unix.SOF_TIMESTAMPING_RX_HARDWARE | unix.SOF_TIMESTAMPING_RAW_HARDWARE |
		unix.SOF_TIMESTAMPING_OPT_TX_SWHW | unix.SOF_TIMESTAMPING_OPT_TSONLY | unix.SOF_TIMESTAMPING_OPT_ID

	originICMP         = 2 // SO_EE_ORIGIN_ICMP
	originICMP6        = 3 // SO_EE_ORIGIN_ICMP6
	originTimestamping = 4 // SO_EE_ORIGIN_TIMESTAMPING
	sizeofExtendedErr  = 16
	timespec64         = 16
)

// An errorQueue reads send stamps from a socket's error queue, many at a time. The
// queue shares the receive buffer's limit: one that nobody reads makes the socket deaf.
type errorQueue struct {
	conn    *Conn
	headers []mmsghdr
	control []controlBuffer
	iovec   unix.Iovec // of no length: there is nothing in the messages but control data

	stamps []SendStamp
	taken  bool          // stamps were returned and may be overwritten
	told   syscall.Errno // what the way of a datagram has reported, for Read to return

	n       int
	fds     [1]unix.PollFd
	timeout unix.Timespec
	drain   func(fd uintptr)
	await   func(fd uintptr)
}

// errorBatch is how many stamps are read in one call.
const errorBatch = 64

func newErrorQueue(c *Conn) *errorQueue {
	q := &errorQueue{conn: c, headers: make([]mmsghdr, errorBatch), control: make([]controlBuffer, errorBatch)}
	for i := range q.headers {
		h := &q.headers[i].Msghdr
		h.Iov = &q.iovec
		h.SetIovlen(1)
		h.Control = &q.control[i].bytes()[0]
	}
	q.drain = q.drainNow
	q.await = q.awaitNow
	return q
}

// read returns the stamps that have come, waiting at most wait for the first. They are
// valid until the next call, or the next Read.
func (q *errorQueue) read(wait time.Duration) []SendStamp {
	q.begin()
	if q.conn.raw.Control(q.drain) == nil && len(q.stamps) == 0 && wait > 0 {
		q.timeout = unix.NsecToTimespec(int64(wait))
		if q.conn.raw.Control(q.await) == nil {
			_ = q.conn.raw.Control(q.drain)
		}
	}
	q.taken = true
	return q.stamps
}

func (q *errorQueue) begin() {
	if q.taken {
		q.stamps, q.taken = q.stamps[:0], false
	}
}

func (q *errorQueue) awaitNow(fd uintptr) {
	q.fds[0] = unix.PollFd{Fd: int32(fd)} // POLLERR is always reported
	_, _ = unix.Ppoll(q.fds[:], &q.timeout, nil)
}

// drainNow empties the queue. Errors that a sender's way reports are in it too; taking them
// from there clears the socket's own error.
func (q *errorQueue) drainNow(fd uintptr) {
	for range maxErrors / errorBatch {
		q.receive(fd)
		for i := range q.headers[:q.n] {
			h := &q.headers[i]
			q.take(q.control[i].bytes()[:min(int(h.Controllen), controlSize)])
		}
		if q.n < len(q.headers) {
			return
		}
	}
}

func (q *errorQueue) receive(fd uintptr) {
	for i := range q.headers {
		q.headers[i].SetControllen(controlSize)
	}
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&q.headers[0])), uintptr(len(q.headers)),
			unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if q.n = int(n); errno != 0 {
			q.n = 0
		}
		return
	}
}

// take keeps the stamp that a message holds, if it is one of a datagram that was sent.
func (q *errorQueue) take(control []byte) {
	s, ok := parseSendStamp(control)
	if errno := parseReport(control); errno != 0 {
		q.told = errno
	}
	if !ok || len(q.stamps) >= maxStamps {
		return
	}
	if s.ID >= q.conn.sending.Load()-q.conn.stampBase.Load() {
		return // of before the counter began anew, see Writer.countAnew
	}
	s.ID += q.conn.stampBase.Load()
	q.stamps = append(q.stamps, s)
}

// parseReport reads an error that a host or a router has sent (ICMP), from the control data
// of a message of the error queue; 0: it is something else.
func parseReport(b []byte) syscall.Errno {
	const header = unix.SizeofCmsghdr
	for len(b) >= header {
		length, level, kind := readCmsghdr(b)
		if length < header || length > uint64(len(b)) {
			break
		}
		data := b[header:length]
		isError := level == unix.IPPROTO_IP && kind == unix.IP_RECVERR || level == unix.IPPROTO_IPV6 && kind == unix.IPV6_RECVERR
		if isError && len(data) >= sizeofExtendedErr && (data[4] == originICMP || data[4] == originICMP6) {
			return syscall.Errno(binary.NativeEndian.Uint32(data)) // sock_extended_err.ee_errno
		}
		b = b[min(uint64(unix.CmsgSpace(int(length-header))), uint64(len(b))):]
	}
	return 0
}

// parseSendStamp reads the control data of a message of the error queue. It reports
// false for what is no send stamp.
func parseSendStamp(b []byte) (s SendStamp, ok bool) {
	const header = unix.SizeofCmsghdr
	counted := false
	for len(b) >= header {
		length, level, kind := readCmsghdr(b)
		if length < header || length > uint64(len(b)) {
			break
		}
		switch data := b[header:length]; {
		case level == unix.SOL_SOCKET && kind == unix.SO_TIMESTAMPING_NEW && len(data) >= 3*timespec64:
			s.Time, s.Source = parseStamp(data)
		case (level == unix.IPPROTO_IP && kind == unix.IP_RECVERR || level == unix.IPPROTO_IPV6 && kind == unix.IPV6_RECVERR) &&
			len(data) >= sizeofExtendedErr && data[4] == originTimestamping:
			s.ID, counted = binary.NativeEndian.Uint32(data[12:]), true // sock_extended_err.ee_data
		}
		b = b[min(uint64(unix.CmsgSpace(int(length-header))), uint64(len(b))):]
	}
	return s, counted && s.Source != User
}

// parseStamp reads struct scm_timestamping64: three timespecs, the first of the kernel,
// the last of the hardware.
func parseStamp(data []byte) (time.Time, Source) {
	for _, from := range [...]struct {
		at     int
		source Source
	}{{0, Kernel}, {2 * timespec64, Hardware}} {
		if len(data) < from.at+timespec64 {
			break
		}
		seconds, nanoseconds := int64(binary.NativeEndian.Uint64(data[from.at:])), int64(binary.NativeEndian.Uint64(data[from.at+8:]))
		if seconds != 0 {
			return time.Unix(seconds, nanoseconds), from.source
		}
	}
	return time.Time{}, User
}
