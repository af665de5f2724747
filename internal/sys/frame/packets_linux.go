package frame

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// Packets sends frames through a packet socket.
type Packets struct {
	fd      int
	single  bool
	headers []messageHeader
	vectors []unix.Iovec
}

// messageHeader is struct mmsghdr.
type messageHeader struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

// maxBatch is how many frames one call of sendmmsg takes (UIO_MAXIOV).
const maxBatch = 1024

// OpenPackets opens a packet socket for sending on an interface. With single each
// frame is a system call of its own, otherwise a batch is one.
func OpenPackets(index int, single bool) (*Packets, error) {
	fd, err := openPacket()
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: index}); err != nil {
		unix.Close(fd)
		return nil, sys.NewOpError("bind packet socket", err)
	}
	const room = 4 << 20
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, room) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, room) // less room is slower, not wrong
	}
	p := &Packets{fd: fd, single: single, headers: make([]messageHeader, maxBatch), vectors: make([]unix.Iovec, maxBatch)}
	for i := range p.headers {
		p.headers[i].header.Iov = &p.vectors[i]
		p.headers[i].header.Iovlen = 1
	}
	return p, nil
}

// Send sends frames in their order and returns how many the kernel took. Fewer than
// given without an error mean that it has no room at the moment.
func (p *Packets) Send(frames [][]byte) (int, error) {
	if p.single {
		return p.sendEach(frames)
	}
	frames = frames[:min(len(frames), maxBatch)]
	for i, f := range frames {
		p.vectors[i].Base = &f[0]
		p.vectors[i].SetLen(len(f))
	}
	// Raw: a call takes a millisecond, for which Go would give the thread's processor away
	// and look after both every 20 us.
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(p.fd), uintptr(unsafe.Pointer(&p.headers[0])), uintptr(len(frames)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, pauseIfFull(errno)
	}
	return int(n), nil
}

func (p *Packets) sendEach(frames [][]byte) (int, error) {
	for i, f := range frames {
		if _, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(p.fd), uintptr(unsafe.Pointer(&f[0])), uintptr(len(f)), unix.MSG_DONTWAIT, 0, 0); errno != 0 {
			return i, pauseIfFull(errno)
		}
	}
	return len(frames), nil
}

// pauseIfFull turns the errors of a queue without room into a pause.
func pauseIfFull(errno unix.Errno) error {
	switch errno {
	case unix.ENOBUFS, unix.EAGAIN, unix.EBUSY:
		time.Sleep(20 * time.Microsecond)
		return nil
	case unix.EINTR:
		return nil
	}
	return sys.NewOpError("send frame", errno)
}

// Close closes the socket.
func (p *Packets) Close() error { return sys.NewOpError("close packet socket", unix.Close(p.fd)) }
