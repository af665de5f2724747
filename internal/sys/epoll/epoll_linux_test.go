package epoll

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/sys/datagram"
	"wirelab/internal/sys/process"
	"wirelab/internal/sys/stream"
)

func newEpoll(t *testing.T) *Instance {
	t.Helper()
	e, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func listen(t *testing.T) (net.Listener, netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, l.Addr().(*net.TCPAddr).AddrPort()
}

// waitFor waits for the one event that is expected.
func waitFor(t *testing.T, e *Instance, token uint64) Ready {
	t.Helper()
	events := make([]Event, 4)
	for {
		n, err := e.Wait(events, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			continue // interrupted; the test's own time limit ends this
		}
		if n != 1 || events[0].Token() != token {
			t.Fatalf("%d events, the first with token %#x, want one with %#x", n, events[0].Token(), token)
		}
		return events[0].Ready()
	}
}

func TestEpollFollowsAConnection(t *testing.T) {
	for _, coarse := range []bool{false, true} {
		e := newEpoll(t)
		e.coarse = coarse
		l, addr := listen(t)
		fd, _, err := stream.Connect(addr)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close(fd)
		const token = 1<<63 | 42
		if err := e.Add(fd, ReadyIn|ReadyOut|ReadyEOF|OnEdge, token); err != nil {
			t.Fatal(err)
		}
		if ready := waitFor(t, e, token); ready&ReadyOut == 0 || stream.SocketError(fd) != 0 {
			t.Fatalf("connected: ready %#x", ready)
		}
		peer, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		peer.Write([]byte("hello"))
		if ready := waitFor(t, e, token); ready&ReadyIn == 0 {
			t.Fatalf("bytes: ready %#x", ready)
		}
		buf := make([]byte, 16)
		if n, errno := stream.TryReceive(fd, buf); n != 5 || errno != 0 {
			t.Fatalf("received %d, %v", n, errno)
		}
		if _, errno := stream.TryReceive(fd, buf); errno != syscall.EAGAIN {
			t.Fatalf("nothing to receive: %v", errno)
		}
		peer.Close()
		if ready := waitFor(t, e, token); ready&ReadyEOF == 0 {
			t.Fatalf("closed: ready %#x", ready)
		}
	}
}

func TestEpollWakeReachesTheNextWait(t *testing.T) {
	e := newEpoll(t)
	for range 3 {
		if err := e.Wake(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, e, WakeToken)
		if n, err := e.Poll(make([]Event, 1)); n != 0 || err != nil {
			t.Fatalf("after one wake: %d events more, %v", n, err)
		}
	}
}

func TestEpollWakeReachesAWaitThatWaits(t *testing.T) {
	e := newEpoll(t)
	done := make(chan error)
	go func() { done <- e.Wake() }()
	waitFor(t, e, WakeToken)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestEpollWaitEndsAtTheTimeout(t *testing.T) {
	e := newEpoll(t)
	for _, timeout := range []time.Duration{0, time.Microsecond, time.Millisecond} {
		for _, e.coarse = range []bool{false, true} {
			if n, err := e.Wait(make([]Event, 1), timeout); n != 0 || err != nil {
				t.Errorf("timeout %v, coarse %v: %d events, %v", timeout, e.coarse, n, err)
			}
		}
	}
}

func TestEpollErrors(t *testing.T) {
	e := newEpoll(t)
	if err := e.Add(-1, ReadyIn, 0); err == nil {
		t.Error("a bad descriptor was added")
	}
	if err := e.Remove(e.wake); err != nil {
		t.Error(err)
	}
	if err := e.Modify(e.wake, ReadyIn, 1); err == nil {
		t.Error("a removed descriptor was modified")
	}
}

func TestConnectStreamRefused(t *testing.T) {
	l, addr := listen(t)
	l.Close()
	e := newEpoll(t)
	fd, connecting, err := stream.Connect(addr)
	if err == nil {
		defer stream.Close(fd)
		if !connecting {
			t.Fatal("connected to a closed port")
		}
		e.Add(fd, ReadyOut, 1)
		waitFor(t, e, 1)
		err = stream.SocketError(fd)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("error %v, want ECONNREFUSED", err)
	}
}

func TestConnectDatagramExchanges(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	fd, err := datagram.Connect(server.LocalAddr().(*net.UDPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close(fd)
	if n, errno := stream.TrySend(fd, []byte("hello")); n != 5 || errno != 0 {
		t.Fatalf("sent %d, %v", n, errno)
	}
	buf := make([]byte, 16)
	n, from, err := server.ReadFrom(buf)
	if err != nil {
		t.Fatal(err)
	}
	server.WriteTo(buf[:n], from)
	e := newEpoll(t)
	e.Add(fd, ReadyIn, 1)
	waitFor(t, e, 1)
	if n, errno := stream.TryReceive(fd, buf); string(buf[:n]) != "hello" || errno != 0 {
		t.Fatalf("received %q, %v", buf[:n], errno)
	}
}

func TestDescriptorLimit(t *testing.T) {
	limit, used, err := process.DescriptorLimit()
	if err != nil || used < 3 || limit < used {
		t.Errorf("limit %d, used %d, %v", limit, used, err)
	}
}

func BenchmarkEpollPoll(b *testing.B) {
	e, err := New()
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	events := make([]Event, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Wait(events, 0); err != nil {
			b.Fatal(err)
		}
	}
}
