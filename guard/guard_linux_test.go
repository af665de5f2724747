package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tests guard a file. Processes of these tests are this binary with a role as
// its first argument:
//
//	hold FILE KILLAT DIR ID         the holding process
//	apply FILE KILLAT CONFIRM DIR   change the file from "old" to "new" in two steps
//	alone FILE KILLAT DIR           the same without a guard, in one step
//	confirm DIR                     confirm
//	login ADDRESS CONFIRM...        as a program called sshd: connect, then run a child
//
// KILLAT names the step at which a process kills itself with SIGKILL; "stop:" in
// front stops it instead.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if role, ok := roles[os.Args[1]]; ok {
			if err := role(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

var roles = map[string]func([]string) error{
	"hold": func(a []string) error {
		return fileGuard(a[0], a[1], a[2]).Hold(context.Background(), a[3])
	},
	"apply": func(a []string) error {
		confirm, _ := time.ParseDuration(a[2])
		g := fileGuard(a[0], a[1], a[3])
		// The guard's own steps are not this process's.
		exe, _ := os.Executable()
		g.Command = []string{exe, "hold", a[0], a[1]}
		_, err := g.Apply(context.Background(), fileChange(a[0], a[1], confirm))
		return err
	},
	"alone": func(a []string) error {
		_, err := fileGuard(a[0], a[1], a[2]).Apply(context.Background(), aloneChange(a[0], a[1]))
		return err
	},
	"confirm": func(a []string) error { return (&Guard{Dir: a[0]}).Confirm(context.Background()) },
	"login": func(a []string) error {
		conn, err := net.Dial("tcp", a[0])
		if err != nil {
			return err
		}
		defer conn.Close()
		out, err := exec.Command(a[1], a[2:]...).CombinedOutput()
		os.Stdout.Write(out)
		return err
	},
}

// at ends or stops the process if step is where it shall.
func at(step, killAt string) {
	switch killAt {
	case step:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "stop:" + step:
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		time.Sleep(50 * time.Millisecond) // the signal may take effect a little later
	}
}

func fileGuard(file, killAt, dir string) *Guard {
	exe, _ := os.Executable()
	role := "guard"
	if len(os.Args) > 1 && (os.Args[1] == "apply" || os.Args[1] == "alone") {
		role = "apply"
	}
	restored := false
	return &Guard{Dir: dir, Command: []string{exe, "hold", file, killAt}, Subjects: []Subject{{
		Kind: "file",
		Save: func(context.Context, []byte) ([]byte, error) {
			at(role+"-save", killAt)
			text, err := os.ReadFile(file)
			if errors.Is(err, os.ErrNotExist) {
				return []byte("\x00nothing"), nil
			}
			return text, err
		},
		Restore: func(_ context.Context, snapshot []byte) error {
			at(role+"-restore", killAt)
			restored = true
			if string(snapshot) == "\x00nothing" {
				return os.Remove(file)
			}
			return os.WriteFile(file, snapshot, 0o600)
		},
		Verify: func(_ context.Context, snapshot []byte) error {
			if restored {
				at(role+"-restored", killAt)
			} else {
				at(role+"-verify", killAt)
			}
			text, err := os.ReadFile(file)
			if err != nil && string(snapshot) == "\x00nothing" {
				return nil
			}
			if !bytes.Equal(text, snapshot) {
				return fmt.Errorf("the file says %q instead of %q", text, snapshot)
			}
			return nil
		},
	}}}
}

func fileChange(file, killAt string, confirm time.Duration) Change {
	return Change{Kinds: []string{"file"}, Title: "write new", Confirm: confirm, Apply: func(ctx context.Context) error {
		at("apply-begin", killAt)
		if err := os.WriteFile(file, []byte("ne"), 0o600); err != nil {
			return err
		}
		at("apply-middle", killAt)
		err := os.WriteFile(file, []byte("new"), 0o600)
		at("apply-end", killAt)
		return err
	}}
}

func aloneChange(file, killAt string) Change {
	return Change{Kinds: []string{"file"}, Title: "write new", Unguarded: true, Apply: func(ctx context.Context) error {
		at("apply-begin", killAt)
		err := os.WriteFile(file, []byte("new"), 0o600)
		at("apply-end", killAt)
		return err
	}}
}

// setUp returns a guarded file that says "old".
func setUp(t *testing.T) (file string, g *Guard) {
	t.Helper()
	dir := t.TempDir()
	file = filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, fileGuard(file, "", filepath.Join(dir, "state"))
}

// waitFor waits until the file says what is wanted.
func waitFor(t *testing.T, file, want string) {
	t.Helper()
	var text []byte
	for range 1000 {
		text, _ = os.ReadFile(file)
		if string(text) == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the file says %q, want %q", text, want)
}

// waitSettled waits until there is no journal.
func waitSettled(t *testing.T, g *Guard) {
	t.Helper()
	for range 1000 {
		if _, err := os.Stat(g.path(journalName)); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the journal is still there")
}

func runRole(t *testing.T, args ...string) (string, error) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(exe, args...).CombinedOutput()
	return string(out), err
}

func TestRevertsAtDeadline(t *testing.T) {
	t.Parallel()
	file, g := setUp(t)
	p, err := g.Apply(t.Context(), fileChange(file, "", 2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, file, "new")
	if p.Left <= 0 || p.Left > 2*time.Second || p.Applying {
		t.Errorf("pending: %+v", p)
	}
	o, err := g.Wait(t.Context(), p.ID)
	if err != nil || o.Result != Reverted || !strings.Contains(o.Reason, "nobody confirmed") {
		t.Errorf("outcome %+v, %v", o, err)
	}
	waitFor(t, file, "old")
	waitSettled(t, g)
	if err := g.Confirm(t.Context()); !errors.Is(err, ErrNothing) {
		t.Errorf("confirm afterwards: %v", err)
	}
}

func TestRevertsToNothing(t *testing.T) {
	file, g := setUp(t)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Apply(t.Context(), fileChange(file, "", time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := g.Revert(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestKeepsWithoutConfirmation(t *testing.T) {
	file, g := setUp(t)
	for _, unguarded := range []bool{false, true} {
		c := fileChange(file, "", 0)
		c.Unguarded = unguarded
		if p, err := g.Apply(t.Context(), c); p != nil || err != nil {
			t.Fatal(p, err)
		}
		waitFor(t, file, "new")
		waitSettled(t, g)
	}
	entries, err := g.History("file")
	if err != nil || len(entries) != 3 || string(entries[0].Parts[0].Snapshot) != "old" || string(entries[2].Parts[0].Snapshot) != "new" {
		t.Errorf("history %+v, %v", entries, err)
	}
}

func TestRevertsWhatFails(t *testing.T) {
	file, g := setUp(t)
	c := fileChange(file, "", time.Minute)
	broken := errors.New("out of luck")
	apply := c.Apply
	c.Apply = func(ctx context.Context) error { return errors.Join(apply(ctx), broken) }
	if _, err := g.Apply(t.Context(), c); !errors.Is(err, broken) || !errors.Is(err, ErrReverted) {
		t.Error(err)
	}
	waitFor(t, file, "old")
	waitSettled(t, g)
}

func TestRevertsWhenCancelled(t *testing.T) {
	file, g := setUp(t)
	c := fileChange(file, "", time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	apply := c.Apply
	c.Apply = func(ctx context.Context) error { cancel(); return apply(ctx) }
	if _, err := g.Apply(ctx, c); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrReverted) {
		t.Error(err)
	}
	waitFor(t, file, "old")
}

// TestKilled kills the process that makes the change at each step.
func TestKilled(t *testing.T) {
	for _, step := range []string{"apply-save", "apply-begin", "apply-middle", "apply-end"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			file, g := setUp(t)
			if out, err := runRole(t, "apply", file, step, "1m", g.Dir); err == nil {
				t.Fatalf("it lived: %s", out)
			}
			waitSettled(t, g)
			waitFor(t, file, "old")
		})
	}
}

// TestKilledAfter kills the process that made the change when it waits.
func TestKilledAfter(t *testing.T) {
	t.Parallel()
	file, g := setUp(t)
	if out, err := runRole(t, "apply", file, "", "3s", g.Dir); err != nil {
		t.Fatal(out, err)
	}
	waitFor(t, file, "new") // its maker is gone
	waitFor(t, file, "old")
	waitSettled(t, g)
}

// TestGuardKilled kills the holding process at each step, and expects the next
// start to find the old state again.
func TestGuardKilled(t *testing.T) {
	for _, step := range []string{"guard-save", "guard-restore", "guard-restored"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			file, g := setUp(t)
			// With guard-save the guard dies before it can say that all is well.
			_, err := runRole(t, "apply", file, step, "2s", g.Dir)
			if (err != nil) != (step == "guard-save") {
				t.Error(err)
			}
			waitUnlocked(t, g)
			g.Subjects = fileGuard(file, "", g.Dir).Subjects
			o, err := g.Resolve(t.Context())
			if err != nil || o == nil || o.Result != Reverted {
				t.Errorf("%+v, %v", o, err)
			}
			waitFor(t, file, "old")
			waitSettled(t, g)
		})
	}
}

func waitUnlocked(t *testing.T, g *Guard) {
	t.Helper()
	for range 1000 {
		f, ok, err := g.lock(guardLock)
		if err == nil && ok {
			f.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the guard still lives")
}

func TestKillsGuardWhileWaiting(t *testing.T) {
	t.Parallel()
	file, g := setUp(t)
	p, err := g.Apply(t.Context(), fileChange(file, "", time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if o, err := g.Resolve(t.Context()); o != nil || err != nil {
		t.Errorf("a guard that lives was resolved: %+v, %v", o, err)
	}
	if err := syscall.Kill(p.Holder, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitUnlocked(t, g)
	if _, err := g.Apply(t.Context(), fileChange(file, "", 0)); !errors.Is(err, ErrStale) {
		t.Errorf("apply over a stale journal: %v", err)
	}
	if _, err := g.Pending(t.Context()); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
	if _, err := g.Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, file, "old")
}

// TestDiesBetweenCommitAndCleanUp: what is remembered is confirmed, whether or not
// the journal could still be removed.
func TestDiesBetweenCommitAndCleanUp(t *testing.T) {
	file, g := setUp(t)
	if err := g.openDir(); err != nil {
		t.Fatal(err)
	}
	before, _ := g.save(t.Context(), partsOf([]string{"file"}))
	j, err := newJournal(fileChange(file, "", time.Minute), before)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeJSON(g.path(journalName), j); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	after, _ := g.save(t.Context(), partsOf([]string{"file"}))
	if err := g.remember(j, after); err != nil {
		t.Fatal(err)
	}
	if o, err := g.Resolve(t.Context()); err != nil || o == nil || o.Result != Confirmed {
		t.Errorf("%+v, %v", o, err)
	}
	waitFor(t, file, "new")
	waitSettled(t, g)
}

func TestSecondApplyRefused(t *testing.T) {
	t.Parallel()
	file, g := setUp(t)
	c := fileChange(file, "", time.Minute)
	apply := c.Apply
	c.Apply = func(ctx context.Context) error {
		if out, err := runRole(t, "apply", file, "", "1m", g.Dir); err == nil || !strings.Contains(out, ErrBusy.Error()) {
			t.Errorf("meanwhile: %s, %v", out, err)
		}
		return apply(ctx)
	}
	if _, err := g.Apply(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Apply(t.Context(), c); !errors.Is(err, ErrPending) {
		t.Errorf("while one waits: %v", err)
	}
	waitFor(t, file, "new")
	if err := g.Revert(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, file, "old")
}

// TestStopped stops the process that makes the change until its deadline is past:
// once continued it must not go on.
func TestStopped(t *testing.T) {
	t.Parallel()
	file, g := setUp(t)
	exe, _ := os.Executable()
	cmd := exec.Command(exe, "apply", file, "stop:apply-middle", "2s", g.Dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, file, "old")
	waitFor(t, file, "ne")
	waitSettled(t, g)
	waitFor(t, file, "old")
	_ = cmd.Process.Signal(syscall.SIGCONT)
	if err := cmd.Wait(); err == nil {
		t.Error("it went on")
	}
	waitFor(t, file, "old")
}

// TestGuardStopped stops the holding process beyond its deadline.
func TestGuardStopped(t *testing.T) {
	t.Parallel()
	file, g := setUp(t)
	p, err := g.Apply(t.Context(), fileChange(file, "", 2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(p.Holder, syscall.SIGSTOP)
	time.Sleep(2100 * time.Millisecond)
	waitFor(t, file, "new")
	_ = syscall.Kill(p.Holder, syscall.SIGCONT)
	if err := g.Confirm(t.Context()); err == nil {
		t.Error("confirmed after the deadline")
	}
	waitFor(t, file, "old")
	waitSettled(t, g)
}

func TestToldToEnd(t *testing.T) {
	t.Parallel()
	file, g := setUp(t)
	p, err := g.Apply(t.Context(), fileChange(file, "", time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(p.Holder, syscall.SIGKILL)
	waitUnlocked(t, g)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Hold(ctx, p.ID); !errors.Is(err, ErrReverted) {
		t.Error(err)
	}
	waitFor(t, file, "old")
}

func TestFullDisk(t *testing.T) {
	file, g := setUp(t)
	if err := os.Mkdir(g.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", g.Dir, "tmpfs", 0, "size=16k,mode=0700"); err != nil {
		t.Skip("mount:", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(g.Dir, 0) })
	f, err := os.Create(filepath.Join(g.Dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(f, io.LimitReader(zeros{}, 1<<20)); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	f.Close()
	c := fileChange(file, "", time.Minute)
	c.Apply = func(context.Context) error { t.Error("the change was made"); return nil }
	if _, err := g.Apply(t.Context(), c); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if _, err := os.Stat(g.path(journalName)); err == nil {
		t.Error("a journal was left")
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestCannotRestore(t *testing.T) {
	t.Parallel()
	file, g := setUp(t)
	exe, _ := os.Executable()
	missing := filepath.Join(filepath.Dir(file), "no", "file") // the guard's own view of it
	g.Command = []string{exe, "hold", missing, ""}
	p, err := g.Apply(t.Context(), fileChange(file, "", 2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	o, err := g.Wait(t.Context(), p.ID)
	if err != nil || o.Result != Failed {
		t.Errorf("%+v, %v", o, err)
	}
	waitUnlocked(t, g)
	if _, err := g.Resolve(t.Context()); err != nil {
		t.Error(err)
	}
	waitFor(t, file, "old")
}

func TestAnotherBoot(t *testing.T) {
	file, g := setUp(t)
	if err := g.openDir(); err != nil {
		t.Fatal(err)
	}
	j, err := newJournal(fileChange(file, "", time.Minute), []Part{{Kind: "file", Snapshot: []byte("old")}})
	if err != nil {
		t.Fatal(err)
	}
	j.BootID, j.Namespace = "another", "netns-none"
	for _, forget := range []bool{true, false} {
		if err := writeJSON(g.path(journalName), j); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("new"), 0o600); err != nil {
			t.Fatal(err)
		}
		want := "new"
		if forget {
			if done, err := g.Forget(); !done || err != nil {
				t.Error(done, err)
			}
		} else if want = "old"; true {
			if _, err := g.Resolve(t.Context()); err != nil {
				t.Error(err)
			}
		}
		waitFor(t, file, want)
		waitSettled(t, g)
	}
}

func TestAnotherNamespace(t *testing.T) {
	file, g := setUp(t)
	if err := g.openDir(); err != nil {
		t.Fatal(err)
	}
	j, err := newJournal(fileChange(file, "", time.Minute), []Part{{Kind: "file", Snapshot: []byte("old")}})
	if err != nil {
		t.Fatal(err)
	}
	j.Namespace = "netns-none"
	if err := writeJSON(g.path(journalName), j); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Resolve(t.Context()); !errors.Is(err, ErrElsewhere) {
		t.Error(err)
	}
	if _, err := g.Apply(t.Context(), fileChange(file, "", 0)); !errors.Is(err, ErrElsewhere) {
		t.Error(err)
	}
}

func TestHistoryKeepsTen(t *testing.T) {
	file, g := setUp(t)
	for i := range 14 {
		c := Change{Kinds: []string{"file"}, Title: strconv.Itoa(i), Unguarded: true, Apply: func(context.Context) error {
			return os.WriteFile(file, []byte(strconv.Itoa(i)), 0o600)
		}}
		if _, err := g.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := g.History("file")
	if err != nil || len(entries) != keep {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	var titles []string
	for _, e := range entries {
		titles = append(titles, e.Title)
	}
	if want := strings.Fields("4 5 6 7 8 9 10 11 12 13"); !slices.Equal(titles, want) {
		t.Error(titles)
	}
	files, _ := filepath.Glob(g.path("confirmed/*.json"))
	if len(files) != keep {
		t.Error(files)
	}
	if e, ok, err := g.Latest("file"); !ok || err != nil || string(e.Parts[0].Snapshot) != "13" {
		t.Error(e, ok, err)
	}
}
