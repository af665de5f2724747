//go:build !linux

package file

import (
	"fmt"
	"io/fs"
	"os"

	"wirelab/internal/sys"
)

// Lock takes the exclusive advisory lock of f without waiting.
func Lock(f *os.File) (bool, error) {
	return false, fmt.Errorf("flock %s: %w", f.Name(), sys.ErrUnsupported)
}

// Owner returns the user id that owns the file that info describes.
func Owner(info fs.FileInfo) (uid int, err error) {
	return 0, fmt.Errorf("owner of %s: %w", info.Name(), sys.ErrUnsupported)
}
