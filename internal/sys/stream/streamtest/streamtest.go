// Package streamtest makes connections for tests of what works on their descriptors.
package streamtest

import (
	"net"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/sys/stream"
)

// Pair returns a blocking descriptor of a TCP connection and the connection at its other
// end, whose reads and writes fail after 20 seconds. Both are closed at the test's end.
func Pair(t testing.TB) (fd int, peer *net.TCPConn) {
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
	t.Cleanup(func() {
		stream.Close(fd)
		c.Close()
	})
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return fd, c.(*net.TCPConn)
}
