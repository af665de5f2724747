package observe

import (
	"errors"
	"fmt"
	"os"

	"wirelab/internal/atomicfile"
	"wirelab/internal/sys/file"
)

// A fileLock marks what a living process uses. The kernel ends it with the
// process, so that it never outlives a crash.
type fileLock struct{ file *os.File }

// errLocked reports that another process, or another part of this one, holds
// the lock.
var errLocked = errors.New("in use by another process")

// lockFile takes the lock at path, a file that it makes and that unlock removes.
// It does not wait. Where the system has no such locks it reports
// sys.ErrUnsupported.
func lockFile(path string) (*fileLock, error) {
	if _, err := atomicfile.Follow(path); err != nil {
		return nil, err
	}
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		ok, err := file.Lock(f)
		switch {
		case err == nil && !ok:
			err = fmt.Errorf("%s: %w", path, errLocked)
		case err == nil && !isAt(f, path):
			// Its last holder removed it between our open and our lock.
			f.Close()
			continue
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		return &fileLock{file: f}, nil
	}
}

// unlock removes the file before it gives up the lock, so that nobody can hold
// the lock of a file that is no longer at its path without noticing.
func (l *fileLock) unlock() {
	if l == nil {
		return
	}
	if isAt(l.file, l.file.Name()) {
		_ = os.Remove(l.file.Name()) // left behind it does no harm
	}
	l.file.Close()
}

// isAt reports whether path still leads to the open file f.
func isAt(f *os.File, path string) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	at, err := os.Stat(path)
	return err == nil && os.SameFile(open, at)
}
