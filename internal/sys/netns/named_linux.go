package netns

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// Add makes a namespace with a name, as `ip netns add` does. An existing name is
// an error that matches fs.ErrExist.
func Add(name string) (*Namespace, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := prepareDir(); err != nil {
		return nil, err
	}
	path := filepath.Join(Dir, name)
	file, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0)
	if err != nil {
		return nil, &sys.OpError{Op: "add network namespace", Object: name, Err: cause(err)}
	}
	file.Close()
	n, err := bindNew(path)
	if err != nil {
		os.Remove(path)
	}
	return n, err
}

// bindNew makes a namespace and mounts it on the file.
func bindNew(path string) (*Namespace, error) {
	var n *Namespace
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return &sys.OpError{Op: "make network namespace", Err: err}
		}
		if err := unix.Mount(own, path, "none", unix.MS_BIND, ""); err != nil {
			return &sys.OpError{Op: "mount network namespace", Object: path, Err: err}
		}
		n, err = Open(path)
		return err
	})
	return n, err
}

// prepareDir makes Dir a mount of its own that is shared, so that other mount
// namespaces see names come and go, as ip-netns(8) does.
func prepareDir() error {
	if err := os.MkdirAll(Dir, 0o755); err != nil {
		return &sys.OpError{Op: "make directory", Object: Dir, Err: cause(err)}
	}
	err := unix.Mount("", Dir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if err == unix.EINVAL { // Dir is not a mount yet
		if err = unix.Mount(Dir, Dir, "none", unix.MS_BIND|unix.MS_REC, ""); err == nil {
			err = unix.Mount("", Dir, "none", unix.MS_SHARED|unix.MS_REC, "")
		}
	}
	if err != nil {
		return &sys.OpError{Op: "share mount", Object: Dir, Err: err}
	}
	return nil
}

// Delete removes a name. The namespace vanishes, some time later, when nothing
// else uses it. A name that does not exist is an error that matches fs.ErrNotExist.
func Delete(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	path := filepath.Join(Dir, name)
	// EINVAL: the file is there without its mount, after a reboot or a crash.
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && err != unix.EINVAL {
		return &sys.OpError{Op: "delete network namespace", Object: name, Err: err}
	}
	if err := os.Remove(path); err != nil {
		return &sys.OpError{Op: "delete network namespace", Object: name, Err: cause(err)}
	}
	return nil
}

// Names lists the named namespaces in the order of their names.
func Names() ([]string, error) {
	entries, err := os.ReadDir(Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, err
}
