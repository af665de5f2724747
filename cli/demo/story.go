package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"wirelab/cli/term"
	"wirelab/internal/human"
	"wirelab/lab"
)

// A Step is one thing that was tried, as -o json shows it.
type Step struct {
	Say      string `json:"say"`               // what it shows
	Host     string `json:"host,omitempty"`    // on which of the two the command runs
	Command  string `json:"command,omitempty"` // what a person types for the same
	Expected string `json:"expected"`
	Found    string `json:"found"`
	Holds    bool   `json:"holds"`
	Skipped  string `json:"skipped,omitempty"` // why it was not tried
}

// A Test is one of the tests of the demonstration.
type Test struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Steps []Step `json:"steps"`
	Holds bool   `json:"holds"`
}

// A story runs tests on a pair of hosts and tells of them.
type story struct {
	*term.Console
	ctx     context.Context
	pair    *lab.Pair
	program string
	dir     string // where all programs run
	test    *Test
	running []*program
}

// commandTime bounds a command of the demonstration.
const commandTime = 30 * time.Second

// say tells what comes next.
func (s *story) say(format string, args ...any) {
	if s.JSON {
		return
	}
	fmt.Fprintln(s.Stdout)
	for _, line := range human.Wrap(fmt.Sprintf(format, args...), 76) {
		fmt.Fprintln(s.Stdout, "  "+line)
	}
}

// showCommand shows what is typed on a host.
func (s *story) showCommand(host *lab.Host, command string) {
	if s.JSON {
		return
	}
	c := s.Colors(s.Stdout)
	indent := strings.Repeat(" ", len(host.Name)+4)
	for i, line := range wrapCommand(command, 76-len(indent)) {
		if i == 0 {
			fmt.Fprintln(s.Stdout, "  "+c.Dim(host.Name+"$ ")+c.Bold(line))
		} else {
			fmt.Fprintln(s.Stdout, indent+c.Bold(line))
		}
	}
}

// quote shows some lines of what a command printed.
func (s *story) quote(text string, most int) {
	if s.JSON {
		return
	}
	c := s.Colors(s.Stdout)
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\n"); strings.TrimSpace(line) == "" {
			continue
		}
		if most--; most < 0 {
			return
		}
		fmt.Fprintln(s.Stdout, "    "+c.Dim(term.Cut(term.OneLine(line), 74)))
	}
}

// check notes what a step was to show and what it showed.
func (s *story) check(step Step) {
	s.test.Steps = append(s.test.Steps, step)
	s.test.Holds = s.test.Holds && (step.Holds || step.Skipped != "")
	if s.JSON {
		return
	}
	c := s.Colors(s.Stdout)
	text := step.Found
	mark := c.Green("holds ")
	switch {
	case step.Skipped != "":
		mark, text = c.Dim("left  "), step.Skipped
	case !step.Holds:
		mark, text = c.Red("fails "), step.Found+"; expected: "+step.Expected
	}
	for i, line := range human.Wrap(text, 70) {
		if i > 0 {
			mark = "      "
		}
		fmt.Fprintln(s.Stdout, "  "+mark+line)
	}
}

// failed notes a step that could not be done.
func (s *story) failed(step Step, err error) {
	step.Holds, step.Found = false, err.Error()
	s.check(step)
}

// wirelab runs this program on a host to its end, having shown what a person types,
// and returns its output. That it fails is what the status says.
func (s *story) wirelab(host *lab.Host, stdin string, args ...string) (stdout string, status int, err error) {
	s.showCommand(host, spell(args, stdin))
	return s.quietly(host, stdin, s.program, args...)
}

// quietly runs a program on a host to its end, without a word.
func (s *story) quietly(host *lab.Host, stdin string, program string, args ...string) (stdout string, status int, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, commandTime)
	defer cancel()
	var out, complaint bytes.Buffer
	cmd := s.command(program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &complaint
	err = host.Run(ctx, cmd, nil)
	var exit *exec.ExitError
	switch {
	case s.ctx.Err() != nil:
		return "", 0, context.Cause(s.ctx)
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return out.String() + complaint.String(), exit.ExitCode(), nil
	case err != nil:
		return "", 0, fmt.Errorf("%s: %w", filepath.Base(program), err)
	}
	return out.String(), 0, nil
}

func (s *story) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = s.dir
	for _, v := range s.Environ {
		if !strings.HasPrefix(v, "WIRELAB_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+s.dir, "NO_COLOR=1")
	return cmd
}

// A program runs on a host beside others.
type program struct {
	cancel context.CancelFunc
	ended  chan struct{}
	mu     sync.Mutex
	output bytes.Buffer
	grown  chan struct{}
}

// start starts a server on a host, having shown what a person types, and returns when
// it has written a line that has the word ready in it.
func (s *story) start(host *lab.Host, ready string, args ...string) (*program, error) {
	s.showCommand(host, spell(args, "")+" &")
	ctx, cancel := context.WithCancel(s.ctx)
	p := &program{cancel: cancel, ended: make(chan struct{}), grown: make(chan struct{}, 1)}
	cmd := s.command(s.program, args...)
	cmd.Stdout, cmd.Stderr = p, p
	go func() {
		defer close(p.ended)
		_ = host.Run(ctx, cmd, nil) // how it ended matters only to who still waits for it
	}()
	s.running = append(s.running, p)
	return p, p.await(s.ctx, ready)
}

// Write keeps what the program has written.
func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.output.Len() < 1<<20 {
		p.output.Write(b)
	}
	select {
	case p.grown <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (p *program) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// await waits until the program has written a word.
func (p *program) await(ctx context.Context, word string) error {
	late := time.NewTimer(commandTime)
	defer late.Stop()
	for !strings.Contains(p.text(), word) {
		select {
		case <-p.grown:
		case <-p.ended:
			if strings.Contains(p.text(), word) {
				return nil
			}
			return fmt.Errorf("it ended at once: %s", strings.TrimSpace(p.text()))
		case <-late.C:
			return fmt.Errorf("it has not said %q after %v", word, commandTime)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// stop ends the program, and waits for that.
func (p *program) stop() {
	p.cancel()
	<-p.ended
}

// stopAll ends what still runs.
func (s *story) stopAll() {
	for _, p := range s.running {
		p.stop()
	}
	s.running = nil
}

// write writes a file into the directory of the demonstration, and shows it.
func (s *story) write(host *lab.Host, name, text string) error {
	s.showCommand(host, "cat "+name)
	s.quote(text, 20)
	return os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644)
}

// installed returns the path of a program of others, "" where there is none.
func installed(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

var _ io.Writer = (*program)(nil)
