package netns

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// own is the namespace of the calling thread.
const own = "/proc/thread-self/ns/net"

// Namespace is an open network namespace. It exists at least until Close.
type Namespace struct{ file *os.File }

// New makes a namespace without a name. It vanishes when it has been closed and
// nothing uses it any more.
func New() (*Namespace, error) {
	var n *Namespace
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return &sys.OpError{Op: "make network namespace", Err: err}
		}
		n, err = Open(own)
		return err
	})
	return n, err
}

// Open opens the namespace that a path leads to, such as /proc/PID/ns/net.
func Open(path string) (*Namespace, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, &sys.OpError{Op: "open network namespace", Object: path, Err: cause(err)}
	}
	return &Namespace{file}, nil
}

// Current opens the namespace of the calling thread.
func Current() (*Namespace, error) { return Open(own) }

// Named opens the namespace that ip-netns(8) knows by this name.
func Named(name string) (*Namespace, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	return Open(filepath.Join(Dir, name))
}

// Close lets the namespace go.
func (n *Namespace) Close() error { return n.file.Close() }

// Descriptor returns the open file, as IFLA_NET_NS_FD takes it. It is valid
// until Close.
func (n *Namespace) Descriptor() int { return int(n.file.Fd()) }

// Do runs f on a thread inside the namespace and returns its error. A panic of f
// is not caught. It needs CAP_SYS_ADMIN but for the namespace of the process.
func (n *Namespace) Do(f func() error) error {
	return onThread(func() error {
		here, err := os.Stat(own)
		if err != nil {
			return &sys.OpError{Op: "look at network namespace", Object: own, Err: cause(err)}
		}
		if there, err := n.file.Stat(); err == nil && os.SameFile(here, there) {
			return f()
		}
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return &sys.OpError{Op: "enter network namespace", Object: n.file.Name(), Err: err}
		}
		return f()
	})
}

// Do runs f on a thread inside the namespace that path leads to.
func Do(path string, f func() error) error {
	n, err := Open(path)
	if err != nil {
		return err
	}
	defer n.Close()
	return n.Do(f)
}

// onThread runs f on a thread that ends with it: a locked goroutine that
// returns takes its thread along, and whatever f did to that with it.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		// Goexit in f, as testing.FailNow does it, must not leave the caller waiting.
		err := errors.New("the function in the namespace ended its goroutine")
		defer func() { done <- err }()
		err = f()
	}()
	return <-done
}

// cause returns the errno inside a *fs.PathError, whose path the caller names.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
