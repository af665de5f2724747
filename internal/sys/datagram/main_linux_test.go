package datagram_test

import (
	"net"
	"os"
	"testing"
	"time"

	"wirelab/internal/sys/datagram"
)

// TestMain holds a socket that has asked for stamps: the kernel begins to stamp a
// moment after the first one does (net_enable_timestamp in net/core/dev.c), and the
// datagrams of that moment would bear none.
func TestMain(m *testing.M) {
	conn, err := datagram.Listen(datagram.Config{Addr: loopback})
	if err == nil {
		awaitStamps(conn)
	}
	status := m.Run()
	if conn != nil {
		conn.Close()
	}
	os.Exit(status)
}

// awaitStamps sends to conn until a datagram comes with a stamp of the kernel.
func awaitStamps(conn *datagram.Conn) {
	client, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(conn.LocalAddr()))
	if err != nil {
		return
	}
	defer client.Close()
	reader := conn.NewReader(1, 100)
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = client.Write([]byte("stamped?"))
		if batch, err := reader.Read(); err == nil && len(batch) == 1 && batch[0].Source == datagram.Kernel {
			return
		}
	}
}
