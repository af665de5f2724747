package process

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// onThread runs f on an OS thread that ends with it.
func onThread(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
}

func TestThreadUseCountsThisThread(t *testing.T) {
	onThread(t, func() {
		before, err := ReadThreadUse()
		if err != nil {
			t.Error(err)
			return
		}
		for begun, n := time.Now(), 0; time.Since(begun) < 5*time.Millisecond; n++ {
		}
		unix.Nanosleep(&unix.Timespec{Nsec: int64(time.Millisecond)}, nil) // long enough to be a yield on a busy machine
		after, err := ReadThreadUse()
		used := after.Sub(before)
		if err != nil || used.CPU <= 0 || used.Yields == 0 || used.Waited < 0 {
			t.Errorf("%+v, %v", used, err)
		}
	})
}

// Each of the processors that the thread may use is one of the first so many, and they
// begin again behind the last.
func TestPinThread(t *testing.T) {
	onThread(t, func() {
		var may, first unix.CPUSet
		if err := unix.SchedGetaffinity(0, &may); err != nil {
			t.Error(err)
			return
		}
		for n := range may.Count() + 1 {
			onThread(t, func() {
				var has unix.CPUSet
				err := PinThread(n)
				if err := unix.SchedGetaffinity(0, &has); err != nil {
					t.Error(err)
				}
				if n == 0 {
					first = has
				}
				if err != nil || has.Count() != 1 || (has == first) != (n == 0 || n == may.Count()) {
					t.Errorf("thread %d: %v, %v", n, has, err)
				}
			})
		}
	})
}

func TestTimerSlackIsOfThisThread(t *testing.T) {
	onThread(t, func() {
		if err := SetTimerSlack(0); err != nil {
			t.Error(err)
		}
		if ns, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); ns != 1 || err != nil {
			t.Errorf("slack %d ns, %v", ns, err)
		}
	})
}
