//go:build !linux

package sys

import (
	"net/netip"
	"time"
)

type DatagramConn struct{}

func ListenDatagrams(DatagramConfig) (*DatagramConn, error) {
	return nil, NewOpError("receive stamps and batches of datagrams", ErrUnsupported)
}
func ListenDatagramGroup(cfg DatagramConfig, _ int) ([]*DatagramConn, error) {
	_, err := ListenDatagrams(cfg)
	return nil, err
}
func DialDatagrams(cfg DatagramConfig, _ netip.AddrPort) (*DatagramConn, error) {
	return ListenDatagrams(cfg)
}
func (*DatagramConn) Runs() bool                         { return false }
func (*DatagramConn) Segments() bool                     { return false }
func (*DatagramConn) LocalAddr() netip.AddrPort          { return netip.AddrPort{} }
func (*DatagramConn) SetReadDeadline(time.Time) error    { return ErrUnsupported }
func (*DatagramConn) SetWriteDeadline(time.Time) error   { return ErrUnsupported }
func (*DatagramConn) Close() error                       { return ErrUnsupported }
func (*DatagramConn) Dropped() (uint32, error)           { return 0, ErrUnsupported }
func (*DatagramConn) NewReader(int, int) *DatagramReader { return nil }
func (*DatagramConn) NewWriter(int) *DatagramWriter      { return nil }

type DatagramReader struct{}

func (*DatagramReader) Read() ([]Datagram, error)    { return nil, ErrUnsupported }
func (*DatagramReader) ReadNow() ([]Datagram, error) { return nil, ErrUnsupported }
func (*DatagramReader) Pause(time.Duration)          {}
func (*DatagramReader) Dropped() uint32              { return 0 }

type DatagramWriter struct{}

func (*DatagramWriter) Write([]Datagram) (int, error) { return 0, ErrUnsupported }
func (*DatagramWriter) Calls() (sent, waited uint64)  { return 0, 0 }
