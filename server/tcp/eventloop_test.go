package tcp

import (
	"net/netip"
	"testing"
	"unsafe"

	"wirelab/internal/require"
	"wirelab/internal/sys/uring"
)

// tireless has always more to say, and says nothing.
type tireless struct{}

func (tireless) Handle(_ []byte, _ bool, out []byte) (int, []byte, Next) { return 0, out, More }
func (tireless) Close()                                                  {}

// A busy connection of which events tell too is served twice in a round, and then
// still once in the next.
func TestBusyConnectionIsListedOnce(t *testing.T) {
	t.Run("epoll", func(t *testing.T) {
		l := newQuietLoop(t)
		c := &epollConn{loop: l, next: More}
		c.init(l.server, netip.AddrPort{}, c)
		c.begin(tireless{})
		listedOnce(t, func() { l.serve(c) }, l.goOn, &l.busy)
	})
	t.Run("uring", func(t *testing.T) {
		require.NoLeaks(t)
		require.Supported(t, uring.Probe())
		l, err := newUringLoop(newQuietServer(Config{}), -1)
		if err != nil {
			t.Fatal(err)
		}
		defer l.close()
		c := &uringConn{loop: l, next: More}
		c.init(l.server, netip.AddrPort{}, c)
		c.begin(tireless{})
		listedOnce(t, func() { l.serve(c) }, l.goOn, &l.busy)
	})
}

// listedOnce serves the one connection of a loop from outside and in its rounds.
func listedOnce[C any](t *testing.T, serve, goOn func(), busy *[]C) {
	t.Helper()
	for range 5 {
		serve()
		goOn()
	}
	if n := len(*busy); n != 1 {
		t.Errorf("it is listed %d times", n)
	}
}

// A silent connection is one structure. A little more than this size would cost an
// eighth more memory: it is one of those in which Go's allocator counts.
func TestConnectionsOfLoopsAreSmall(t *testing.T) {
	const most = 256
	if n := unsafe.Sizeof(epollConn{}); n > most {
		t.Errorf("a connection of epoll has %d bytes", n)
	}
	if n := unsafe.Sizeof(uringConn{}); n > most {
		t.Errorf("a connection of uring has %d bytes", n)
	}
}
