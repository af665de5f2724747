// Package child runs a program as a child of this process: it ends with its parent,
// is ready when it has printed its first line, and is watched while it works.
package child

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"wirelab/internal/sys/process"
)

// startTime bounds how long a program may take until its first line.
const startTime = 10 * time.Second

// A Process is a program that runs.
type Process struct {
	FirstLine []byte // without its end; it belongs to the caller

	cmd    *exec.Cmd
	stdout *firstLine
	stderr bytes.Buffer
	ended  chan struct{} // closed when the process has ended and was waited for
}

// A StartError is why a program ended before its first line.
type StartError struct {
	Words string // its last ones on stderr; "" if it said nothing
	State string // how it ended, in the words of the system
}

func (e *StartError) Error() string {
	if e.Words == "" {
		return "it ended at its start (" + e.State + ")"
	}
	return e.Words
}

// Start runs a program with args in dir, where env is all of its environment, and
// returns when it has printed its first line to stdout. The caller ends it with Stop. Its
// error is a *StartError if the program ended instead.
func Start(ctx context.Context, program, dir string, env, args []string) (*Process, error) {
	p := &Process{cmd: exec.Command(program, args...), stdout: newFirstLine(), ended: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = dir, env
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, &p.stderr
	p.cmd.SysProcAttr = process.OwnedChild()
	p.cmd.WaitDelay = time.Second // for children of its own that hold its output open
	started := make(chan error, 1)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, err
	}
	if err := p.await(ctx); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// run starts the process and waits for it on one thread, with which it would end.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.ended)
	err := p.cmd.Start()
	started <- err
	if err == nil {
		_ = p.cmd.Wait() // how it ended matters only to who still waits for its first line
	}
}

// await waits for the first line.
func (p *Process) await(ctx context.Context) error {
	late := time.NewTimer(startTime)
	defer late.Stop()
	select {
	case p.FirstLine = <-p.stdout.line:
		return nil
	case <-p.ended:
		return &StartError{Words: p.lastWords(), State: p.cmd.ProcessState.String()}
	case <-late.C:
		return fmt.Errorf("%s is not ready after %v", p.cmd.Path, startTime)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lastWords returns the last line on stderr.
func (p *Process) lastWords() string {
	lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// Usage returns what the process has used so far.
func (p *Process) Usage() (process.Usage, error) { return process.ReadUsage(p.cmd.Process.Pid) }

// Stop ends the process at once, and waits for it. It may be called again.
func (p *Process) Stop() {
	_ = p.cmd.Process.Kill() // fails only if it has ended
	<-p.ended
}

// A process is taken to rest when it used less than restCPU in each of restTimes
// parts of restPart. If it never does, it is taken as it is after restLimit.
const (
	restPart  = 25 * time.Millisecond
	restTimes = 6
	restCPU   = time.Millisecond
	restLimit = 10 * time.Second
)

// Rest waits until the process rests, and returns what it holds then. A process
// tells nobody that it has done all there was to do; its processor clock does.
func (p *Process) Rest(ctx context.Context) (process.Usage, error) {
	tick := time.NewTicker(restPart)
	defer tick.Stop()
	last, err := p.Usage()
	for parts, quiet := 0, 0; err == nil && quiet < restTimes && parts < int(restLimit/restPart); parts++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return last, context.Cause(ctx)
		}
		now, err := p.Usage()
		if err != nil {
			return now, err
		}
		quiet++
		if now.CPU-last.CPU >= restCPU {
			quiet = 0
		}
		last = now
	}
	return last, err
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
