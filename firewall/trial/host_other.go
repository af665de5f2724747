//go:build !linux

package trial

import (
	"wirelab/firewall"
	"wirelab/internal/sys"
)

// Host is a network namespace, which only Linux has.
type Host struct{}

func unsupported() error { return &sys.OpError{Op: "try a firewall", Err: sys.ErrUnsupported} }

func New([]Interface, []Route) (*Host, error) { return nil, unsupported() }
func (*Host) Do(func() error) error           { return unsupported() }
func (*Host) Load(*firewall.Program) error    { return unsupported() }
func (*Host) Close() error                    { return unsupported() }
func (*Host) Try([]Packet) ([]Outcome, error) { return nil, unsupported() }
