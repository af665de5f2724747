//go:build !linux

package sys

import (
	"net/netip"
	"syscall"
)

func ShareStream(int) error                    { return ErrUnsupported }
func ListenShared(netip.AddrPort) (int, error) { return -1, ErrUnsupported }
func SetNonblock(int) error                    { return ErrUnsupported }
func TryAccept(int) (int, netip.AddrPort, syscall.Errno) {
	return -1, netip.AddrPort{}, syscall.ENOSYS
}
