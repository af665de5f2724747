//go:build !linux

package sys

import (
	"net/netip"
	"syscall"
)

func ConnectStream(netip.AddrPort) (int, bool, error) { return -1, false, ErrUnsupported }
func ConnectDatagram(netip.AddrPort) (int, error)     { return -1, ErrUnsupported }

func ConnectStreamFrom(netip.Addr, netip.AddrPort) (int, bool, error) {
	return -1, false, ErrUnsupported
}

func ConnectDatagramFrom(netip.Addr, netip.AddrPort) (int, error) { return -1, ErrUnsupported }

func SocketError(int) syscall.Errno { return syscall.ENOSYS }
