package stream_test

import (
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys/stream"
)

func TestPeerAddr(t *testing.T) {
	fd, peer := tcpPair(t)
	if addr, errno := stream.PeerAddr(fd); errno != 0 || addr != peer.LocalAddr().(*net.TCPAddr).AddrPort() {
		t.Errorf("%v, %v; want %v", addr, errno, peer.LocalAddr())
	}
	stream.ShutdownBoth(fd)
	peer.SetLinger(0)
	peer.Close()
	stream.Receive(fd, make([]byte, 1))
	if _, errno := stream.PeerAddr(fd); errno != syscall.ENOTCONN {
		t.Errorf("after a reset: %v", errno)
	}
}

func TestTryReceiveOnABlockingSocket(t *testing.T) {
	fd, peer := tcpPair(t)
	buf := make([]byte, 8)
	if _, errno := stream.TryReceive(fd, buf); errno != syscall.EAGAIN {
		t.Errorf("nothing has come: %v", errno)
	}
	io.WriteString(peer, "hello")
	for n := 0; n < 5; {
		n, _ = stream.Unread(fd)
	}
	if n, errno := stream.TryReceive(fd, buf); string(buf[:n]) != "hello" || errno != 0 {
		t.Errorf("%q, %v", buf[:n], errno)
	}
	if n, errno := stream.TryReceive(-1, buf); n != 0 || errno != syscall.EBADF {
		t.Errorf("%d, %v", n, errno)
	}
}

// tcpPair returns a blocking descriptor and the connection at its other end.
func tcpPair(t testing.TB) (fd int, peer *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fd, _, err = stream.Connect(l.Addr().(*net.TCPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	unix.SetNonblock(fd, false)
	t.Cleanup(func() {
		stream.Close(fd)
		c.Close()
	})
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return fd, c.(*net.TCPConn)
}
