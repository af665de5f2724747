package cli

import (
	"errors"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"wirelab/cli/clitest"
	"wirelab/cli/term"
	"wirelab/internal/require"
)

// A process that has been stopped is shown as such, soon, and with status 1.
func TestPsOfAStoppedProcess(t *testing.T) {
	s := startServer(t, "serve", "tcp")
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer s.cmd.Process.Signal(syscall.SIGCONT)
	begun := time.Now()
	out, err := s.command("ps").CombinedOutput()
	if took := time.Since(begun); took > 7*time.Second { // two, and what a busy machine adds
		t.Errorf("it took %v", took)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != term.ExitFailed {
		t.Errorf("%v", err)
	}
	if text := string(out); !strings.Contains(text, "does not answer stopped") || !strings.Contains(text, "kill -CONT") || strings.Contains(text, "No wirelab") {
		t.Errorf("after %v:\n%s", time.Since(begun), text)
	}
}

// A server that has no descriptor left can be asked and told to end a connection.
func TestPsWithoutDescriptors(t *testing.T) {
	for _, engine := range []string{"goroutine", "thread", "epoll", "uring"} {
		t.Run(engine, func(t *testing.T) {
			s := &runningServer{t: t, dir: t.TempDir(), env: clitest.Env(t)}
			s.cmd = exec.Command(require.Program(t, "bash"), "-c", `ulimit -n 64 && exec "$@"`, "bash",
				require.Program(t, "wirelab"), "serve", "tcp", "--engine", engine, "--port", "0", "-o", "json")
			s.cmd.Dir, s.cmd.Env = s.dir, s.env
			s.start()
			var conns []net.Conn
			for range 100 {
				c, err := net.Dial("tcp", s.addr)
				if err != nil {
					t.Fatal(err)
				}
				conns = append(conns, c)
			}
			t.Cleanup(func() {
				for _, c := range conns {
					c.Close()
				}
			})
			for end := time.Now().Add(20 * time.Second); s.tcp().Refused["max_conns"] == 0; {
				if time.Now().After(end) {
					t.Fatalf("connections have taken all descriptors: %+v", s.tcp())
				}
			}
			for range 5 {
				s.processes()
			}
			if out, err := s.command("ps", "--kick", "1").CombinedOutput(); err != nil || !strings.Contains(string(out), "was ended") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
