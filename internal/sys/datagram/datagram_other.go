//go:build !linux

package datagram

import (
	"net/netip"
	"time"

	"wirelab/internal/sys"
)

type Conn struct{}

func Listen(Config) (*Conn, error) {
	return nil, sys.NewOpError("receive stamps and batches of datagrams", sys.ErrUnsupported)
}
func ListenGroup(cfg Config, _ int) ([]*Conn, error) {
	_, err := Listen(cfg)
	return nil, err
}
func Dial(cfg Config, _ netip.AddrPort) (*Conn, error) {
	return Listen(cfg)
}
func (*Conn) GRO() bool                        { return false }
func (*Conn) GSO() bool                        { return false }
func (*Conn) LocalAddr() netip.AddrPort        { return netip.AddrPort{} }
func (*Conn) SetReadDeadline(time.Time) error  { return sys.ErrUnsupported }
func (*Conn) SetWriteDeadline(time.Time) error { return sys.ErrUnsupported }
func (*Conn) Close() error                     { return sys.ErrUnsupported }
func (*Conn) Dropped() (uint32, error)         { return 0, sys.ErrUnsupported }
func (*Conn) NewReader(int, int) *Reader       { return nil }
func (*Conn) NewWriter(int) *Writer            { return nil }

type Reader struct{}

func (*Reader) Read() ([]Datagram, error)            { return nil, sys.ErrUnsupported }
func (*Reader) ReadNow() ([]Datagram, error)         { return nil, sys.ErrUnsupported }
func (*Reader) Pause(time.Duration)                  {}
func (*Reader) SendStamps(time.Duration) []SendStamp { return nil }
func (*Reader) Dropped() uint32                      { return 0 }

type Writer struct{}

func (*Writer) Write([]Datagram) (int, error) { return 0, sys.ErrUnsupported }
func (*Writer) Calls() (sent, waited uint64)  { return 0, 0 }

func Connect(netip.AddrPort) (int, error)                 { return -1, sys.ErrUnsupported }
func ConnectFrom(netip.Addr, netip.AddrPort) (int, error) { return -1, sys.ErrUnsupported }
