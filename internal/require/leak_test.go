package require

import (
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestNothingLeaks(t *testing.T) {
	NoLeaks(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			if _, err := listener.Accept(); err != nil {
				return
			}
		}
	})
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
	accepting.Wait()
}

func TestFailedTestIsNotChecked(t *testing.T) {
	var left *os.File
	got := record(func(t testing.TB) {
		NoLeaks(t)
		left, _ = os.Open(os.DevNull)
		t.Errorf("first failure")
	})
	left.Close()
	if got.said != "first failure" {
		t.Errorf("said %q", got.said)
	}
}

// mustHold takes what the process holds now.
func mustHold(t *testing.T) holdings {
	t.Helper()
	if err := startPoller(); err != nil {
		t.Fatal(err)
	}
	h, err := takeHoldings()
	if err != nil {
		t.Fatal(err)
	}
	if h.threads == 0 {
		t.Skip("no /proc here")
	}
	return h
}

// wantLeak checks that what the process holds beyond before is said to be want.
func wantLeak(t *testing.T, before holdings, goroutines goleak.Option, want string) {
	t.Helper()
	err := leaks(before, goroutines)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("leaks: %v; want %q", err, want)
	}
}

func TestDescriptorLeak(t *testing.T) {
	before, goroutines := mustHold(t), goleak.IgnoreCurrent()
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	wantLeak(t, before, goroutines, "open to /dev/null")
	file.Close()
	if err := leaks(before, goroutines); err != nil {
		t.Errorf("after Close: %v", err)
	}
}

func TestGoroutineLeak(t *testing.T) {
	before, goroutines := mustHold(t), goleak.IgnoreCurrent()
	release, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		<-release
	}()
	wantLeak(t, before, goroutines, "TestGoroutineLeak")
	close(release)
	<-ended
	if err := settle(settleTime, func() error { return leaks(before, goroutines) }); err != nil {
		t.Errorf("after its end: %v", err)
	}
}

// TestThreadLeak holds OS threads inside a blocking system call, each on a
// locked goroutine, so that they exit with it.
func TestThreadLeak(t *testing.T) {
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(pipe[0])
	before := mustHold(t)
	// The runtime may serve the first few of them with threads that it has spare.
	const threads = 3 * spareThreads
	var blocked sync.WaitGroup
	for range threads {
		blocked.Go(func() {
			runtime.LockOSThread()
			var b [1]byte
			for {
				if _, err := syscall.Read(pipe[0], b[:]); err != syscall.EINTR {
					return
				}
			}
		})
	}
	grown := settle(settleTime, func() error {
		if now, err := takeHoldings(); err != nil || now.beyond(before) != nil {
			return nil
		}
		return os.ErrDeadlineExceeded
	})
	if grown != nil {
		t.Errorf("%d blocked threads were not noticed", threads)
	}
	syscall.Close(pipe[1])
	blocked.Wait()
	gone := settle(settleTime, func() error {
		now, err := takeHoldings()
		if err != nil {
			return err
		}
		return now.beyond(before)
	})
	if gone != nil {
		t.Errorf("after the end of the threads: %v", gone)
	}
}

func TestSettleGivesUp(t *testing.T) {
	began := time.Now()
	if err := settle(10*time.Millisecond, func() error { return os.ErrInvalid }); err != os.ErrInvalid {
		t.Errorf("settle: %v", err)
	}
	if waited := time.Since(began); waited < 10*time.Millisecond {
		t.Errorf("gave up after %v", waited)
	}
}

func TestBeyond(t *testing.T) {
	before := holdings{descriptors: map[string]string{"3": "socket:[1]", "4": "pipe:[2]"}, threads: 5}
	tests := []struct {
		name string
		now  holdings
		want string
	}{
		{"same", before, ""},
		{"fewer", holdings{descriptors: map[string]string{"3": "socket:[1]"}, threads: 1}, ""},
		{"spare threads", holdings{threads: 5 + spareThreads}, ""},
		{"one more thread", holdings{threads: 6 + spareThreads}, "30 OS threads, 5 before"},
		{"another target", holdings{descriptors: map[string]string{"3": "socket:[9]"}}, "descriptor 3 open to socket:[9]"},
		{"two more", holdings{descriptors: map[string]string{"8": "a", "7": "b"}}, "descriptor 7 open to b\ndescriptor 8 open to a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := tt.now.beyond(before); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
