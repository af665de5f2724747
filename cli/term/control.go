package term

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"wirelab/internal/sys/file"
	"wirelab/observe"
)

// runtimeDir returns the directory for control sockets in XDG_RUNTIME_DIR, if that is
// ours: sudo and su may leave that of another user.
func (c *Console) runtimeDir() (dir string, ok bool) {
	runtime := c.Getenv("XDG_RUNTIME_DIR")
	return filepath.Join(runtime, "wirelab"), filepath.IsAbs(runtime) && ours(runtime)
}

func ours(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return false
	}
	uid, err := file.Owner(info)
	return err == nil && uid == os.Getuid()
}

// commonDirs returns where processes with different environments find each other, the
// first choice first: in /tmp, and not in TMPDIR, and where another user has been there
// before us, in a directory that others cannot write to.
func commonDirs() []string {
	uid := strconv.Itoa(os.Getuid())
	dirs := []string{filepath.Join("/tmp", "wirelab-"+uid)}
	if os.Getuid() == 0 {
		return append(dirs, "/run/wirelab-control")
	}
	if runtime := filepath.Join("/run/user", uid); ours(runtime) {
		return append(dirs, filepath.Join(runtime, "wirelab"))
	}
	return dirs
}

// ControlDir returns the directory of the control sockets of this user's processes
// that are started from here.
func (c *Console) ControlDir() string {
	if dir, ok := c.runtimeDir(); ok {
		return dir
	}
	return commonDirs()[0]
}

// ListenControl opens the control socket of this process: at path, or where ps finds it
// if that is "". Where there is no safe place for one it says so and returns nil, which
// answers nobody. A path that cannot be one is a mistake of usage; that another process
// has it is none.
func (c *Console) ListenControl(path string) (*observe.Control, error) {
	if path != "" {
		control, err := observe.ListenControl(path)
		if err != nil && !errors.Is(err, observe.ErrControlBusy) {
			return nil, Usagef("--control: %w", err)
		}
		return control, err
	}
	name := strconv.Itoa(os.Getpid()) + ".sock"
	dirs := commonDirs()
	own, hasOwn := c.runtimeDir()
	if hasOwn {
		dirs = []string{own}
	}
	var unsafe []error
	for _, dir := range dirs {
		control, err := observe.ListenControl(filepath.Join(dir, name))
		switch {
		case errors.Is(err, observe.ErrControlUnsafe):
			unsafe = append(unsafe, err)
			continue
		case err != nil:
			return nil, err
		case hasOwn:
			pointFrom(control, name)
		}
		return control, nil
	}
	c.Complain(fmt.Sprintf("no control socket, so that ps does not show this process: %v", errors.Join(unsafe...)))
	return nil, nil
}

// pointFrom lets processes without our XDG_RUNTIME_DIR find the control socket too. Where
// that is impossible they do without.
func pointFrom(control *observe.Control, name string) {
	for _, dir := range commonDirs() {
		if err := control.PointFrom(filepath.Join(dir, name)); err == nil {
			return
		}
	}
}

// FindControls returns the paths of the control sockets of this user's processes: of
// those in XDG_RUNTIME_DIR, or without it, of all.
func (c *Console) FindControls() ([]string, error) {
	if dir, ok := c.runtimeDir(); ok {
		return observe.FindControls(dir)
	}
	var all []string
	for _, dir := range commonDirs() {
		paths, err := observe.FindControls(dir)
		if errors.Is(err, observe.ErrControlUnsafe) {
			continue // ours are elsewhere
		}
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			if !slices.Contains(all, path) {
				all = append(all, path)
			}
		}
	}
	return all, nil
}
