package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// Lock takes the exclusive advisory lock of f (flock(2)) without waiting.
// It reports false when another open file holds it. The lock is released when f
// is closed, and by the kernel when the process dies.
func Lock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, sys.NewOpError("flock "+f.Name(), err)
}

// Owner returns the user id that owns the file that info describes.
func Owner(info fs.FileInfo) (uid int, err error) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("owner of %s: %w", info.Name(), sys.ErrUnsupported)
	}
	return int(st.Uid), nil
}
