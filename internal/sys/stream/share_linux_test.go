package stream

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
)

func TestSharedListenersTakeConnectionsInTurn(t *testing.T) {
	for _, text := range []string{"127.0.0.1:0", "[::]:0"} {
		first, addr, err := Listen(netip.MustParseAddrPort(text))
		if err != nil {
			t.Fatal(err)
		}
		defer Close(first)
		if fd, err := ListenShared(addr); err == nil {
			Close(fd)
			t.Fatal("shares a port that nobody has shared")
		}
		if err := Share(first); err != nil {
			t.Fatal(err)
		}
		second, err := ListenShared(addr)
		if err != nil {
			t.Fatal(err)
		}
		defer Close(second)
		if fd, _, err := Listen(addr); !errors.Is(err, syscall.EADDRINUSE) {
			Close(fd)
			t.Fatalf("a listener that does not share: %v", err)
		}
		SetNonblock(first)
		SetNonblock(second)
		const conns = 64
		for range conns {
			c, err := net.Dial("tcp", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), addr.Port()).String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		a, b := acceptAll(t, first), acceptAll(t, second)
		if a+b != conns || a == 0 || b == 0 {
			t.Errorf("%s: %d and %d of %d connections", text, a, b, conns)
		}
	}
}

func acceptAll(t *testing.T, listener int) int {
	t.Helper()
	for n := 0; ; n++ {
		fd, peer, errno := TryAccept(listener)
		if errno == syscall.EAGAIN {
			return n
		}
		if errno != 0 || !peer.Addr().Is4() || peer.Port() == 0 {
			t.Fatalf("accepted %v: %v", peer, errno)
		}
		Close(fd)
	}
}
