package uring

import (
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
	"wirelab/internal/sys/epoll"
)

// A Ring is an io_uring (io_uring(7)): operations are prepared in memory that is
// shared with the kernel, handed over many at a time with one system call, and
// their completions are read from shared memory again.
//
// A ring belongs to one thread. New and NewBufferRing may be called on any, so
// that what is lacking shows early; Enable then binds the ring to the calling
// thread, and everything but Wake must be called on that one, from a goroutine that
// is locked to it: with a single issuer and task work deferred to its waits the
// kernel needs no locks and interrupts nobody.
//
// From the moment an operation is prepared until its last completion is reaped, the
// kernel owns the memory that it names. Go's collector does not know: the caller
// keeps the memory reachable and untouched that long, or until Close has returned.
type Ring struct {
	fd         int    // the ring's descriptor
	enterFD    int    // what io_uring_enter knows it by: fd, or its number in the thread's table
	enterFlags uint32 // ringEnterRegistered or none
	wake       int    // an eventfd
	enabled    bool

	rings, entries []byte // the mappings
	sq             submissionQueue
	cq             completionQueue

	wait    waitArgument
	timeout unix.Timespec // what wait points to
	err     error         // what made preparing fail; every later submission returns it
	escape  []byte        // never set, see Send
}

// submissionQueue is the ring of operations. The kernel moves head, we tail.
type submissionQueue struct {
	head, tail, flags *uint32
	mask              uint32
	entries           []submission
	prepared          uint32 // tail, with what the kernel has not been told of
	submitted         uint32 // what the kernel has taken
}

// completionQueue is the ring of completions. The kernel moves tail, we head.
type completionQueue struct {
	head, tail *uint32
	mask       uint32
	entries    []Completion
}

// waitArgument is struct io_uring_getevents_arg.
type waitArgument struct {
	sigmask     uint64
	sigmaskSize uint32
	_           uint32
	timeout     uint64 // address of a struct __kernel_timespec
}

// New makes a ring, of two descriptors that Close closes. It fails with
// sys.ErrUnsupported before Linux 6.0, which brought the operations that complete many
// times, and with sys.ErrNotPermitted where a policy forbids io_uring.
func New(cfg Config) (*Ring, error) { return newRing(cfg, ringSetups[:]) }

// ringSetups are flags that make a ring cheap, the best first, each with the Linux
// release that brought it.
var ringSetups = [...]uint32{
	ringSetupBase | ringSetupSingleIssuer | ringSetupDeferTaskrun | ringSetupNoSQArray, // 6.6
	ringSetupBase | ringSetupSingleIssuer | ringSetupDeferTaskrun,                      // 6.1
	ringSetupBase | ringSetupSingleIssuer | ringSetupCoopTaskrun,                       // 6.0
}

func newRing(cfg Config, setups []uint32) (*Ring, error) {
	p := ringParameters{cqEntries: uint32(max(cfg.Completions, cfg.Submissions, 1))}
	fd, err := setupRing(uint32(max(cfg.Submissions, 1)), setups, &p)
	if err != nil {
		return nil, err
	}
	r := &Ring{fd: fd, enterFD: fd, wake: -1}
	r.wait.timeout = uint64(uintptr(unsafe.Pointer(&r.timeout)))
	if err := r.mapQueues(&p); err != nil {
		r.Close()
		return nil, err
	}
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		r.Close()
		return nil, sys.NewOpError("eventfd", err)
	}
	return r, nil
}

// setupRing makes a ring with the first flags that the kernel knows.
func setupRing(entries uint32, setups []uint32, p *ringParameters) (int, error) {
	wanted := *p
	for _, flags := range setups {
		*p = wanted
		p.flags = flags
		fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(p)), 0)
		if errno == 0 {
			return int(fd), nil
		}
		if errno != unix.EINVAL {
			return -1, sys.NewOpError("io_uring_setup", errno)
		}
	}
	return -1, sys.NewOpError("io_uring_setup: before Linux 6.0", unix.ENOSYS)
}

func (r *Ring) mapQueues(p *ringParameters) (err error) {
	size := max(p.sqOffsets.array+p.sqEntries*4, p.cqOffsets.cqes+p.cqEntries*uint32(unsafe.Sizeof(Completion{})))
	if r.rings, err = mapRing(r.fd, ringOffsetQueues, size); err != nil {
		return err
	}
	if r.entries, err = mapRing(r.fd, ringOffsetEntries, p.sqEntries*uint32(unsafe.Sizeof(submission{}))); err != nil {
		return err
	}
	at := func(offset uint32) unsafe.Pointer { return unsafe.Pointer(&r.rings[offset]) }
	word := func(offset uint32) *uint32 { return (*uint32)(at(offset)) }
	r.sq = submissionQueue{
		head: word(p.sqOffsets.head), tail: word(p.sqOffsets.tail), flags: word(p.sqOffsets.flags), mask: p.sqEntries - 1,
		entries: unsafe.Slice((*submission)(unsafe.Pointer(&r.entries[0])), p.sqEntries),
	}
	r.cq = completionQueue{
		head: word(p.cqOffsets.head), tail: word(p.cqOffsets.tail), mask: p.cqEntries - 1,
		entries: unsafe.Slice((*Completion)(at(p.cqOffsets.cqes)), p.cqEntries),
	}
	if p.flags&ringSetupNoSQArray == 0 {
		order := unsafe.Slice(word(p.sqOffsets.array), p.sqEntries)
		for i := range order {
			order[i] = uint32(i)
		}
	}
	return nil
}

func mapRing(fd int, offset int64, size uint32) ([]byte, error) {
	b, err := unix.Mmap(fd, offset, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	return b, sys.NewOpError("mmap io_uring", err)
}

// Enable binds the ring to the calling thread. Operations can be prepared from
// then on.
func (r *Ring) Enable() error {
	if err := ringRegister(r.fd, ringRegisterEnable, nil, 0); err != nil {
		return sys.NewOpError("enable io_uring", err)
	}
	r.enabled = true
	// The thread may know the ring by a number of its own, which spares every call
	// the look-up in the table of descriptors that all threads share.
	update := ringFileUpdate{offset: ^uint32(0), data: uint64(r.fd)}
	if ringRegister(r.fd, ringRegisterRingFDs, unsafe.Pointer(&update), 1) == nil {
		r.enterFD, r.enterFlags = int(update.offset), ringEnterRegistered
	}
	r.armWake()
	return nil
}

// Wake makes a SubmitAndWait that waits, or else the next one, find a completion
// with WakeToken; several wakes may become one. It may be called from any goroutine
// until Close is.
func (r *Ring) Wake() error {
	one := uint64(1)
	_, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(r.wake), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
	if errno == 0 || errno == unix.EAGAIN { // full: it is awake
		return nil
	}
	return sys.NewOpError("write eventfd", errno)
}

// armWake waits for Wake. Each write to the eventfd completes it, so that nobody has
// to read the count.
func (r *Ring) armWake() {
	e := r.prepare(ringOpPollAdd, r.wake, epoll.WakeToken)
	e.opFlags, e.length = pollMask(epoll.ReadyIn), ringPollMultishot
}

// Close cancels what is in flight, waits until the kernel has let go of all memory,
// and frees the ring. It must be called on the ring's thread if Enable was. It does
// not close descriptors that operations worked on, and completions that were not
// reaped are lost, such as connections that were accepted: who wants those must
// cancel and reap first.
func (r *Ring) Close() error {
	if r.enabled {
		r.cancelAll()
	}
	if r.enterFlags != 0 {
		update := ringFileUpdate{offset: uint32(r.enterFD)}
		_ = ringRegister(r.fd, ringUnregisterRingFDs, unsafe.Pointer(&update), 1) // the thread's end does the same
	}
	for _, mapping := range [][]byte{r.rings, r.entries} {
		if mapping != nil {
			unix.Munmap(mapping)
		}
	}
	if r.wake >= 0 {
		unix.Close(r.wake)
	}
	return sys.NewOpError("close io_uring", unix.Close(r.fd))
}

// cancelAll returns when nothing is in flight.
func (r *Ring) cancelAll() {
	const token = epoll.WakeToken - 1
	e := r.prepare(ringOpCancel, -1, token)
	e.opFlags = ringCancelAny | ringCancelAll
	var got [64]Completion
	for r.SubmitAndWait(1, -1) == nil {
		for n := r.Reap(got[:]); n > 0; n = r.Reap(got[:]) {
			for _, c := range got[:n] {
				if c.Data == token {
					return
				}
			}
		}
	}
}

// Reap moves completions that are there to into and returns how many it moved.
func (r *Ring) Reap(into []Completion) int {
	q := &r.cq
	head := *q.head // only we write it
	n := min(atomic.LoadUint32(q.tail)-head, uint32(len(into)))
	slept := false
	for i := range n {
		c := q.entries[(head+i)&q.mask]
		slept = slept || c.Data == epoll.WakeToken && !c.More()
		into[i] = c
	}
	atomic.StoreUint32(q.head, head+n)
	if slept {
		r.armWake()
	}
	return int(n)
}

// Ready returns how many completions can be reaped without a system call.
func (r *Ring) Ready() int { return int(atomic.LoadUint32(r.cq.tail) - *r.cq.head) }

// Overflowed reports whether the kernel holds completions for which the queue had
// no room. They come, late and costly, with the next SubmitAndWait.
func (r *Ring) Overflowed() bool { return atomic.LoadUint32(r.sq.flags)&ringSQOverflow != 0 }

// Submit hands over what was prepared, and does not wait. Operations that can
// succeed or fail at once have done so when it returns.
func (r *Ring) Submit() error {
	if r.err != nil {
		return r.err
	}
	if r.sq.prepared == r.sq.submitted {
		return nil
	}
	return r.submit(0, r.enterFlags)
}

// SubmitAndWait hands over what was prepared and waits until n completions can be
// reaped or the timeout has passed; a negative timeout never does. With n 0 it only
// makes those that are due appear, and does not tell the Go scheduler, which a call
// that does not wait need not do. It may return early, after a signal.
func (r *Ring) SubmitAndWait(n int, timeout time.Duration) error {
	if r.err != nil {
		return r.err
	}
	if n == 0 || r.Ready() >= n {
		return r.submit(0, r.enterFlags|ringEnterGetEvents)
	}
	flags := r.enterFlags | ringEnterGetEvents
	if timeout >= 0 {
		r.timeout = unix.NsecToTimespec(int64(timeout))
		flags |= ringEnterExtArg
	}
	return r.submit(n, flags)
}

// submit calls the kernel until it has taken everything, or will take no more now.
func (r *Ring) submit(wait int, flags uint32) error {
	atomic.StoreUint32(r.sq.tail, r.sq.prepared)
	for {
		taken, errno := r.enter(r.sq.prepared-r.sq.submitted, wait, flags)
		r.sq.submitted += taken
		switch errno {
		case 0:
		case unix.EINTR, unix.ETIME, unix.EAGAIN, unix.EBUSY:
			return nil // what is left goes with the next call
		default:
			return sys.NewOpError("io_uring_enter", errno)
		}
		if taken == 0 || r.sq.submitted == r.sq.prepared {
			return nil
		}
	}
}

func (r *Ring) enter(count uint32, wait int, flags uint32) (taken uint32, errno syscall.Errno) {
	var arg unsafe.Pointer
	var size uintptr
	if flags&ringEnterExtArg != 0 {
		arg, size = unsafe.Pointer(&r.wait), unsafe.Sizeof(r.wait)
	}
	var n uintptr
	if wait == 0 {
		n, _, errno = unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.enterFD), uintptr(count), 0, uintptr(flags), uintptr(arg), size)
	} else {
		n, _, errno = unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.enterFD), uintptr(count), uintptr(wait), uintptr(flags), uintptr(arg), size)
	}
	if errno != 0 {
		return 0, errno
	}
	return uint32(n), 0
}
