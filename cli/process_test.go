package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"syscall"
	"testing"

	"wirelab/cli/clitest"
	"wirelab/cli/look"
	"wirelab/cli/serve"
	"wirelab/internal/require"
	"wirelab/observe"
	"wirelab/server/tcp"
)

// A runningServer is a server as a user has it: a process of its own.
type runningServer struct {
	t      *testing.T
	dir    string   // its working directory
	env    []string // with which others find its control socket
	addr   string   // where it listens
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

// startServer runs wirelab with args on a free port, until the test ends; then it has
// to drain and to end with status 0.
func startServer(t *testing.T, args ...string) *runningServer {
	t.Helper()
	s := &runningServer{t: t, dir: t.TempDir(), env: clitest.Env(t)}
	s.cmd = s.command(append(args, "--port", "0", "-o", "json")...)
	s.start()
	return s
}

// start runs s.cmd, a server with JSON output, and learns its address.
func (s *runningServer) start() {
	t := s.t
	t.Helper()
	s.cmd.Stderr = &s.stderr
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(stdout)
	t.Cleanup(func() { s.stop(out) })
	var first serve.Listening
	line, err := out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &first)
	}
	if err != nil || first.Event != "listening" {
		t.Fatalf("%s begins with %q: %v\n%s", s.cmd, line, err, &s.stderr)
	}
	if first.EngineNote != "" {
		t.Errorf("%s: engine %s serves: %s", s.cmd, first.Engine, first.EngineNote)
	}
	s.addr = first.Addr
}

func (s *runningServer) stop(out io.Reader) {
	s.cmd.Process.Signal(syscall.SIGTERM)
	rest, _ := io.ReadAll(out)
	if err := s.cmd.Wait(); err != nil || !bytes.Contains(rest, []byte(`"event":"stopped"`)) {
		s.t.Errorf("%s: %v\n%s%s", s.cmd, err, rest, &s.stderr)
	}
}

// command returns a wirelab that is not yet running and has the server's environment.
func (s *runningServer) command(args ...string) *exec.Cmd {
	cmd := exec.Command(require.Program(s.t, "wirelab"), args...) // TestMain puts it into PATH
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

// processes returns what ps shows.
func (s *runningServer) processes() look.Report {
	s.t.Helper()
	out, err := s.command("ps", "-o", "json").Output()
	var report look.Report
	if err == nil {
		err = json.Unmarshal(out, &report)
	}
	if err != nil {
		s.t.Fatalf("wirelab ps: %v\n%s", err, out)
	}
	return report
}

// tcp returns what ps shows of the server.
func (s *runningServer) tcp() tcp.Status {
	s.t.Helper()
	return tcpOf(s.t, s.processes().Processes[0])
}

// tcpOf returns the first section of a status, of a TCP server.
func tcpOf(t *testing.T, st observe.Status) tcp.Status {
	t.Helper()
	if err := st.Decode(statusKinds()); err != nil {
		t.Fatal(err)
	}
	return st.Sections[0].Body.(tcp.Status)
}
