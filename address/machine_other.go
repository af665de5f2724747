//go:build !linux

package address

import (
	"context"

	"wirelab/internal/sys"
)

// A Machine is a network namespace, which only Linux has.
type Machine struct{ ResolvConf string }

func unsupported(op string) error { return &sys.OpError{Op: op, Err: sys.ErrUnsupported} }

// Read returns the whole state.
func (m Machine) Read() (*State, error) { return nil, unsupported("read addresses") }

// Apply carries out a change.
func (m Machine) Apply(context.Context, *Change) error { return unsupported("change addresses") }

func (m Machine) settle(context.Context, *State, bool) error { return unsupported("change addresses") }

func (m Machine) verify(*snapshot, bool) error { return unsupported("read addresses") }

func readSysctl(string) (value string, ok bool, err error) {
	return "", false, unsupported("read sysctl")
}

func sysctlNames(string) []string { return nil }
