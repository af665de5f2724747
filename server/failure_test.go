package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/observe"
	"wirelab/server"
)

// An engine that fails ends the server with its error, also while connections are
// open that nothing would end: what it still can, it drains.
func TestFailedEngineEndsTheServer(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		require.NoLeaks(t)
		s, err := server.ListenTCP(server.TCPConfig{
			Addr: netip.MustParseAddrPort("127.0.0.1:0"), Engine: engine, Handler: newHandler(t, "chat", func(string) {}), Loops: 2,
		})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Run(context.Background()) }()
		r := &running{TCP: s, t: t}
		const peers = 16 // some on each loop
		var conns []net.Conn
		for range peers {
			conns = append(conns, r.dial())
		}
		r.eventually("all are in", func(st observe.Server) bool { return st.Active == peers })
		breakListener(t, s.Addr())
		for _, c := range conns {
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("a connection is neither closed nor reset")
			}
			c.Close()
		}
		select {
		case err := <-done:
			if !errors.Is(err, syscall.EINVAL) {
				t.Errorf("Run: %v, want what accepting failed of", err)
			}
		case <-time.After(patience):
			t.Fatal("Run does not return")
		}
		if st := s.Status(); st.Active != 0 || sum(st.Closed) != peers {
			t.Errorf("%d are open, closed %v", st.Active, st.Closed)
		}
	})
}

// breakListener makes accepting fail on one of this process's listeners on addr.
func breakListener(t *testing.T, addr netip.AddrPort) {
	t.Helper()
	for fd := range highestDescriptor(t) + 1 {
		listens, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
		if err != nil || listens == 0 {
			continue
		}
		name, err := syscall.Getsockname(fd)
		if at, ok := name.(*syscall.SockaddrInet4); err != nil || !ok || at.Port != int(addr.Port()) {
			continue
		}
		if err := syscall.Shutdown(fd, syscall.SHUT_RDWR); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("nothing listens on %v", addr)
}
