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
// and with a /tmp that nobody has used. The program itself is in the old /tmp, and so it
// comes as descriptor 3.
func TestServeWithoutRuntimeDir(t *testing.T) {
	require.Root(t)
	const script = `
mount -t tmpfs -o mode=1777 wirelab-test /tmp && cd /tmp || exit 77
wirelab() { exec -a wirelab /proc/self/fd/3 "$@"; }
(wirelab serve tcp --port 0 --ready-file ready) &
for try in {1..1000}; do
	if [ -e ready ] || ! kill -0 $!; then break; fi
	sleep 0.02
done
(wirelab ps)
kill $! && wait $! && rmdir /tmp/wirelab-0 # which nothing is left in`
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
	if err != nil || !strings.Contains(string(out), "wirelab serve tcp --port 0") {
		t.Errorf("%v\n%s", err, out)
	}
}
