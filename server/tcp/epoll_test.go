package tcp

import (
	"net/netip"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/internal/sys/stream"
)

// newQuietLoop makes a loop that nothing runs.
func newQuietLoop(t *testing.T) *epollLoop {
	t.Helper()
	require.NoLeaks(t)
	require.Supported(t, probeEpoll())
	listener, _, err := stream.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := newEpollLoop(newQuietServer(Config{}), listener)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

// A loop that cannot watch its listener again after a pause tries until it can.
func TestEpollLoopDoesNotLoseItsListener(t *testing.T) {
	l := newQuietLoop(t)
	listener := l.listener
	if err := l.queue.Remove(listener); err != nil {
		t.Fatal(err)
	}

	const nowhere = 1 << 30 // a descriptor that the kernel does not take
	l.listener, l.acceptAt = nowhere, time.Now()
	l.expire()
	l.listener = listener
	if l.acceptAt.IsZero() || l.timeout() > starvedPause {
		t.Fatalf("after a failure it does not try again: %v", l.timeout())
	}
	time.Sleep(l.timeout())
	l.expire()
	if !l.acceptAt.IsZero() {
		t.Error("it goes on trying")
	}
	if err := l.queue.Remove(listener); err != nil {
		t.Errorf("the listener is not watched: %v", err)
	}
}
