package sys

import (
	"net/netip"
	"syscall"
	"testing"
)

// From one source address and port a socket may connect to several peers, which
// leaving the port to connect allows; here only the address is looked at.
func TestConnectFromASource(t *testing.T) {
	l, addr := listen(t)
	source := netip.MustParseAddr("127.0.0.9")
	fd, _, err := ConnectStreamFrom(source, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(fd)
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	local, err := LocalAddr(fd)
	if err != nil || local.Addr() != source || local.Port() == 0 || peer.RemoteAddr().String() != local.String() {
		t.Errorf("from %v, %v; the server sees %v", local, err, peer.RemoteAddr())
	}
	udp, err := ConnectDatagramFrom(source, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(udp)
	if local, err := LocalAddr(udp); err != nil || local.Addr() != source || local.Port() == 0 {
		t.Errorf("datagrams from %v, %v", local, err)
	}
}

func TestConnectFromAnAddressOfAnotherHost(t *testing.T) {
	_, addr := listen(t)
	other := netip.MustParseAddr("192.0.2.1")
	if _, _, err := ConnectStreamFrom(other, addr); !isAny(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("stream: %v", err)
	}
	if _, err := ConnectDatagramFrom(other, addr); !isAny(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("datagrams: %v", err)
	}
}
