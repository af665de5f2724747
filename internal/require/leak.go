package require

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const (
	// settleTime bounds how long NoLeaks waits for what a test has ended to be
	// gone: an exiting thread and a closed descriptor take the kernel a moment.
	settleTime = 5 * time.Second

	// spareThreads is by how many OS threads a process may grow unquestioned. The
	// Go runtime starts a thread whenever all others are inside system calls and
	// keeps it for later, so the count creeps by a few without any leak; a thread
	// kept for each connection exceeds this at once.
	spareThreads = 24
)

// NoLeaks checks, when the test and its later cleanups have ended, that
// goroutines, descriptors and OS threads are back to what they are now; what is
// left after five seconds fails the test and is listed. Call it first in a test, and not
// in one that runs in parallel with others: what those hold would be taken for leaks.
//
// A test that has failed already is not checked. Where there is no /proc, only
// goroutines are.
func NoLeaks(t testing.TB) {
	t.Helper()
	if err := startPoller(); err != nil {
		t.Fatal(err)
	}
	before := goleak.IgnoreCurrent()
	held, err := takeHoldings()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		t.Helper()
		if t.Failed() {
			return
		}
		if err := settle(settleTime, func() error { return leaks(held, before) }); err != nil {
			t.Errorf("left behind %v after the end of the test:\n%v", settleTime, err)
		}
	})
}

// NoLeaksInPackage runs the tests of a package, some of them side by side, and returns
// its exit status, which is a failure too, told to stderr, if they leave behind what [NoLeaks] looks for.
func NoLeaksInPackage(m *testing.M, stderr io.Writer) int {
	err := startPoller()
	held, err2 := takeHoldings()
	if err = errors.Join(err, err2); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	before, status := goleak.IgnoreCurrent(), m.Run()
	if status != 0 {
		return status
	}
	if err := settle(settleTime, func() error { return leaks(held, before) }); err != nil {
		fmt.Fprintf(stderr, "left behind %v after the end of all tests:\n%v\n", settleTime, err)
		return 1
	}
	return 0
}

// startPoller makes the Go runtime open the descriptors of its network poller,
// which it does at their first use and keeps for ever.
func startPoller() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	return errors.Join(r.Close(), w.Close())
}

// settle calls check until it returns nil or the limit has passed, and returns
// what it said last.
func settle(limit time.Duration, check func() error) error {
	deadline := time.Now().Add(limit)
	for pause := time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		err := check()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}

// leaks returns what the process holds beyond before.
func leaks(before holdings, goroutines goleak.Option) error {
	now, err := takeHoldings()
	if err != nil {
		return err
	}
	return errors.Join(goleak.Find(goroutines), now.beyond(before))
}

// holdings is what a process holds of the kernel.
type holdings struct {
	descriptors map[string]string // descriptor number → what it is open to
	threads     int
}

func takeHoldings() (holdings, error) {
	fds, err := list("/proc/self/fd")
	if err != nil {
		return holdings{}, err
	}
	tasks, err := list("/proc/self/task")
	if err != nil {
		return holdings{}, err
	}
	h := holdings{descriptors: make(map[string]string, len(fds)), threads: len(tasks)}
	for _, fd := range fds {
		// The descriptor of the listing itself has been closed since.
		if target, err := os.Readlink("/proc/self/fd/" + fd); err == nil {
			h.descriptors[fd] = target
		}
	}
	return h, nil
}

// list returns the names in a directory, none if it does not exist.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// beyond returns an error that lists what h has and before has not. A
// descriptor number that now leads elsewhere counts as a new descriptor.
func (h holdings) beyond(before holdings) error {
	var errs []error
	for _, fd := range slices.Sorted(maps.Keys(h.descriptors)) {
		if target := h.descriptors[fd]; before.descriptors[fd] != target {
			errs = append(errs, fmt.Errorf("descriptor %s open to %s", fd, target))
		}
	}
	if h.threads > before.threads+spareThreads {
		errs = append(errs, fmt.Errorf("%d OS threads, %d before", h.threads, before.threads))
	}
	return errors.Join(errs...)
}
