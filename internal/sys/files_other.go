//go:build !linux

package sys

import (
	"fmt"
	"io/fs"
	"os"
)

// LockFile takes the exclusive advisory lock of f without waiting.
func LockFile(f *os.File) (bool, error) {
	return false, fmt.Errorf("flock %s: %w", f.Name(), ErrUnsupported)
}

// FileOwner returns the user id that owns the file that info describes.
func FileOwner(info fs.FileInfo) (uid int, err error) {
	return 0, fmt.Errorf("owner of %s: %w", info.Name(), ErrUnsupported)
}
