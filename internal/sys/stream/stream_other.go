//go:build !linux

package stream

import (
	"net"
	"net/netip"
	"syscall"
	"time"

	"wirelab/internal/sys"
	"wirelab/internal/sys/socket"
)

func Listen(netip.AddrPort) (int, netip.AddrPort, error) {
	return -1, netip.AddrPort{}, sys.ErrUnsupported
}
func Accept(int) (int, netip.AddrPort, error)            { return -1, netip.AddrPort{}, sys.ErrUnsupported }
func Setup(int, time.Duration, time.Duration, int) error { return sys.ErrUnsupported }
func Receive(int, []byte) (int, error)                   { return 0, sys.ErrUnsupported }
func Send(int, []byte) error                             { return sys.ErrUnsupported }
func SetReceiveTimeout(int, time.Duration) error         { return sys.ErrUnsupported }
func ShutdownRead(int) error                             { return sys.ErrUnsupported }
func ShutdownWrite(int) error                            { return sys.ErrUnsupported }
func ShutdownBoth(int) error                             { return sys.ErrUnsupported }
func Close(int) error                                    { return sys.ErrUnsupported }
func TryReceive(int, []byte) (int, syscall.Errno)        { return 0, syscall.ENOSYS }
func TrySend(int, []byte) (int, syscall.Errno)           { return 0, syscall.ENOSYS }
func Unread(int) (int, error)                            { return 0, sys.ErrUnsupported }
func Unacknowledged(int) (int, error)                    { return 0, sys.ErrUnsupported }

func Connect(netip.AddrPort) (int, bool, error) { return -1, false, sys.ErrUnsupported }
func ConnectFrom(netip.Addr, netip.AddrPort, socket.Options) (int, bool, error) {
	return -1, false, sys.ErrUnsupported
}
func SocketError(int) syscall.Errno            { return syscall.ENOSYS }
func Share(int) error                          { return sys.ErrUnsupported }
func ListenShared(netip.AddrPort) (int, error) { return -1, sys.ErrUnsupported }
func SetNonblock(int) error                    { return sys.ErrUnsupported }
func TryAccept(int) (int, netip.AddrPort, syscall.Errno) {
	return -1, netip.AddrPort{}, syscall.ENOSYS
}
func PeerAddr(int) (netip.AddrPort, syscall.Errno) { return netip.AddrPort{}, syscall.ENOSYS }
func Peek(int) (readable, reset bool)              { return false, false }
func ReadInfo(*net.TCPConn) (Info, error)          { return Info{}, sys.ErrUnsupported }
