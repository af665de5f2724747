package require

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"wirelab/internal/sys"
)

// outcome is how a test ended.
type outcome string

const (
	passed  outcome = "passed"
	skipped outcome = "skipped"
	failed  outcome = "failed"
)

// recorder is a testing.TB that keeps how it ended instead of ending a test.
type recorder struct {
	testing.TB
	outcome  outcome
	said     string
	cleanups []func()
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Failed() bool     { return r.outcome == failed }

func (r *recorder) Errorf(format string, args ...any) {
	r.outcome, r.said = failed, fmt.Sprintf(format, args...)
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

func (r *recorder) Skip(args ...any) {
	r.outcome, r.said = skipped, fmt.Sprint(args...)
	runtime.Goexit()
}

// record runs test to its end, cleanups included.
func record(test func(testing.TB)) *recorder {
	r := &recorder{outcome: passed}
	run(func() { test(r) })
	for _, cleanup := range r.cleanups {
		run(cleanup)
	}
	return r
}

// run calls f on a goroutine of its own, which f may end.
func run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func TestNeeds(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	python := passed
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		python = skipped
	}
	tests := []struct {
		name string
		need func(testing.TB)
		want outcome
		says string
	}{
		{"no such program", func(t testing.TB) { Program(t, "ncat") }, skipped, "program missing: ncat"},
		{"program", func(t testing.TB) { Program(t, "/bin/sh") }, passed, ""},
		{"no such python module", func(t testing.TB) { Python(t, "no_such_module") }, skipped, "program missing: python3 with modules [no_such_module]"},
		{"python module", func(t testing.TB) { Python(t, "socket", "struct") }, python, ""},
		{"supported", func(t testing.TB) { Supported(t, nil) }, passed, ""},
		{"unsupported", func(t testing.TB) { Supported(t, fmt.Errorf("ring: %w", sys.ErrUnsupported)) }, skipped, "not supported here: the system call: ring"},
		{"not permitted", func(t testing.TB) { Supported(t, fmt.Errorf("ring: %w", sys.ErrNotPermitted)) }, skipped, "not permitted: the system call: ring"},
		{"broken", func(t testing.TB) { Supported(t, errors.New("ring: bad")) }, failed, "ring: bad"},
	}
	for _, strict := range []string{"", "1"} {
		t.Setenv(strictVariable, strict)
		for _, tt := range tests {
			want := tt.want
			if strict == "1" && want == skipped {
				want = failed
			}
			t.Run(tt.name+" strict="+strict, func(t *testing.T) {
				got := record(tt.need)
				if got.outcome != want || !strings.HasPrefix(got.said, tt.says) {
					t.Errorf("%s, %q; want %s, %q", got.outcome, got.said, want, tt.says)
				}
			})
		}
	}
}

func TestRoot(t *testing.T) {
	t.Setenv(strictVariable, "")
	want := skipped
	if os.Geteuid() == 0 {
		want = passed
	}
	if got := record(Root); got.outcome != want {
		t.Errorf("%s, %q; want %s", got.outcome, got.said, want)
	}
}

func TestUnmetUnwraps(t *testing.T) {
	var err error = &Unmet{Reason: Unsupported, Need: "uring", Err: sys.ErrUnsupported}
	if !errors.Is(err, sys.ErrUnsupported) {
		t.Errorf("%v does not lead to its cause", err)
	}
}

func TestStrictIsExactlyOne(t *testing.T) {
	t.Setenv(strictVariable, "0")
	missing := filepath.Join(t.TempDir(), "missing")
	if got := record(func(t testing.TB) { Program(t, missing) }); got.outcome != skipped {
		t.Errorf("%s=0: %s, %q", strictVariable, got.outcome, got.said)
	}
}

func TestVolume(t *testing.T) {
	for soak, want := range map[string]int{"": 1, "0": 1, "1": 2} {
		t.Setenv(soakVariable, soak)
		if got := Volume(1, 2); got != want {
			t.Errorf("%s=%s: %d", soakVariable, soak, got)
		}
	}
}
