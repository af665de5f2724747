//go:build !linux

package sys

import "os"

// Input reads from a file and can be interrupted; see input_linux.go.
type Input struct{}

// NewInput returns ErrUnsupported.
func NewInput(*os.File) (*Input, error) { return nil, NewOpError("poll", ErrUnsupported) }

// Read returns ErrUnsupported.
func (*Input) Read([]byte) (int, error) { return 0, ErrUnsupported }

// Close does nothing.
func (*Input) Close() error { return nil }
