package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"wirelab/internal/sys/process"
)

// serverStartTime bounds how long a server of our own may take until it listens.
const serverStartTime = 10 * time.Second

// A serverProcess is a wirelab that runs a server, as a child of this one. It has
// a directory of its own, so that no configuration of the user reaches it.
type serverProcess struct {
	listening struct{ Addr, Engine string } // of its first line
	addr      netip.AddrPort
	cmd       *exec.Cmd
	stdout    *firstLine
	stderr    bytes.Buffer
	dir       string
	ended     chan struct{} // closed when the process has ended and was waited for
}

// startServer starts `wirelab serve ARG...` on a free port of 127.0.0.1 and returns
// when it listens. The caller stops it. If it refuses, the error is what it said.
func (a *app) startServer(ctx context.Context, args ...string) (*serverProcess, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "wirelab-")
	if err != nil {
		return nil, err
	}
	args = append([]string{"serve"}, args...)
	args = append(args, "--bind", "127.0.0.1", "--port", "0", "-o", "json", "--control", filepath.Join(dir, "control.sock"))
	s := &serverProcess{cmd: exec.Command(program, args...), dir: dir, stdout: newFirstLine(), ended: make(chan struct{})}
	s.cmd.Dir, s.cmd.Env = dir, serverEnvironment(a.Environ)
	s.cmd.Stdout, s.cmd.Stderr = s.stdout, &s.stderr
	s.cmd.SysProcAttr = process.OwnedChild()
	started := make(chan error, 1)
	go s.run(started)
	if err := <-started; err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	if err := s.await(ctx); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// serverEnvironment takes away from the environment what sets keys.
func serverEnvironment(environ []string) []string {
	var kept []string
	for _, v := range environ {
		if !strings.HasPrefix(v, "WIRELAB_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// run starts the process and waits for it on one thread, with which it would end.
func (s *serverProcess) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(s.ended)
	err := s.cmd.Start()
	started <- err
	if err == nil {
		s.cmd.Wait() // how it ended matters only to who still waits for its first line
	}
}

// await reads the server's first line.
func (s *serverProcess) await(ctx context.Context) error {
	late := time.NewTimer(serverStartTime)
	defer late.Stop()
	select {
	case line := <-s.stdout.line:
		if err := json.Unmarshal(line, &s.listening); err != nil {
			return fmt.Errorf("the server's first line is not understood: %w", err)
		}
		addr, err := netip.ParseAddrPort(s.listening.Addr)
		s.addr = addr
		return err
	case <-s.ended:
		return errors.New(s.lastWords())
	case <-late.C:
		return fmt.Errorf("the server does not listen after %v", serverStartTime)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lastWords returns what a server that has ended said why.
func (s *serverProcess) lastWords() string {
	for line := range strings.Lines(s.stderr.String()) {
		if words, ours := strings.CutPrefix(strings.TrimSpace(line), "wirelab: "); ours {
			return words
		}
	}
	return fmt.Sprintf("the server ended at its start (%v)", s.cmd.ProcessState)
}

// usage returns what the server has used so far.
func (s *serverProcess) usage() (process.Usage, error) {
	return process.ReadUsage(s.cmd.Process.Pid)
}

// stop ends the server at once, waits for it, and removes what it left.
func (s *serverProcess) stop() {
	s.cmd.Process.Kill() // fails only if it has ended
	<-s.ended
	os.RemoveAll(s.dir)
}

// A firstLine is a writer that hands over the first line written to it and
// forgets the rest.
type firstLine struct {
	line chan []byte // of one line
	mu   sync.Mutex
	part []byte
	done bool
}

// maxFirstLine bounds what is kept of a line without an end.
const maxFirstLine = 64 << 10

func newFirstLine() *firstLine { return &firstLine{line: make(chan []byte, 1)} }

func (w *firstLine) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return len(b), nil
	}
	line, _, found := bytes.Cut(b, []byte("\n"))
	w.part = append(w.part, line...)
	if found || len(w.part) > maxFirstLine {
		w.line <- w.part
		w.part, w.done = nil, true
	}
	return len(b), nil
}
