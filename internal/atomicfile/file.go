// Package atomicfile replaces files as a whole or not at all: it writes a draft beside
// the file, syncs it, and renames it over the file, so that neither a reader nor a crash
// ever sees half of it.
//
// A file that is replaced keeps its mode and, as far as this user may set it, its
// owner. A symbolic link is written through: the link stays and what it points to is
// replaced or, if it is dangling, made. A link that somebody else has put into a directory
// that all may write is refused ([ErrForeignLink]), and so is what is no regular file
// ([ErrNotRegular]): a directory, a FIFO, a device.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

var (
	// ErrNotRegular is the error of writing to what is there and is no regular file.
	ErrNotRegular = errors.New("not a regular file")
	// ErrForeignLink is the error of writing through a link that somebody else put into a
	// directory that all may write.
	ErrForeignLink = errors.New("a link of another user in a directory that all may write")
)

// A File is a draft that becomes the file when it is committed. One goroutine uses it,
// and calls Discard when it is done, whatever happened.
type File struct {
	draft  *os.File
	target string      // the file, links followed
	mode   fs.FileMode // that the file is to have
	before fs.FileInfo // of the file that is replaced; nil: there is none
	done   bool
}

// Create makes the draft of the file of that name, so that what is wrong with the
// name or the directory is known before there is anything to write. A file that does
// not exist yet gets the mode. The errors are ErrNotRegular, ErrForeignLink, and those of
// the system.
func Create(name string, mode fs.FileMode) (*File, error) {
	target, err := Follow(name)
	if err != nil {
		return nil, err
	}
	f := &File{target: target, mode: mode}
	switch info, err := os.Lstat(target); {
	case err == nil && !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "write", Path: name, Err: ErrNotRegular}
	case err == nil:
		f.before, f.mode = info, info.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	f.draft, err = os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".*")
	var path *fs.PathError
	if errors.As(err, &path) {
		path.Op, path.Path = "write", name // nobody knows the draft
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Write replaces the file of that name by data, or makes it with the mode.
func Write(name string, data []byte, mode fs.FileMode) error {
	f, err := Create(name, mode)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// mostLinks is how many links in a row are followed, as by the kernel (path_resolution(7)).
const mostLinks = 40

// Follow returns the file that name means when links are followed; it need not exist. Its
// error is ErrForeignLink, or that of the system.
func Follow(name string) (string, error) {
	for range mostLinks {
		info, err := os.Lstat(name)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return name, nil // Create finds out what is wrong with it
		}
		if err := checkLink(name, info); err != nil {
			return "", err
		}
		to, err := os.Readlink(name)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(name), to)
		}
		name = to
	}
	return "", &fs.PathError{Op: "follow", Path: name, Err: errors.New("too many links")}
}

// checkLink refuses a link that the kernel would not follow either where
// fs.protected_symlinks is set (proc_sys_fs(5)).
func checkLink(name string, link fs.FileInfo) error {
	dir, err := os.Stat(filepath.Dir(name))
	if err != nil {
		return err
	}
	linkOwner, ok := ownerOf(link)
	dirOwner, _ := ownerOf(dir)
	if ok && dir.Mode()&0o002 != 0 && linkOwner.uid != os.Geteuid() && linkOwner.uid != dirOwner.uid {
		return &fs.PathError{Op: "write", Path: name, Err: ErrForeignLink}
	}
	return nil
}

// Write adds p to the draft.
func (f *File) Write(p []byte) (int, error) { return f.draft.Write(p) }

// Commit makes the draft the file.
func (f *File) Commit() error {
	return f.commit(func(draft string) error { return os.Rename(draft, f.target) })
}

// CommitNew makes the draft the file if there is none by then; else its error is
// fs.ErrExist.
func (f *File) CommitNew() error {
	return f.commit(func(draft string) error { return os.Link(draft, f.target) })
}

func (f *File) commit(place func(draft string) error) error {
	if err := f.settle(); err != nil {
		return fmt.Errorf("write %s: %w", f.target, err)
	}
	if err := place(f.draft.Name()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(f.target))
}

// settle gives the draft its mode and owner, and sees it onto the disk.
func (f *File) settle() error {
	if owner, ok := f.owner(); ok {
		_ = f.draft.Chown(owner.uid, owner.gid) // only root may give files away
	}
	return errors.Join(f.draft.Chmod(f.mode), f.draft.Sync(), f.draft.Close())
}

// owner returns whose the file was, if it was.
func (f *File) owner() (owner, bool) {
	if f.before == nil {
		return owner{}, false
	}
	return ownerOf(f.before)
}

// Discard removes the draft unless it was committed. It may be called again.
func (f *File) Discard() {
	if f.done {
		return
	}
	f.done = true
	_ = f.draft.Close()           // it is closed if it was committed
	_ = os.Remove(f.draft.Name()) // it is gone if it became the file
}

// An owner is the user and group that a file belongs to.
type owner struct{ uid, gid int }
