//go:build !linux

package kernel

import (
	"context"

	"wirelab/firewall"
	"wirelab/internal/netlink"
	"wirelab/internal/sys"
)

// Kernel is a connection to nftables, which only Linux has.
type Kernel struct{}

func unsupported() error { return &sys.OpError{Op: "connect to nftables", Err: sys.ErrUnsupported} }

func Open() (*Kernel, error)                            { return nil, unsupported() }
func (*Kernel) Close() error                            { return unsupported() }
func (*Kernel) Generation() (uint32, error)             { return 0, unsupported() }
func (*Kernel) Read(*firewall.Program) (*State, error)  { return nil, unsupported() }
func (*Kernel) ReadAll() ([]*State, error)              { return nil, unsupported() }
func (*Kernel) Plan(*firewall.Program) (*Plan, error)   { return nil, unsupported() }
func (*Kernel) Apply(*Plan) error                       { return unsupported() }
func (*Kernel) Remove(*firewall.Program) error          { return unsupported() }
func (*Kernel) Save(*firewall.Program) ([]byte, error)  { return nil, unsupported() }
func (*Kernel) Restore(*firewall.Program, []byte) error { return unsupported() }
func (*Kernel) Verify(*firewall.Program, []byte) error  { return unsupported() }

func (*Plan) Before() ([]byte, error) { return nil, unsupported() }
func (*Plan) After() []byte           { return nil }

// Follow reports that there is no NFLOG here.
func Follow(context.Context, uint16, func(netlink.LoggedPacket, int) error) error {
	return unsupported()
}

// Snapshots returns functions that report that there is no nftables here.
func Snapshots(*firewall.Program) (save func(context.Context) ([]byte, error), restore, verify func(context.Context, []byte) error) {
	refuse := func(context.Context, []byte) error { return unsupported() }
	return func(context.Context) ([]byte, error) { return nil, unsupported() }, refuse, refuse
}
