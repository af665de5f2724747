package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"wirelab/internal/require"
	"wirelab/internal/sys"
)

// TestServeWithoutRuntimeDir serves as in a fresh container: without XDG_RUNTIME_DIR,
// and with a /tmp that nobody has used.
func TestServeWithoutRuntimeDir(t *testing.T) {
	freshContainer(t, `
mount -t tmpfs -o mode=1777 wirelab-test /tmp && cd /tmp || exit 77
wirelab() { exec -a wirelab /proc/self/fd/3 "$@"; }
(wirelab serve tcp --port 0 --ready-file ready) &
for try in {1..1000}; do
	if [ -e ready ] || ! kill -0 $!; then break; fi
	sleep 0.02
done
(wirelab ps)
kill $! && wait $! && rmdir /tmp/wirelab-0 # which nothing is left in`, "wirelab serve tcp --port 0")
}

// TestServeWhereAnotherUserWasFirst serves where the directory in /tmp is somebody
// else's, and where there is no safe place at all.
func TestServeWhereAnotherUserWasFirst(t *testing.T) {
	const serve = `
mount -t tmpfs -o mode=1777 wirelab-test /tmp && mount -t tmpfs -o mode=755 wirelab-test /run && cd /tmp || exit 77
mkdir -m 700 /tmp/wirelab-0 && chown 61234 /tmp/wirelab-0 || exit 77
wirelab() { exec -a wirelab /proc/self/fd/3 "$@"; }
`
	const rest = `
(wirelab serve tcp --port 0 --ready-file ready) &
for try in {1..1000}; do
	if [ -e ready ] || ! kill -0 $!; then break; fi
	sleep 0.02
done
(wirelab ps)
kill $! && wait $!`
	freshContainer(t, serve+rest, "wirelab serve tcp --port 0")
	freshContainer(t, serve+"mkdir -m 777 /run/wirelab-control"+rest, "no control socket, so that ps does not show this process")
}

// TestPsFindsWhoHasARuntimeDir asks without XDG_RUNTIME_DIR for a server with one.
func TestPsFindsWhoHasARuntimeDir(t *testing.T) {
	freshContainer(t, `
mount -t tmpfs -o mode=1777 wirelab-test /tmp && mkdir -m 700 /tmp/run && cd /tmp || exit 77
wirelab() { exec -a wirelab /proc/self/fd/3 "$@"; }
(XDG_RUNTIME_DIR=/tmp/run wirelab serve tcp --port 0 --ready-file ready) &
for try in {1..1000}; do
	if [ -e ready ] || ! kill -0 $!; then break; fi
	sleep 0.02
done
(wirelab ps)
kill $! && wait $! && rmdir /tmp/wirelab-0 /tmp/run/wirelab`, "wirelab serve tcp --port 0")
}

// freshContainer runs a script as root in mounts of its own, without XDG_RUNTIME_DIR. It
// must print want. The program comes as descriptor 3, because /tmp may be another one.
func freshContainer(t *testing.T, script, want string) {
	t.Helper()
	require.Root(t)
	program, err := os.Open(require.Program(t, "wirelab"))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	cmd := exec.Command(require.Program(t, "bash"), "-c", script)
	cmd.Dir, cmd.ExtraFiles = "/", []*os.File{program}
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR=", "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput() // the mount ends with the last process
	var exit *exec.ExitError
	if errors.Is(err, syscall.EPERM) || errors.As(err, &exit) && exit.ExitCode() == 77 { // root, but in a container
		require.Supported(t, fmt.Errorf("a /tmp of its own: %w (%w)", sys.ErrNotPermitted, err))
	}
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v\n%s", err, out)
	}
}
