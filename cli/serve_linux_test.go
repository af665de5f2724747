package cli

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"wirelab/cli/clitest"
	"wirelab/internal/require"
	"wirelab/observe"
	"wirelab/server/tcp"
)

// TestThreadsOfAUserWithFew makes more connections to a thread server than its user
// may have threads: it refuses some, and stays. The program is in a directory that this
// user may not enter, and so it comes as descriptor 3.
func TestThreadsOfAUserWithFew(t *testing.T) {
	require.Root(t)
	const user, script = "61234", // nobody else is that user
		`ulimit -u 600 && exec -a wirelab /proc/self/fd/3 serve tcp --engine thread --port 0 --control control/sock -o json`
	program, err := os.Open(require.Program(t, "wirelab"))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	s := &runningServer{t: t, dir: userDir(t, 61234), env: clitest.Env(t)}
	s.cmd = exec.Command(require.Program(t, "setpriv"), "--reuid", user, "--regid", user, "--clear-groups", require.Program(t, "bash"), "-c", script)
	s.cmd.Dir, s.cmd.Env, s.cmd.ExtraFiles = s.dir, s.env, []*os.File{program}
	s.start() // and it must end well
	const clients = 650
	for range clients {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		st, err := observe.QueryStatus(t.Context(), filepath.Join(s.dir, "control/sock"))
		if err != nil {
			t.Fatal(err)
		}
		if all := tcpOf(t, st); all.Accepted > 0 && all.Accepted+all.Refused["max_conns"] == clients && haveThreads(all.Connections) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%+v", st)
		}
	}
}

func haveThreads(conns []tcp.Connection) bool {
	return !slices.ContainsFunc(conns, func(c tcp.Connection) bool { return c.Thread == 0 })
}

// userDir returns a directory that belongs to that user.
func userDir(t *testing.T, user int) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wirelab-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, user, user); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestRoomForConnections sees that a server's table of descriptors (FDSize of
// proc_pid_status(5)) has room for all connections before the first one comes.
func TestRoomForConnections(t *testing.T) {
	const most = 3000
	s := startServer(t, "serve", "tcp", "--max-conns", strconv.Itoa(most))
	status, err := os.ReadFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "FDSize:")
	line, _, _ := strings.Cut(rest, "\n")
	if room, err := strconv.Atoi(strings.TrimSpace(line)); err != nil || room < most {
		t.Errorf("room for %d descriptors, %d connections may come (%v)", room, most, err)
	}
}
