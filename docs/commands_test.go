// Package docs has the guides. This test runs every command that they and the README
// print, in a network namespace where a laboratory runs.
package docs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"wirelab/internal/require"
	"wirelab/lab"
)

// A command is a line of a guide.
type command struct{ guide, text string }

var quoted = regexp.MustCompile("`((?:sudo )?(?:[A-Za-z]+ [^`|]*\\| )?wirelab [a-z][^`]*)`")

// commands returns the commands of wirelab in the shell blocks of a guide, and those in
// backquotes in its tables.
func commands(t *testing.T, guide string) (all []command) {
	t.Helper()
	f, err := os.Open(guide)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := ""
	for in := bufio.NewScanner(f); in.Scan(); {
		line := in.Text()
		switch {
		case block == "" && strings.HasPrefix(line, "```"):
			block = strings.TrimPrefix(line, "```") + " "
		case strings.HasPrefix(line, "```"):
			block = ""
		case block == "sh " || block == "console ":
			line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
			if strings.Contains(line, "wirelab ") && !strings.HasPrefix(line, "#") {
				all = append(all, command{guide, line})
			}
		case block == "" && strings.HasPrefix(line, "|"):
			for _, m := range quoted.FindAllStringSubmatch(line, -1) {
				all = append(all, command{guide, strings.ReplaceAll(m[1], `\|`, "|")})
			}
		}
	}
	return all
}

// leftOut says why a command is not run: it changes this machine, or has no end that
// a test can wait for. Its words are checked by --help.
func leftOut(text string) bool {
	for _, word := range []string{"/usr/local/bin", "/etc/", "install", "--steer", "ssh ", "apt ", "setcap", "man /", "systemctl"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

func TestCommandsRunAsWritten(t *testing.T) {
	require.Root(t)
	require.Program(t, "nc")
	guides, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []command
	for _, guide := range append(guides, "../README.md") {
		all = append(all, commands(t, guide)...)
	}
	if len(all) < 50 {
		t.Errorf("only %d commands were found", len(all))
	}
	s := newShell(t)
	var g errgroup.Group
	g.SetLimit(8)
	for _, c := range all {
		if leftOut(c.text) {
			continue
		}
		g.Go(func() error {
			if err := s.try(c.text); err != nil {
				t.Errorf("%s: %s\n%v", c.guide, c.text, err)
			}
			return nil
		})
	}
	_ = g.Wait() // its functions return nothing
}

// A shell runs commands on a virtual host.
type shell struct {
	t        *testing.T
	pair     *lab.Pair
	path     string
	prepared string // a directory with what the guides speak of
}

func newShell(t *testing.T) *shell {
	pair, err := lab.OpenPair()
	require.Supported(t, err)
	t.Cleanup(func() { pair.Close() })
	s := &shell{t: t, pair: pair, path: t.TempDir()}
	build := exec.Command("go", "build", "-o", filepath.Join(s.path, "wirelab"), "wirelab")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, server := range []string{"exec wirelab up", "exec wirelab serve ntp --local-stratum 8", "exec wirelab serve tcp --port 12346 --handler throughput"} {
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan struct{})
		cmd := s.command(server, s.directory())
		go func() {
			defer close(ended)
			_ = pair.Client.Run(ctx, cmd, nil) // it is ended
		}()
		t.Cleanup(func() { stop(); <-ended })
	}
	// Else what guards a change waits for its confirmation after the test.
	t.Cleanup(func() { _ = s.run("wirelab firewall rollback --yes; wirelab address rollback --yes", s.directory()) })
	for range 200 {
		if s.run("nc -z 127.0.0.1 12345 && nc -z 127.0.0.1 12346 || exit 125", s.directory()) == nil {
			s.prepare()
			return s
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatal("the laboratory does not start")
	return nil
}

// wirelabYAML is there for commands that read the configuration.
const wirelabYAML = `firewall:
  policy: {in: drop, out: accept, forward: drop}
  nets: {office: [10.64.37.0/24, 192.0.2.7]}
  in:
    - accept ssh from office limit 6/minute
    - accept tcp/12345 from office
    - accept ping
  protect: [ssh from office]
addresses:
  eth0: {addresses: [10.64.37.34/24]}
`

// prepare makes a directory with what the guides speak of: the laboratory is up.
func (s *shell) prepare() {
	s.prepared = filepath.Join(s.path, "prepared")
	if err := os.Mkdir(s.prepared, 0o755); err != nil {
		s.t.Fatal(err)
	}
	for name, text := range map[string]string{"wirelab.yaml": wirelabYAML, "questions.txt": "ssh 10.64.37.9\n", "hello.txt": "hello\n"} {
		if err := os.WriteFile(filepath.Join(s.prepared, name), []byte(text), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, script := range []string{
		"wirelab packet build --ethernet ip dst=192.0.2.35 / tcp dport=80 flags=syn -w trace.pcapng; cp trace.pcapng capture.pcapng; cp trace.pcapng FILE",
		"wirelab packet build --ethernet ip dst=192.0.2.35 / icmp / zero 3000 --mtu 1500 -w fragments.pcapng",
		"for f in before after; do wirelab load tcp --clients 1 --messages 10 --save $f.json; done",
	} {
		if err := s.run(script, s.prepared); err != nil {
			s.t.Fatal(err)
		}
	}
}

// directory returns a copy of what was prepared.
func (s *shell) directory() string {
	dir, err := os.MkdirTemp(s.path, "dir")
	if err == nil && s.prepared != "" {
		err = os.CopyFS(dir, os.DirFS(s.prepared))
	}
	if err != nil {
		s.t.Error(err)
	}
	return dir
}

func (s *shell) command(script, dir string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "WIRELAB_") }),
		"PATH="+s.path+":"+os.Getenv("PATH"), "XDG_RUNTIME_DIR="+s.path, "WIRELAB_STATE="+filepath.Join(s.path, "state"), "NO_COLOR=1")
	return cmd
}

// try runs a command for a moment. It may find that something does not hold (1), is not
// possible here (3), or go on for ever; it may not be wrong (2).
func (s *shell) try(text string) error {
	text, _, _ = strings.Cut(text, "  #")
	text = strings.ReplaceAll(text, "sudo ", "")
	text = strings.ReplaceAll(text, "veth0", lab.Link)
	text = strings.ReplaceAll(text, "wirelab ", "timeout -s INT 1.5 wirelab ")
	dir := s.directory()
	defer os.RemoveAll(dir)
	return s.run(text, dir)
}

func (s *shell) run(text, dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var out bytes.Buffer
	cmd := s.command(text, dir)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := s.pair.Client.Run(ctx, cmd, nil)
	var exit *exec.ExitError
	if strings.Contains(out.String(), "does not measure throughput") {
		return errors.New("it met a server of another kind")
	}
	if errors.As(err, &exit) && exit.ExitCode() != 2 && exit.ExitCode() < 125 || errors.As(err, &exit) && exit.ExitCode() == 130 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, out.String())
	}
	return nil
}
