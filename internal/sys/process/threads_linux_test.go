package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestThreadGroups(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"version 2": {"0::/user.slice/a:b.scope\n", []string{
			"/sys/fs/cgroup/user.slice/a:b.scope", "/sys/fs/cgroup/user.slice", "/sys/fs/cgroup"}},
		"a container": {"0::/\n", []string{"/sys/fs/cgroup"}},
		"version 1":   {"4:memory:/m\n3:cpu,pids:/p\n", []string{"/sys/fs/cgroup/pids/p", "/sys/fs/cgroup/pids"}},
		"outside":     {"0::/../x\n", []string{"/sys/fs/cgroup/x", "/sys/fs/cgroup"}},
		"nothing":     {"\n0:\n", nil},
	} {
		if got := threadGroups(tc.text); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestGroupThreads(t *testing.T) {
	for _, tc := range []struct {
		most, current string
		want          int
		limited       bool
	}{
		{"1000\n", "300\n", 710, true}, // 10 of the 300 are our own
		{"1000\n", "", 1000, true},
		{"1000\n", "0\n", 1000, true}, // ours are not in it yet
		{"max\n", "300\n", 0, false},
		{"", "", 0, false},
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{"pids.max": tc.most, "pids.current": tc.current} {
			if text == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if n, ok := groupThreads(dir, 10); n != tc.want || ok != tc.limited {
			t.Errorf("%+v: %d, %v", tc, n, ok)
		}
	}
}

func TestUserThreads(t *testing.T) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &old); err != nil {
		t.Fatal(err)
	}
	low := old
	low.Cur = min(50_000, old.Max)
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &low); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Setrlimit(unix.RLIMIT_NPROC, &old) })
	n, ok := userThreads()
	if !ok || n > int(low.Cur) {
		t.Errorf("of %d: %d, %v", low.Cur, n, ok)
	}
	if most := MaxThreads(); !exemptFromUserLimit() && most > int(low.Cur) {
		t.Errorf("of %d: %d threads", low.Cur, most)
	}
}

func TestOtherThreads(t *testing.T) {
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if n := otherThreads(os.Getuid()); n < 1 {
		t.Errorf("%d threads beside ours", n)
	}
	other.Process.Kill()
	other.Wait()
	if n := otherThreads(4_000_000_000); n != 0 {
		t.Errorf("%d threads of a user who is not there", n)
	}
}
