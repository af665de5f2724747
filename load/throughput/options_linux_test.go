package throughput

import (
	"net"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/sys/socket"
)

// requireOptions fails the test unless the kernel has these options of c, and Nagle's algorithm.
func requireOptions(t *testing.T, c *net.TCPConn, dscp, sendBuffer int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]struct{ level, option, want int }{
		"IP_TOS":      {syscall.IPPROTO_IP, syscall.IP_TOS, dscp << 2},
		"SO_SNDBUF":   {syscall.SOL_SOCKET, syscall.SO_SNDBUF, 2 * sendBuffer}, // the kernel doubles it, socket(7)
		"TCP_NODELAY": {syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 0},
	} {
		var got int
		if err := raw.Control(func(fd uintptr) { got, err = syscall.GetsockoptInt(int(fd), o.level, o.option) }); err != nil || got != o.want {
			t.Errorf("%s: %d, %v; want %d", name, got, err, o.want)
		}
	}
}

// What was chosen for sockets is set on those that carry.
func TestSocketOptions(t *testing.T) {
	r := &run{cfg: Config{
		Target: serve(t, "throughput", "epoll", nil), Direction: Up, Duration: time.Second, Timeout: time.Second, Clients: 1,
		Socket: socket.Options{DSCP: 46, SendBuffer: 64 << 10, Nagle: true},
	}}
	defer r.close()
	if err := r.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	requireOptions(t, r.streams[0].tcp, 46, 64<<10)
}
