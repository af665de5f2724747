// Package clitest runs the command line as a user does: as scripts, and as processes.
package clitest

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Scripts runs the files testdata/script/*.txt, which try the command line as a user does;
// each runs in a directory of its own, with an XDG_RUNTIME_DIR of its own. Beside the
// commands of testscript (exec, stdin, stdout, stderr, cmp, grep, kill, wait, …;
// https://pkg.go.dev/github.com/rogpeppe/go-internal/testscript) there are:
//
//	wirelab ARG...        run wirelab; "! wirelab" where it must fail
//	exits N PROGRAM ARG…  run a program, which must end with exit status N
//	waitfile FILE [N]     wait until FILE has N complete lines (one), as --ready-file writes
//	waitmatch REGEXP FILE wait until FILE has a line that matches
//	address VAR FILE NET  set $VAR, $VAR_HOST and $VAR_PORT to the address that the line of
//	                      network NET (tcp, udp) in a ready file says
//	signal NAME,... FILE  send HUP, INT or TERM, or several of them at once, to the server
//	                      that wrote the ready file
//
// A server in the background:
//
//	wirelab serve tcp --port 0 --ready-file ready &server&
//	waitfile ready
//	address TCP ready tcp
//	stdin hello.txt
//	wirelab connect tcp $TCP
//	cmp stdout hello.txt
//	kill -INT server
//	wait server
//
// Whether a program in the background must fail is said where it begins ("!
// wirelab … &name&"). To look at what it has written while it still runs, redirect
// it: exec sh -c 'exec wirelab … 2>err.txt' &name&, then waitmatch … err.txt.
func Scripts(t *testing.T) {
	t.Helper()
	params := Params()
	params.Dir = "testdata/script"
	testscript.Run(t, params)
}

// Params returns what all scripts have in common.
func Params() testscript.Params {
	return testscript.Params{
		RequireUniqueNames: true,
		Setup:              SetUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     scriptExits,
			"waitfile":  scriptWaitFile,
			"address":   scriptAddress,
			"signal":    scriptSignal,
			"waitmatch": scriptWaitMatch,
		},
	}
}

// Main runs the tests of a package, for which the program wirelab is in PATH, with that
// main function: it is the test's own, so that the race detector watches it too.
func Main(m *testing.M, main func()) {
	if signal.Ignored(os.Interrupt) { // as a shell begins programs with &; they would hand it on to those they begin
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	}
	testscript.Main(m, map[string]func(){"wirelab": main})
}

// Env returns an environment in which no wirelab runs yet.
func Env(t *testing.T) []string {
	t.Helper()
	runtime, err := os.MkdirTemp("", "wirelab-test-") // t.TempDir would be too long a path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(runtime) })
	// The race detector would sleep a second at the end of each command.
	return append(os.Environ(), "XDG_RUNTIME_DIR="+runtime, "GORACE=atexit_sleep_ms=0")
}

// SetUp prepares the directory and the environment of a script.
func SetUp(env *testscript.Env) error {
	runtime := filepath.Join(env.WorkDir, ".run")
	env.Setenv("XDG_RUNTIME_DIR", runtime)
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("GORACE", "atexit_sleep_ms=20") // a thousand, else, in every process
	return os.Mkdir(runtime, 0o700)
}

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM ARG...")
	}
	status := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		status = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("the exit status is %d, not %s", status, args[0])
	}
}

func scriptWaitFile(ts *testscript.TestScript, neg bool, args []string) {
	lines := 1
	if len(args) == 2 {
		var err error
		lines, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: waitfile FILE [LINES]")
	}
	waitContent(ts, args[0], func(content string) bool { return strings.Count(content, "\n") >= lines })
}

func scriptWaitMatch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitmatch REGEXP FILE")
	}
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	waitContent(ts, args[1], re.MatchString)
}

// waitContent waits until the file has what is wanted. A file of another process
// announces nothing: looking again is all there is.
func waitContent(ts *testscript.TestScript, file string, wanted func(content string) bool) {
	var content []byte
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var err error
		if content, err = os.ReadFile(ts.MkAbs(file)); err == nil && wanted(string(content)) {
			return
		}
	}
	ts.Fatalf("%s does not get what is awaited; it holds:\n%s", file, content)
}

// readyLine is what a script needs of a line of a ready file.
type readyLine struct {
	Network, Addr string
	PID           int
}

func readReady(ts *testscript.TestScript, file string) []readyLine {
	var ready []readyLine
	for line := range strings.Lines(ts.ReadFile(file)) {
		var r readyLine
		ts.Check(json.Unmarshal([]byte(line), &r))
		ready = append(ready, r)
	}
	return ready
}

func scriptAddress(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: address VARIABLE FILE NETWORK")
	}
	for _, r := range readReady(ts, args[1]) {
		if r.Network != args[2] {
			continue
		}
		host, port, err := net.SplitHostPort(r.Addr)
		ts.Check(err)
		ts.Setenv(args[0], r.Addr)
		ts.Setenv(args[0]+"_HOST", host)
		ts.Setenv(args[0]+"_PORT", port)
		return
	}
	ts.Fatalf("%s has no line of network %s", args[1], args[2])
}

func scriptSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM}
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal HUP|INT|TERM[,...] FILE")
	}
	ready := readReady(ts, args[1])
	if len(ready) == 0 || ready[0].PID <= 1 {
		ts.Fatalf("%s names no process", args[1])
	}
	for name := range strings.SplitSeq(args[0], ",") {
		if signals[name] == 0 {
			ts.Fatalf("no signal %q", name)
		}
		if err := syscall.Kill(ready[0].PID, signals[name]); err != syscall.ESRCH || name == args[0] {
			ts.Check(err) // the first of several may have ended it
		}
		time.Sleep(2 * time.Millisecond) // the system makes one of two that come before the first is taken
	}
}
