package datagram

import (
	"bytes"
	"net/netip"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestPutLocalReadsBack(t *testing.T) {
	for _, addr := range []string{"127.0.0.2", "::1", "fe80::1"} {
		var c controlBuffer
		sent := Datagram{Local: netip.MustParseAddr(addr), Interface: 7}
		length := putLocal(&c, &sent)
		var got Datagram
		var dropped uint32
		parseControl(&got, &dropped, c.bytes()[:length])
		if got.Local != sent.Local || (got.Interface == 7) != sent.Local.IsLinkLocalUnicast() {
			t.Errorf("%s became %v, interface %d", addr, got.Local, got.Interface)
		}
	}
	if length := putLocal(new(controlBuffer), &Datagram{}); length != 0 {
		t.Errorf("no address takes %d bytes", length)
	}
}

func TestParseControlSkipsWhatIsCut(t *testing.T) {
	var c controlBuffer
	length := putLocal(&c, &Datagram{Local: netip.MustParseAddr("127.0.0.2")})
	for cut := range length - 4 { // the last 4 bytes are alignment
		var d Datagram
		var dropped uint32
		parseControl(&d, &dropped, c.bytes()[:cut])
		if d.Local.IsValid() && cut < unix.CmsgLen(unix.SizeofInet4Pktinfo) {
			t.Errorf("%d of %d bytes read as %v", cut, length, d.Local)
		}
	}
}

func FuzzParseControl(f *testing.F) {
	var c controlBuffer
	length := putLocal(&c, &Datagram{Local: netip.MustParseAddr("fe80::1"), Interface: 1})
	f.Add(bytes.Clone(c.bytes()[:length]))
	f.Add(bytes.Repeat([]byte{0xff}, int(unsafe.Sizeof(unix.Cmsghdr{}))))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Datagram
		var dropped uint32
		parseControl(&d, &dropped, b)
	})
}
