package filter

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Linux takes every program, also those for frames whose VLAN tag it has taken out.
func TestTheKernelTakesThem(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, link := range []uint16{linkEthernet, linkRaw, linkSLL2} {
		list := append(filters[:len(filters):len(filters)], "inbound", "outbound and tcp")
		if link == linkEthernet {
			list = append(list, ethernetFilters...)
		}
		for _, text := range list {
			program, err := Compile(text, Options{Link: link, Live: true})
			if err != nil {
				t.Errorf("%q: %v", text, err)
				continue
			}
			p := unix.SockFprog{Len: uint16(len(program)), Filter: (*unix.SockFilter)(unsafe.Pointer(&program[0]))}
			if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &p); err != nil {
				t.Errorf("%q for link type %d: %v", text, link, err)
			}
		}
	}
}
