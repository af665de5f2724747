package sys_test

import (
	"io"
	"net"
	"syscall"
	"testing"

	"wirelab/internal/sys"
)

func TestPeerAddr(t *testing.T) {
	fd, peer := tcpPair(t)
	if addr, errno := sys.PeerAddr(fd); errno != 0 || addr != peer.LocalAddr().(*net.TCPAddr).AddrPort() {
		t.Errorf("%v, %v; want %v", addr, errno, peer.LocalAddr())
	}
	sys.ShutdownBoth(fd)
	peer.SetLinger(0)
	peer.Close()
	sys.Receive(fd, make([]byte, 1))
	if _, errno := sys.PeerAddr(fd); errno != syscall.ENOTCONN {
		t.Errorf("after a reset: %v", errno)
	}
}

func TestTryReceiveOnABlockingSocket(t *testing.T) {
	fd, peer := tcpPair(t)
	buf := make([]byte, 8)
	if _, errno := sys.TryReceive(fd, buf); errno != syscall.EAGAIN {
		t.Errorf("nothing has come: %v", errno)
	}
	io.WriteString(peer, "hello")
	for n := 0; n < 5; {
		n, _ = sys.Unread(fd)
	}
	if n, errno := sys.TryReceive(fd, buf); string(buf[:n]) != "hello" || errno != 0 {
		t.Errorf("%q, %v", buf[:n], errno)
	}
	if n, errno := sys.TryReceive(-1, buf); n != 0 || errno != syscall.EBADF {
		t.Errorf("%d, %v", n, errno)
	}
}
