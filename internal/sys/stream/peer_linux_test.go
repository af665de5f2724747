package stream_test

import (
	"io"
	"net"
	"syscall"
	"testing"

	"wirelab/internal/sys/stream"
	"wirelab/internal/sys/stream/streamtest"
)

func TestPeerAddr(t *testing.T) {
	fd, peer := streamtest.Pair(t)
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
	fd, peer := streamtest.Pair(t)
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
