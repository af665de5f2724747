//go:build !linux

package file

import (
	"os"

	"wirelab/internal/sys"
)

// Input reads from a file and can be interrupted; see input_linux.go.
type Input struct{}

// NewInput returns sys.ErrUnsupported.
func NewInput(*os.File) (*Input, error) { return nil, sys.NewOpError("poll", sys.ErrUnsupported) }

// Read returns sys.ErrUnsupported.
func (*Input) Read([]byte) (int, error) { return 0, sys.ErrUnsupported }

// Close does nothing.
func (*Input) Close() error { return nil }
