package stream

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"wirelab/internal/sys/datagram"
	"wirelab/internal/sys/sockaddr"
	"wirelab/internal/sys/socket"
)

// From one source address and port a socket may connect to several peers, which
// leaving the port to connect allows; here only the address is looked at.
func TestConnectFromASource(t *testing.T) {
	l, addr := listen(t)
	source := netip.MustParseAddr("127.0.0.9")
	fd, _, err := ConnectFrom(source, addr, socket.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer Close(fd)
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	local, err := sockaddr.Local(fd)
	if err != nil || local.Addr() != source || local.Port() == 0 || peer.RemoteAddr().String() != local.String() {
		t.Errorf("from %v, %v; the server sees %v", local, err, peer.RemoteAddr())
	}
	udp, err := datagram.ConnectFrom(source, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(udp)
	if local, err := sockaddr.Local(udp); err != nil || local.Addr() != source || local.Port() == 0 {
		t.Errorf("datagrams from %v, %v", local, err)
	}
}

func TestConnectFromAnAddressOfAnotherHost(t *testing.T) {
	_, addr := listen(t)
	other := netip.MustParseAddr("192.0.2.1")
	if _, _, err := ConnectFrom(other, addr, socket.Options{}); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("stream: %v", err)
	}
	if _, err := datagram.ConnectFrom(other, addr); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("datagrams: %v", err)
	}
}

func listen(t *testing.T) (net.Listener, netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, l.Addr().(*net.TCPAddr).AddrPort()
}
