//go:build !linux

package tap

import "wirelab/internal/sys"

// Device is the program's end of an interface, which only Linux has in this form.
type Device struct{}

func unsupported() error { return &sys.OpError{Op: "make interface", Err: sys.ErrUnsupported} }

func Open(string, Mode) (*Device, error)  { return nil, unsupported() }
func (*Device) Name() string              { return "" }
func (*Device) Write([]byte) (int, error) { return 0, unsupported() }
func (*Device) Read([]byte) (int, error)  { return 0, unsupported() }
func (*Device) Close() error              { return unsupported() }
