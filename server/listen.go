package server

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"wirelab/internal/sys/stream"
)

// ErrClosed is what Run returns of a server that was closed before, or run before.
var ErrClosed = errors.New("the server is closed")

// maxAutoPorts bounds how many ports after a busy one are tried.
const maxAutoPorts = 1000

// PortBusyError reports that a port is taken, and by whom if that can be seen.
type PortBusyError struct {
	Network string // "tcp", "udp"
	Addr    netip.AddrPort
	Holder  stream.Process // zero: unknown
	Err     error
}

func (e *PortBusyError) Error() string {
	if e.Holder == (stream.Process{}) {
		return fmt.Sprintf("port %d is taken", e.Addr.Port())
	}
	return fmt.Sprintf("port %d is held by %v", e.Addr.Port(), e.Holder)
}

func (e *PortBusyError) Unwrap() error { return e.Err }

// BindNext calls bind with addr and, when that port is busy and auto is set, with
// the ports after it, until one is free. A busy port is reported as a PortBusyError.
func BindNext(network string, addr netip.AddrPort, auto bool, bind func(netip.AddrPort) error) error {
	err := bind(addr)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	for port := int(addr.Port()) + 1; auto && port <= min(int(addr.Port())+maxAutoPorts, 65535); port++ {
		if err := bind(netip.AddrPortFrom(addr.Addr(), uint16(port))); !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
	holder, _ := stream.PortHolder(network, addr.Port())
	return &PortBusyError{Network: network, Addr: addr, Holder: holder, Err: err}
}
