package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// names returns what is in a directory: no draft must be left in it.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestWriteKeepsTheMode(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	for _, step := range []struct {
		text string
		ask  fs.FileMode
		want fs.FileMode
	}{{"one", 0o640, 0o640}, {"two", 0o600, 0o640}} {
		if err := Write(name, []byte(step.text), step.ask); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != step.want || read(t, name) != step.text {
			t.Errorf("%v, %v: %s", info.Mode(), err, read(t, name))
		}
	}
	if got := names(t, dir); got != "a" {
		t.Errorf("the files are %q", got)
	}
}

func TestWriteKeepsTheOwner(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a")
	if err := errors.Join(os.WriteFile(name, nil, 0o644), os.Chown(name, 61234, 61235)); errors.Is(err, fs.ErrPermission) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	if err := Write(name, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 61234 || st.Gid != 61235 {
		t.Errorf("it belongs to %d:%d", st.Uid, st.Gid)
	}
}

func TestWriteThroughLinks(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(in("file"), nil, 0o644), os.Mkdir(in("sub"), 0o755),
		os.Symlink("../file", in("sub/link")), os.Symlink("sub/link", in("first")), os.Symlink("new", in("dangling")), os.Symlink("loop", in("loop"))); err != nil {
		t.Fatal(err)
	}
	for link, file := range map[string]string{"first": "file", "dangling": "new"} {
		if err := Write(in(link), []byte(link), 0o644); err != nil {
			t.Error(err)
		}
		if info, err := os.Lstat(in(link)); err != nil || info.Mode()&fs.ModeSymlink == 0 || read(t, in(file)) != link {
			t.Errorf("%s: %v, %v", link, info, err)
		}
	}
	if err := Write(in("loop"), nil, 0o644); err == nil {
		t.Error("a loop was written")
	}
}

func TestForeignLinkIsRefused(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := errors.Join(os.Symlink("victim", link), os.Chmod(dir, 0o777|fs.ModeSticky), os.Lchown(link, 61234, -1)); errors.Is(err, fs.ErrPermission) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	if err := Write(link, nil, 0o644); !errors.Is(err, ErrForeignLink) {
		t.Error(err)
	}
	if got := names(t, dir); got != "link" {
		t.Errorf("the files are %q", got)
	}
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{fifo, dir, "/dev/null"} {
		if _, err := Create(name, 0o644); !errors.Is(err, ErrNotRegular) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Create(filepath.Join(dir, "none", "a"), 0o644); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestCommitNewKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	for i, want := range []error{nil, fs.ErrExist} {
		f, err := Create(name, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte{'0' + byte(i)})
		if err := f.CommitNew(); !errors.Is(err, want) {
			t.Errorf("%d: %v", i, err)
		}
		f.Discard()
	}
	if got := names(t, dir); got != "a" || read(t, name) != "0" {
		t.Errorf("the files are %q", got)
	}
}

func TestDiscard(t *testing.T) {
	dir := t.TempDir()
	f, err := Create(filepath.Join(dir, "a"), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	f.Discard()
	f.Discard()
	if got := names(t, dir); got != "" {
		t.Errorf("the files are %q", got)
	}
}
