package stream

import (
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"testing"

	"wirelab/internal/sys/process"
)

func TestPortHolderFindsThisProcess(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	for network, addr := range map[string]net.Addr{"tcp": l.Addr(), "udp": u.LocalAddr()} {
		port := netip.MustParseAddrPort(addr.String()).Port()
		if p, ok := PortHolder(network, port); !ok || p.PID != os.Getpid() || p.Name == "" {
			t.Errorf("%s port %d is held by %v, %v", network, port, p, ok)
		}
	}
}

// A connection to a port is not what holds it.
func TestPortHolderIgnoresConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	port := netip.MustParseAddrPort(c.LocalAddr().String()).Port()
	if p, ok := PortHolder("tcp", port); ok {
		t.Errorf("port %d of a client is held by %v", port, p)
	}
}

func TestThreadIDIsOfALivingThread(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if _, err := os.Stat("/proc/self/task/" + strconv.Itoa(process.ThreadID())); err != nil {
		t.Error(err)
	}
}

func TestMaxThreadsIsSane(t *testing.T) {
	if n := process.MaxThreads(); n < 100 {
		t.Errorf("%d threads", n)
	}
}
