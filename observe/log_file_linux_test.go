package observe

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"wirelab/internal/require"
	"wirelab/internal/sys"
)

// mountTiny makes dir a file system of 64 KiB, in memory.
func mountTiny(t *testing.T, dir string) {
	t.Helper()
	err := syscall.Mount("wirelab-test", dir, "tmpfs", 0, "size=64k")
	if errors.Is(err, syscall.EPERM) { // root, but in a container
		err = fmt.Errorf("mount: %w (%w)", sys.ErrNotPermitted, err)
	}
	require.Supported(t, err)
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
}

func TestFullDisk(t *testing.T) {
	require.Root(t)
	dir := t.TempDir()
	mountTiny(t, dir)
	term := new(terminal)
	logs := OpenLogs(LogConfig{Dir: dir, Terminal: term})
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, bytes.Repeat([]byte{'x'}, 40<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	const lines = 500 // of 130 bytes or so
	logSome(t, logs, "client", 0, lines)
	full := logs.Status()
	if full.LostLines == 0 || full.Lines == 0 || full.Lines+full.LostLines != lines {
		t.Errorf("full: %+v", full)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	n := lines
	eventually(t, "written again", func() bool {
		logSome(t, logs, "client", n, 1)
		n++
		return logs.Status().Lines > full.Lines
	})
	closeLogs(t, logs)
	s := logs.Status()
	ns, others := numbers(readAll(t, dir, Filter{}))
	if len(ns) > int(s.Lines) || len(ns)+len(others) < int(s.Lines) || ns[len(ns)-1] != n-1 {
		t.Errorf("%d lines up to %d, and %d others, status %+v", len(ns), ns[len(ns)-1], len(others), s)
	}
	if got := term.String(); strings.Count(got, "no space left") != 1 || strings.Count(got, "\n") != 2 {
		t.Errorf("the terminal shows %q", got)
	}
}

// Logs do not go through a link that another user has put where all may write: not the
// file, not its lock, not the directory.
func TestForeignLinkTakesNoLogs(t *testing.T) {
	require.Root(t)
	for _, name := range []string{"logs/client.log", "logs/.client.log.lock", "logs"} {
		t.Run(name, func(t *testing.T) {
			open := filepath.Join(t.TempDir(), "open")
			if err := errors.Join(os.Mkdir(open, 0o777), os.Chmod(open, os.ModeSticky|0o777)); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(open, "logs")
			if name != "logs" {
				if err := errors.Join(os.Mkdir(dir, 0o777), os.Chmod(dir, os.ModeSticky|0o777)); err != nil {
					t.Fatal(err)
				}
			}
			victim, link := filepath.Join(t.TempDir(), "victim"), filepath.Join(open, name)
			if err := errors.Join(os.Symlink(victim, link), os.Lchown(link, 65534, 65534)); err != nil {
				t.Fatal(err)
			}
			term := new(terminal)
			logs := OpenLogs(LogConfig{Dir: dir, Terminal: term})
			logs.Component("client").Info("a line")
			closeLogs(t, logs)
			if _, err := os.Lstat(victim); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the victim: %v", err)
			}
			if text := term.String(); !strings.Contains(text, "a link of another user") {
				t.Errorf("the terminal says %q", text)
			}
		})
	}
}
