package load

import (
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

// fullBacklog returns the address of a listener that nobody serves and whose
// queue takes no more: the kernel drops what asks for a connection then.
func fullBacklog(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*syscall.SockaddrInet4).Port))
	for range 8 {
		c, err := net.DialTimeout("tcp", addr.String(), 200*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("a queue of length 0 takes 8 connections")
	return addr
}

func TestRunConnectTimesOut(t *testing.T) {
	r := mustRun(t, Config{Target: fullBacklog(t), Clients: 3, Messages: 1, Timeout: 50 * time.Millisecond})
	if r.Connected != 0 || r.Sent != 0 || r.Verify() == nil {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
	wantErrors(t, r, map[string]uint64{"connect timed out": 3})
}

func TestRunOverIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	l.Close()
	r := mustRun(t, Config{Target: addr, Clients: 1, Messages: 1})
	wantErrors(t, r, map[string]uint64{"connection refused": 1})
}

// BenchmarkRun measures the whole way of a message, through a server in the same
// process; its allocations are those of making the run, divided by the messages.
func BenchmarkRun(b *testing.B) {
	for _, network := range []string{"tcp", "udp"} {
		b.Run(network, func(b *testing.B) {
			addr := serveStream(b, echo)
			if network == "udp" {
				addr = serveDatagrams(b, func(_ int, d []byte) [][]byte { return once(d) })
			}
			const clients = 10
			cfg := Config{Network: network, Target: addr, Clients: clients, Messages: uint64(b.N/clients + 1), Payload: mustParse(b, "seq", 64)}
			b.ReportAllocs()
			r, err := Run(b.Context(), cfg)
			if err != nil || r.Verify() != nil {
				b.Fatal(err, r.Verify())
			}
			b.ReportMetric(r.CPUUS, "generator-us/op")
		})
	}
}
