//go:build !linux

package sys

import (
	"net/netip"
	"syscall"
	"time"
)

func ListenStream(netip.AddrPort) (int, netip.AddrPort, error) {
	return -1, netip.AddrPort{}, ErrUnsupported
}
func Accept(int) (int, netip.AddrPort, error)                  { return -1, netip.AddrPort{}, ErrUnsupported }
func LocalAddr(int) (netip.AddrPort, error)                    { return netip.AddrPort{}, ErrUnsupported }
func SetupStream(int, time.Duration, time.Duration, int) error { return ErrUnsupported }
func Receive(int, []byte) (int, error)                         { return 0, ErrUnsupported }
func Send(int, []byte) error                                   { return ErrUnsupported }
func SetReceiveTimeout(int, time.Duration) error               { return ErrUnsupported }
func ShutdownRead(int) error                                   { return ErrUnsupported }
func ShutdownWrite(int) error                                  { return ErrUnsupported }
func ShutdownBoth(int) error                                   { return ErrUnsupported }
func Close(int) error                                          { return ErrUnsupported }
func ThreadID() int                                            { return 0 }
func TryReceive(int, []byte) (int, syscall.Errno)              { return 0, syscall.ENOSYS }
func TrySend(int, []byte) (int, syscall.Errno)                 { return 0, syscall.ENOSYS }
func Unread(int) (int, error)                                  { return 0, ErrUnsupported }
func Unacknowledged(int) (int, error)                          { return 0, ErrUnsupported }
