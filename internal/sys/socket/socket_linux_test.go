package socket

import (
	"context"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// What is asked for is what getsockopt says, of both families and of those that a listener
// accepts.
func TestOptions(t *testing.T) {
	o := Options{DSCP: 46, SendBuffer: 5000, ReceiveBuffer: 100_000, ReuseAddress: true}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		config := net.ListenConfig{Control: o.Control}
		l, err := config.Listen(context.Background(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		dialer := net.Dialer{Control: o.Control}
		c, err := dialer.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer accepted.Close()
		udp, err := dialer.Dial("udp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer udp.Close()
		for name, conn := range map[string]net.Conn{"dialled": c, "accepted": accepted, "datagrams": udp} {
			level, option := unix.IPPROTO_IP, unix.IP_TOS
			if address[0] == '[' {
				level, option = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
			}
			tos, send, receive := valueOf(t, conn, level, option), valueOf(t, conn, unix.SOL_SOCKET, unix.SO_SNDBUF), valueOf(t, conn, unix.SOL_SOCKET, unix.SO_RCVBUF)
			if tos != 46<<2 || send != 10000 || receive != 200_000 {
				t.Errorf("%s, %s: TOS %#x, buffers %d and %d", address, name, tos, send, receive)
			}
		}
	}
}

func valueOf(t *testing.T, c net.Conn, level, option int) (v int) {
	t.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { v, err = unix.GetsockoptInt(int(fd), level, option) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}
