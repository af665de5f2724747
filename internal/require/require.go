// Package require states what a test needs of the machine it runs on, and
// what it must leave behind. Only test files import it.
//
// A need that is not met skips the test, for a typed Reason alone: a program that
// is not installed, a privilege that the process lacks, a kernel that cannot. Any
// other failure fails the test. With WIRELAB_STRICT=1 in the environment, as
// .ci/run sets it, a skip is a failure too, so that a machine meant to run every
// test cannot quietly run fewer.
package require

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"wirelab/internal/sys"
)

// A Reason is why a test cannot run on this machine.
type Reason string

// The only reasons for which a test may be skipped.
const (
	ProgramMissing Reason = "program missing"
	NotRoot        Reason = "not root"
	NotPermitted   Reason = "not permitted"
	Unsupported    Reason = "not supported here"
)

// Unmet is a need of a test that this machine does not meet.
type Unmet struct {
	Reason Reason
	Need   string // what was needed, or the operation that failed
	Err    error  // the cause, if there is one
}

func (u *Unmet) Error() string {
	if u.Err == nil {
		return fmt.Sprintf("%s: %s", u.Reason, u.Need)
	}
	return fmt.Sprintf("%s: %s: %v", u.Reason, u.Need, u.Err)
}

// Unwrap returns the cause.
func (u *Unmet) Unwrap() error { return u.Err }

// strictVariable names the environment variable that turns skips into failures.
const strictVariable = "WIRELAB_STRICT"

// skip ends the test: skipped for u, or failed where nothing may be skipped.
func skip(t testing.TB, u *Unmet) {
	t.Helper()
	if os.Getenv(strictVariable) == "1" {
		t.Fatalf("%v (%s=1 forbids to skip)", u, strictVariable)
	}
	t.Skip(u)
}

// soakVariable names the environment variable that asks for tests in full; `make soak`
// sets it.
const soakVariable = "WIRELAB_SOAK"

// Volume returns how much of something a test is to do: usual, which shows what there is
// to show, or full where there is time for what comes once in many thousand times.
func Volume(usual, full int) int {
	if os.Getenv(soakVariable) == "1" {
		return full
	}
	return usual
}

// Program returns the path of the program with that name; the test is skipped
// if there is none. `make test` as root installs the programs that tests talk to.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		skip(t, &Unmet{Reason: ProgramMissing, Need: name, Err: err})
	}
	return path
}

// Python returns the path of a Python interpreter that can import all the
// modules; the test is skipped if there is none. Debian's modules, such as scapy,
// belong to /usr/bin/python3, which need not be the first python3 of PATH.
func Python(t testing.TB, modules ...string) string {
	t.Helper()
	program := "import sys, importlib\nfor m in sys.argv[1:]: importlib.import_module(m)"
	var cause error
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		path, err := exec.LookPath(name)
		if err == nil {
			err = exec.Command(path, append([]string{"-c", program}, modules...)...).Run()
		}
		if err == nil {
			return path
		}
		cause = errors.Join(cause, err)
	}
	skip(t, &Unmet{Reason: ProgramMissing, Need: fmt.Sprintf("python3 with modules %v", modules), Err: cause})
	return ""
}

// Root skips the test unless the process runs as root. That is not enough for
// each privileged call: in a container root may lack it, see Supported.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, &Unmet{Reason: NotRoot, Need: "effective user id 0"})
	}
}

// Supported skips the test if err says that the kernel cannot do what was
// asked (sys.ErrUnsupported) or that this process may not (sys.ErrNotPermitted),
// and fails it for any other error. A nil err lets the test go on.
func Supported(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, sys.ErrUnsupported):
		skip(t, &Unmet{Reason: Unsupported, Need: "the system call", Err: err})
	case errors.Is(err, sys.ErrNotPermitted):
		skip(t, &Unmet{Reason: NotPermitted, Need: "the system call", Err: err})
	default:
		t.Fatal(err)
	}
}
