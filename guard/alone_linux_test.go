package guard

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestKilledAlone kills a program that makes a change without a guard at each step. What
// the next start finds is remembered if, and only if, it was made.
func TestKilledAlone(t *testing.T) {
	tests := []struct {
		step  string
		block string // a file of the guard that the program comes to and goes no further
		want  string
	}{
		{step: "apply-save", want: "old"},
		{block: "pending.json.new", want: "old"},
		{step: "apply-begin", want: "old"},
		{step: "apply-end", want: "new"},
		{block: "confirmed/000001.json.new", want: "new"},
		{block: "confirmed/000002.json.new", want: "new"},
	}
	for _, tt := range tests {
		t.Run(tt.step+tt.block, func(t *testing.T) {
			file, g := setUp(t)
			killAlone(t, g, file, tt.step, tt.block)
			if text, _ := os.ReadFile(file); string(text) != tt.want {
				t.Fatalf("the file says %q", text)
			}
			left := g.Stale()
			o, err := g.Resolve(t.Context())
			if err != nil || (o != nil) != (left != nil) || left != nil && !errors.Is(left, ErrStale) {
				t.Errorf("%+v, %v; stale: %v", o, err, left)
			}
			waitFor(t, file, tt.want) // nothing is taken back that was made
			if _, err := os.Stat(g.path(journalName)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the journal is still there: %v", err)
			}
			latest, ok, err := g.Latest("file")
			if err != nil || ok != (tt.want == "new") || ok && string(latest.Parts[0].Snapshot) != "new" {
				t.Errorf("at boot there will be %+v, %t, %v", latest.Parts, ok, err)
			}
			if _, err := g.Apply(t.Context(), aloneChange(file, "")); err != nil {
				t.Errorf("the next one: %v", err)
			}
		})
	}
}

// killAlone has a program make a change alone that is killed at a step, or when it has
// come to a file.
func killAlone(t *testing.T, g *Guard, file, step, at string) {
	t.Helper()
	if at != "" {
		block(t, g, at)
	}
	exe, _ := os.Executable()
	cmd := exec.Command(exe, "alone", file, step, g.Dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if at != "" {
		waitBlocked(t, cmd.Process.Pid)
		_ = cmd.Process.Kill()
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("it was not killed: %v", err)
	}
	if at != "" {
		if err := os.Remove(g.path(at)); err != nil {
			t.Fatal(err)
		}
	}
}

// waitBlocked waits until a thread of the process waits in openat(2) for the reader of
// a FIFO.
func waitBlocked(t *testing.T, pid int) {
	t.Helper()
	waits := 0
	for range 1000 {
		waits++
		found := false
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
		for _, f := range files {
			text, _ := os.ReadFile(f)
			found = found || strings.HasPrefix(string(text), fmt.Sprintf("%d ", syscall.SYS_OPENAT))
		}
		if !found {
			waits = 0
		}
		if waits == 3 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("process %d never waits", pid)
}
