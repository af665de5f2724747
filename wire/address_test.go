package wire

import (
	"fmt"
	"net/netip"
	"testing"

	"wirelab/wire/capfile"
)

func TestDestination(t *testing.T) {
	four := append([]byte{0x45}, make([]byte, 19)...)
	copy(four[16:], []byte{192, 0, 2, 7})
	six := append([]byte{0x60}, make([]byte, 39)...)
	six[24], six[39] = 0xfd, 9
	for _, one := range []struct {
		packet []byte
		want   string
	}{
		{four, "192.0.2.7"}, {six, "fd00::9"}, {four[:19], ""}, {six[:39], ""}, {nil, ""},
		{append([]byte{0x65}, four[1:]...), ""}, // says 6 and is too short for it
	} {
		to, ok := Destination(one.packet)
		if ok != (one.want != "") || ok && to.String() != one.want {
			t.Errorf("%x: %v, %t", one.packet, to, ok)
		}
	}
}

// RFC 1112 keeps 23 bits of a group, RFC 2464 the last 32.
func TestGroupAddress(t *testing.T) {
	for group, want := range map[string]string{
		"224.0.0.251": "01005e0000fb", "239.255.1.2": "01005e7f0102", "ff02::1:ff00:7": "3333ff000007",
	} {
		if got := fmt.Sprintf("%x", groupAddress(netip.MustParseAddr(group))); got != want {
			t.Errorf("%s: %s, want %s", group, got, want)
		}
	}
}

// What wraps Ethernet in the kernel's eyes shows itself to a packet socket as that.
func TestLinkTypeOf(t *testing.T) {
	for hardware, want := range map[uint16]capfile.LinkType{
		1: capfile.LinkEthernet, 772: capfile.LinkEthernet, 512: 9, 65534: capfile.LinkRaw, 776: capfile.LinkRaw, 24: 147,
	} {
		if got := linkTypeOf(hardware); got != want {
			t.Errorf("ARPHRD %d: %v, want %v", hardware, got, want)
		}
	}
}
