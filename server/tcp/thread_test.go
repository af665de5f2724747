package tcp_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/server/tcp"
)

// stuckLog is a log whose lines of one kind wait until it is released, as do those
// who wait for the mutex of a busy one.
type stuckLog struct {
	slog.Handler
	message  string
	waiting  *atomic.Int32
	released <-chan struct{}
}

func (l stuckLog) Enabled(context.Context, slog.Level) bool { return true }

func (l stuckLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message == l.message {
		l.waiting.Add(1)
		<-l.released
	}
	return nil
}

// serveStuck starts a thread server for one connection, with a log that is stuck at
// that message until release is called.
func serveStuck(t *testing.T, message string) (s *running, waiting *atomic.Int32, release func()) {
	t.Helper()
	waiting, released := new(atomic.Int32), make(chan struct{})
	s = serve(t, "thread", "echo", func(cfg *tcp.Config) {
		cfg.MaxConns = 1
		cfg.Log = slog.New(stuckLog{slog.DiscardHandler, message, waiting, released})
	})
	return s, waiting, func() { close(released) }
}

// A connection that is refused is given no thread: else those who connect faster
// than they are refused could make as many as they like, which ends the process.
func TestThreadsAreForTheAdmitted(t *testing.T) {
	require.NoLeaks(t)
	s, waiting, release := serveStuck(t, "connection refused")
	const refused = 50
	for range 1 + refused {
		s.dial()
	}
	s.eventually("one is refused", func(tcp.Status) bool { return waiting.Load() > 0 })
	time.Sleep(50 * time.Millisecond)
	if n := waiting.Load(); n != 1 {
		t.Errorf("%d are refused at once", n)
	}
	release()
	s.eventually("all others are", func(st tcp.Status) bool { return st.Refused["max_conns"] == refused })
}

// Threads whose connections are no longer listed are bounded too.
func TestThreadsThatEndAreBounded(t *testing.T) {
	require.NoLeaks(t)
	s, waiting, release := serveStuck(t, "disconnected")
	const bound = 1 + 100 // see threadsEnding
	s.eventually("accepting waits", func(st tcp.Status) bool {
		s.dial().Close()
		return st.Accepted > bound
	})
	s.eventually("all threads are ending", func(tcp.Status) bool { return waiting.Load() >= bound })
	time.Sleep(50 * time.Millisecond)
	if n := waiting.Load(); n > bound {
		t.Errorf("%d threads are ending", n)
	}
	release()
	s.eventually("all have ended", func(st tcp.Status) bool { return st.Active == 0 && st.Closed["peer_closed"] == st.Accepted })
}

// A peer that others push to and that does not read costs a second thread, which is
// why the engine takes half as many connections as there may be threads; and no third.
func TestTwoThreadsForOneConnection(t *testing.T) {
	require.NoLeaks(t)
	s := serve(t, "thread", "chat")
	const deaf = 8
	for range deaf {
		s.dial().SetReadBuffer(4096)
	}
	s.eventually("all are there", func(st tcp.Status) bool { return st.Active == deaf })
	defer takeIdleThreads()()
	before := threadCount(t)
	talker := s.dial()
	go io.Copy(io.Discard, talker)
	line := append(bytes.Repeat([]byte("a"), maxLine-100), '\n')
	most := 0
	s.eventually("all are too slow", func(st tcp.Status) bool {
		talker.Write(line)
		most = max(most, threadCount(t)-before)
		return st.Closed["too_slow"] == deaf
	})
	const others = 1 + 10 // the talker's, and Go's own
	if most <= deaf/2 || most > deaf+others {
		t.Errorf("%d more threads for %d peers that do not read", most, deaf)
	}
}

// takeIdleThreads takes threads that the tests before have left to Go, which it would begin
// with before it makes more. The function that it returns lets them end.
func takeIdleThreads() (end func()) {
	var taken, ended sync.WaitGroup
	release := make(chan struct{})
	for range 64 {
		taken.Add(1)
		ended.Go(func() {
			runtime.LockOSThread()
			taken.Done()
			<-release
		})
	}
	taken.Wait()
	return func() { close(release); ended.Wait() }
}

func threadCount(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(tasks)
}
