package stream

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/sys"
)

// streamPair returns a blocking descriptor of this package and its other end.
func streamPair(t *testing.T) (fd int, other *net.TCPConn) {
	t.Helper()
	listener, addr, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer Close(listener)
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fd, peer, err := Accept(listener)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(fd) })
	if peer.String() != c.LocalAddr().String() {
		t.Fatalf("peer %v, want %v", peer, c.LocalAddr())
	}
	return fd, c.(*net.TCPConn)
}

func TestStreamSendsAndReceives(t *testing.T) {
	fd, other := streamPair(t)
	if err := Setup(fd, time.Minute, time.Second, 3); err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("wirelab "), 1<<18) // more than the socket's buffers hold
	go Send(fd, want)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(other, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("what was sent did not arrive: %v", err)
	}
	other.Write([]byte("answer"))
	other.CloseWrite()
	n, err := Receive(fd, got)
	if err != nil || string(got[:n]) != "answer" {
		t.Fatalf("%q, %v", got[:n], err)
	}
	if n, err := Receive(fd, got); n != 0 || err != nil {
		t.Fatalf("at the end: %d, %v", n, err)
	}
}

func TestShutdownReadEndsReceiveAfterWhatArrived(t *testing.T) {
	fd, other := streamPair(t)
	other.Write([]byte("x"))
	buf := make([]byte, 10)
	if n, _ := Receive(fd, buf); n != 1 {
		t.Fatal(n)
	}
	ended := make(chan int)
	go func() {
		n, _ := Receive(fd, buf)
		ended <- n
	}()
	if err := ShutdownRead(fd); err != nil {
		t.Fatal(err)
	}
	if n := <-ended; n != 0 {
		t.Fatal(n)
	}
}

func TestShutdownBothEndsSend(t *testing.T) {
	fd, _ := streamPair(t)
	ended := make(chan error)
	go func() { ended <- Send(fd, make([]byte, 64<<20)) }()
	time.Sleep(10 * time.Millisecond) // either order must end it
	if err := ShutdownBoth(fd); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
}

func TestReceiveTimeout(t *testing.T) {
	fd, _ := streamPair(t)
	if err := SetReceiveTimeout(fd, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if _, err := Receive(fd, make([]byte, 1)); !errors.Is(err, syscall.EAGAIN) {
		t.Fatal(err)
	}
}

func TestTryReceiveAndTrySendDoNotWait(t *testing.T) {
	fd, other := streamPair(t)
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	if _, errno := TryReceive(fd, buf); errno != syscall.EAGAIN {
		t.Fatal(errno)
	}
	for {
		if _, errno := TrySend(fd, buf); errno == syscall.EAGAIN {
			break
		} else if errno != 0 {
			t.Fatal(errno)
		}
	}
	other.Close()
}

func TestListenStreamRefuses(t *testing.T) {
	for _, addr := range []string{"192.0.2.1:0", "[2001:db8::1]:0"} { // documentation addresses: nobody has them
		if fd, _, err := Listen(netip.MustParseAddrPort(addr)); err == nil {
			Close(fd)
			t.Errorf("listens on %s", addr)
		}
	}
}

func TestOpErrorNamesWhatIsMissing(t *testing.T) {
	cases := []struct {
		cause error
		want  error
	}{
		{syscall.ENOSYS, sys.ErrUnsupported},
		{syscall.EPERM, sys.ErrNotPermitted},
		{syscall.EADDRINUSE, syscall.EADDRINUSE},
	}
	for _, c := range cases {
		if err := sys.NewOpError("op", c.cause); !errors.Is(err, c.want) || !errors.Is(err, c.cause) {
			t.Errorf("%v becomes %v", c.cause, err)
		}
	}
	if sys.NewOpError("op", nil) != nil {
		t.Error("success became an error")
	}
}
