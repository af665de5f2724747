package datagram

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
	"wirelab/internal/sys/sockaddr"
)

// A Reader reads batches of datagrams into buffers of its own, without
// allocating. It is used by one goroutine.
type Reader struct {
	conn    *Conn
	batch   []Datagram
	headers []mmsghdr
	buffers []byte
	names   []unix.RawSockaddrInet6
	control []controlBuffer
	zones   map[uint32]string
	dropped uint32

	// The state of one receive, and receive itself as a value, since a closure
	// for each call would be allocated.
	n       int
	errno   syscall.Errno
	receive func(fd uintptr)
	wait    *socketWait
	vain    int         // attempts in a row that found nothing
	queue   *errorQueue // with Config.SendStamps
}

// NewReader returns a reader of at most batch datagrams at a time, of at most
// size bytes each; both are at least 1. Memory of a buffer is used as far as datagrams fill it.
func (c *Conn) NewReader(batch, size int) *Reader {
	r := &Reader{
		conn:    c,
		batch:   make([]Datagram, batch),
		headers: make([]mmsghdr, batch),
		buffers: make([]byte, batch*size),
		names:   make([]unix.RawSockaddrInet6, batch),
		control: make([]controlBuffer, batch),
		zones:   map[uint32]string{},
	}
	iovecs := make([]unix.Iovec, batch)
	for i := range r.headers {
		iovecs[i].Base = &r.buffers[i*size]
		iovecs[i].SetLen(size)
		h := &r.headers[i].Msghdr
		h.Iov = &iovecs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		h.Control = &r.control[i].bytes()[0]
		r.reset(i)
	}
	r.receive = r.receiveNow
	r.wait = newSocketWait(c, unix.POLLIN)
	if c.sendStamps {
		r.queue = newErrorQueue(c)
	}
	return r
}

// Read waits for at least one datagram and returns all that have come, as far
// as the batch holds them. They are valid until the next call. It fails with
// os.ErrClosed after Close and with os.ErrDeadlineExceeded after a deadline. With
// Config.SendStamps it also returns, without datagrams, when send stamps have come.
func (r *Reader) Read() ([]Datagram, error) {
	for {
		if err := r.conn.usable(&r.conn.readDeadline); err != nil {
			return nil, sys.NewOpError("recvmmsg", err)
		}
		if err := r.told(); err != nil {
			return nil, err
		}
		if !r.waitFirst() {
			err := r.conn.raw.Control(r.receive)
			if err != nil || r.errno != unix.EAGAIN {
				r.vain = 0
				return r.result(err)
			}
			r.vain++
		}
		if err := r.wait.readable(); err != nil {
			return r.result(err)
		}
		if r.queue != nil && r.wait.failed() {
			r.n, r.errno = 0, 0
			r.queue.begin()
			err := r.conn.raw.Control(r.queue.drain)
			return nil, cmp.Or(err, r.told())
		}
		if err := r.conn.raw.Control(r.receive); err != nil || r.errno != unix.EAGAIN {
			return r.result(err)
		}
	}
}

// told returns, once, the error that was taken from the error queue with stamps.
func (r *Reader) told() error {
	if r.queue == nil || !r.conn.reports || r.queue.told == 0 {
		return nil
	}
	errno := r.queue.told
	r.queue.told = 0
	return sys.NewOpError("recvmmsg", errno)
}

// vainly is after how many attempts in a row that found nothing Read waits first, and
// waitsFirst is how often before it tries again: a peer that waits for each
// answer has not sent the next datagram yet when it leaves.
const (
	vainly     = 4
	waitsFirst = 32
)

func (r *Reader) waitFirst() bool {
	if r.vain < vainly {
		return false
	}
	if r.vain++; r.vain > vainly+waitsFirst {
		r.vain = vainly - 1 // one more attempt in vain will do
		return false
	}
	return true
}

// SendStamps returns the stamps of datagrams that have left, as far as they have
// come, and waits at most wait for the first. On lo and veth they have come when
// Write returns. They are valid until the next call of SendStamps or Read. Who sends with
// Datagram.Stamp must call it: stamps fill the socket's receive buffer. A
// device that gives no stamps is only known by their absence.
func (r *Reader) SendStamps(wait time.Duration) []SendStamp {
	if r.queue == nil {
		return nil
	}
	return r.queue.read(wait)
}

// ReadNow is Read without waiting, whatever the deadline: it may return no datagrams.
func (r *Reader) ReadNow() ([]Datagram, error) {
	err := r.conn.raw.Control(r.receive)
	if r.errno == unix.EAGAIN {
		r.n, r.errno = 0, 0
	}
	return r.result(err)
}

// Pause waits for d without looking for datagrams, so that they gather; a deadline or
// Close ends it. Who reads in step with a sender is woken for each datagram, which costs
// the sender most.
func (r *Reader) Pause(d time.Duration) { r.wait.pause(d) }

// Dropped returns the kernel's count of discarded datagrams as of the latest
// datagram read (SO_RXQ_OVFL in socket(7)).
func (r *Reader) Dropped() uint32 { return r.dropped }

// receiveNow reads what is there. It does not block, so that the Go scheduler is not told.
func (r *Reader) receiveNow(fd uintptr) {
	for i := range r.headers[:r.n] {
		r.reset(i)
	}
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.headers[0])), uintptr(len(r.headers)), unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		r.n, r.errno = int(n), errno
		if errno != 0 {
			r.n = 0
		}
		return
	}
}

// reset restores the lengths in header i, which the kernel overwrites.
func (r *Reader) reset(i int) {
	r.headers[i].Namelen = unix.SizeofSockaddrInet6
	r.headers[i].SetControllen(controlSize)
	r.headers[i].Flags = 0
}

func (r *Reader) result(err error) ([]Datagram, error) {
	if err != nil || r.errno != 0 {
		return nil, r.conn.waitError("recvmmsg", err, r.errno)
	}
	var now time.Time // read at most once a batch, and only where the kernel gave no stamp
	for i := range r.batch[:r.n] {
		r.fill(i)
		if d := &r.batch[i]; d.Source == User {
			if now.IsZero() {
				now = time.Now().Round(0)
			}
			d.Time = now
		}
	}
	return r.batch[:r.n], nil
}

// fill translates what the kernel wrote for datagram i.
func (r *Reader) fill(i int) {
	h, d := &r.headers[i], &r.batch[i]
	size := len(r.buffers) / len(r.batch)
	*d = Datagram{
		Payload:   r.buffers[i*size:][:min(int(h.Len), size)],
		Truncated: h.Flags&unix.MSG_TRUNC != 0,
	}
	parseControl(d, &r.dropped, r.control[i].bytes()[:min(int(h.Controllen), controlSize)])
	d.Peer = r.peer(&r.names[i], d)
}

// peer translates a socket address; a link-local one gets the name of its interface as zone.
func (r *Reader) peer(name *unix.RawSockaddrInet6, d *Datagram) netip.AddrPort {
	port := networkOrder(name.Port)
	if name.Family == unix.AF_INET {
		name4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(name4.Addr), port)
	}
	addr := netip.AddrFrom16(name.Addr).Unmap()
	if name.Scope_id != 0 && addr.Is6() {
		d.Interface = name.Scope_id
		addr = addr.WithZone(r.zone(name.Scope_id))
	}
	return netip.AddrPortFrom(addr, port)
}

// zone returns an interface's name, remembered as long as the reader lives: there
// are as many as the host has interfaces.
func (r *Reader) zone(id uint32) string {
	name, known := r.zones[id]
	if !known {
		name = sockaddr.ZoneName(id)
		r.zones[id] = name
	}
	return name
}

// networkOrder translates a 16-bit number between network and host order.
func networkOrder(port uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], port)
	return binary.BigEndian.Uint16(b[:])
}
