package cli

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The files testdata/script/*.txt try the command line as a user does; each
// runs in a directory of its own, with an XDG_RUNTIME_DIR of its own. Beside the
// commands of testscript (exec, stdin, stdout, stderr, cmp, grep, kill, wait, …;
// https://pkg.go.dev/github.com/rogpeppe/go-internal/testscript) there are:
//
//	wirelab ARG...        run wirelab; "! wirelab" where it must fail
//	exits N PROGRAM ARG…  run a program, which must end with exit status N
//	waitfile FILE [N]     wait until FILE has N complete lines (one), as --ready-file writes
//	address VAR FILE NET  set $VAR, $VAR_HOST and $VAR_PORT to the address that the line of
//	                      network NET (tcp, udp) in a ready file says
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
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup:              setUpScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    scriptExits,
			"waitfile": scriptWaitFile,
			"address":  scriptAddress,
		},
	})
}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"wirelab": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

func setUpScript(env *testscript.Env) error {
	runtime := filepath.Join(env.WorkDir, ".run")
	env.Setenv("XDG_RUNTIME_DIR", runtime)
	env.Setenv("HOME", env.WorkDir)
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
	// A file of another process announces nothing: looking again is all there is.
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if content, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && strings.Count(string(content), "\n") >= lines {
			return
		}
	}
	ts.Fatalf("%s has not got %d lines", args[0], lines)
}

func scriptAddress(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: address VARIABLE FILE NETWORK")
	}
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		var ready struct{ Network, Addr string }
		ts.Check(json.Unmarshal([]byte(line), &ready))
		if ready.Network != args[2] {
			continue
		}
		host, port, err := net.SplitHostPort(ready.Addr)
		ts.Check(err)
		ts.Setenv(args[0], ready.Addr)
		ts.Setenv(args[0]+"_HOST", host)
		ts.Setenv(args[0]+"_PORT", port)
		return
	}
	ts.Fatalf("%s has no line of network %s", args[1], args[2])
}
