package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wirelab/cli/clitest"
	"wirelab/cli/serve"
	"wirelab/cli/term"
)

// startPiped starts cmd with one pipe for stdout and stderr, as `2>&1 |` does, and
// returns the end that is read.
func startPiped(t *testing.T, cmd *exec.Cmd) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() }) // fails, as it should, once it has ended
	return r
}

// A server whose reader goes away after the first line serves on, and ends in order.
func TestServerOutlivesItsReader(t *testing.T) {
	s := &runningServer{t: t, dir: t.TempDir(), env: clitest.Env(t)}
	for _, format := range []string{"text", "json"} {
		ready := filepath.Join(s.dir, "ready-"+format)
		cmd := s.command("serve", "tcp", "--handler", "chat", "--port", "0", "--ready-file", ready, "-o", format)
		output := startPiped(t, cmd)
		if _, err := bufio.NewReader(output).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		addr := readyAddr(t, ready)
		output.Close()
		for range 3 { // each line is shown on the screen that nobody sees
			if answer := converse(t, addr, "hello\n/who\n/quit\n", 1000); !strings.Contains(string(answer), "guest") {
				t.Errorf("%s: the answer is %q", format, answer)
			}
		}
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		if _, err := os.Stat(ready); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the ready file is left: %v", format, err)
		}
	}
}

// readyAddr returns where the first server of a ready file listens.
func readyAddr(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	var first serve.Listening
	if err == nil {
		err = json.NewDecoder(strings.NewReader(string(text))).Decode(&first)
	}
	if err != nil {
		t.Fatal(err)
	}
	return first.Addr
}

// A load that is interrupted after its reader has gone saves what it has measured, and
// leaves no draft.
func TestLoadOutlivesItsReader(t *testing.T) {
	s := startServer(t, "serve", "tcp")
	for _, format := range []string{"text", "json"} {
		dir := t.TempDir()
		cmd := s.command("load", "tcp", s.addr, "--clients", "2", "--duration", "5m", "--save", filepath.Join(dir, "saved.json"), "-o", format)
		startPiped(t, cmd).Close()
		awaitMessages(t, s)
		cmd.Process.Signal(syscall.SIGINT)
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != term.ExitInterrupted {
			t.Errorf("%s: %v", format, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || entries[0].Name() != "saved.json" {
			t.Errorf("%s: the files are %v (%v)", format, entries, err)
		}
	}
}

// awaitMessages returns when the server has an open connection that has sent some.
func awaitMessages(t *testing.T, s *runningServer) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		for _, c := range s.tcp().Connections {
			if c.MessagesIn > 0 {
				return
			}
		}
	}
	t.Fatal("no message has come")
}

func TestUnlessGone(t *testing.T) {
	other := errors.New("disk full")
	gone := fmt.Errorf("write: %w", syscall.EPIPE)
	if term.UnlessGone(nil) != nil || term.UnlessGone(gone) != nil || term.UnlessGone(other) != other {
		t.Error(term.UnlessGone(nil), term.UnlessGone(gone), term.UnlessGone(other))
	}
}
