//go:build !linux

package frame

import (
	"net/netip"
	"time"

	"wirelab/internal/sys"
)

func unsupported() error { return sys.NewOpError("send and capture frames", sys.ErrUnsupported) }

type Ring struct{}

func OpenRing(RingConfig) (*Ring, error)  { return nil, unsupported() }
func (*Ring) Next(*Captured) bool         { return false }
func (*Ring) Wait(time.Duration) error    { return unsupported() }
func (*Ring) Counts() (RingCounts, error) { return RingCounts{}, unsupported() }
func (*Ring) Close() error                { return unsupported() }

type Packets struct{}

func OpenPackets(int, bool) (*Packets, error) { return nil, unsupported() }
func (*Packets) Send([][]byte) (int, error)   { return 0, unsupported() }
func (*Packets) Close() error                 { return unsupported() }

type XDPSocket struct{}

func OpenXDP(int, int, Series) (*XDPSocket, error) { return nil, unsupported() }
func (*XDPSocket) Send(uint64, int) (int, error)   { return 0, unsupported() }
func (*XDPSocket) Close() error                    { return unsupported() }

const MaxXDPFrame = 2048

type Live struct{}

func OpenLive(int, Series) (*Live, error)   { return nil, unsupported() }
func (*Live) Send(uint64, int) (int, error) { return 0, unsupported() }
func (*Live) Close() error                  { return unsupported() }

type Raw struct{}

func OpenRaw(bool) (*Raw, error)           { return nil, unsupported() }
func (*Raw) Send([]byte, netip.Addr) error { return unsupported() }
func (*Raw) Close() error                  { return unsupported() }

type Hold struct{ Port uint16 }

func HoldPort(string, netip.AddrPort) (*Hold, error) { return nil, unsupported() }
func (*Hold) Close() error                           { return unsupported() }

type Interface struct {
	Hardware uint16
	Address  [6]byte
}

func Hardware(string) (Interface, error) { return Interface{}, unsupported() }
