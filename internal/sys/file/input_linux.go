package file

import (
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// Input reads from a terminal, a pipe or a file and can be interrupted, which
// a read from os.Stdin cannot: Go hands inherited descriptors to blocking
// system calls, where neither Close nor a deadline reaches them. So an Input
// waits in poll(2) for the descriptor and for its own Close together.
//
// One goroutine may call Read; Close may be called from any.
type Input struct {
	file *os.File
	fd   int

	reading sync.Mutex // held through a Read, so that Close can wait for it
	wake    int        // eventfd that Close makes readable; -1 once closed
	closing sync.Once
}

// NewInput returns an Input that reads from f. It does not take f over: f must
// stay open until the Input is closed, and nobody else should read from it
// meanwhile.
func NewInput(f *os.File) (*Input, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	in := &Input{file: f}
	// Not f.Fd: the descriptor's blocking mode is shared with other processes
	// and must stay as it is.
	if err := raw.Control(func(fd uintptr) { in.fd = int(fd) }); err != nil {
		return nil, err
	}
	in.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, sys.NewOpError("eventfd", err)
	}
	return in, nil
}

// Read waits for bytes and reads up to len(p) of them. It returns io.EOF at
// the end of input and os.ErrClosed once Close has been called.
func (in *Input) Read(p []byte) (int, error) {
	in.reading.Lock()
	defer in.reading.Unlock()
	for {
		if err := in.wait(); err != nil {
			return 0, err
		}
		n, err := unix.Read(in.fd, p)
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
			continue
		case err != nil:
			return 0, sys.NewOpError("read "+in.file.Name(), err)
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// wait returns nil when a read will not block, and os.ErrClosed on Close,
// which goes first.
func (in *Input) wait() error {
	if in.wake < 0 {
		return os.ErrClosed
	}
	fds := []unix.PollFd{
		{Fd: int32(in.wake), Events: unix.POLLIN},
		{Fd: int32(in.fd), Events: unix.POLLIN},
	}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return sys.NewOpError("poll", err)
		case fds[0].Revents != 0:
			return os.ErrClosed
		case fds[1].Revents&unix.POLLNVAL != 0:
			return sys.NewOpError("poll "+in.file.Name(), unix.EBADF)
		case fds[1].Revents != 0:
			return nil
		}
	}
}

// Close makes a Read that waits, and every later one, return os.ErrClosed,
// and returns when no Read is running any more. The file stays open. Calling
// it again does nothing.
func (in *Input) Close() error {
	in.closing.Do(func() {
		// Cannot fail: the counter of a fresh eventfd has room for one.
		_, _ = unix.Write(in.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		in.reading.Lock()
		defer in.reading.Unlock()
		unix.Close(in.wake)
		in.wake = -1
	})
	return nil
}
