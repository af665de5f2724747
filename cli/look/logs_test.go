package look

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wirelab/cli/term"
	"wirelab/cli/term/termtest"
	"wirelab/internal/require"
	"wirelab/observe"
)

// writeLogs writes three lines of two components, and a broken one.
func writeLogs(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "logs")
	logs := observe.OpenLogs(observe.LogConfig{Dir: dir, Level: slog.LevelDebug})
	logs.Component("server-tcp").Debug("accepted", "peer", "127.0.0.1:4711")
	logs.Component("client").Error("no\x1b[2J answer")
	if err := logs.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "client.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("bro\x1bken\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// logs runs the command as the root would.
func (a *app) logs(ctx context.Context, args ...string) error {
	cmd := a.newLogsCommand()
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return cmd.ExecuteContext(ctx)
}

func TestLogsCommand(t *testing.T) {
	dir := writeLogs(t)
	tests := []struct {
		args string
		want []string // in each line
	}{
		{"", []string{"DEBUG server-tcp  accepted", `ERROR client      no\x1b[2J answer`, `client      (broken line)  bro\x1bken`}},
		{"--component server", []string{"peer=127.0.0.1:4711"}},
		{"--component client,server-tcp --level error", []string{"ERROR", "broken"}},
		{"-n 1", []string{"broken"}},
		{"--since 1h", []string{"DEBUG", "ERROR", "broken"}},
		{"--since 2126-01-01", nil},
	}
	for _, test := range tests {
		c, stdout, stderr := termtest.NewConsole("")
		a := &app{c, nil, nil}
		args := append(strings.Fields(test.args), "--dir", dir)
		if err := a.logs(context.Background(), args...); err != nil {
			t.Errorf("%s: %v", test.args, err)
		}
		lines := strings.Split(strings.TrimSuffix(stdout.String(), "\n"), "\n")
		if stdout.Len() == 0 {
			lines = nil
		}
		if len(lines) != len(test.want) {
			t.Errorf("%s: %d lines\n%s", test.args, len(lines), stdout)
			continue
		}
		for i, want := range test.want {
			if !strings.Contains(lines[i], want) {
				t.Errorf("%s: line %d is %q, want %q", test.args, i, lines[i], want)
			}
		}
		if told := stderr.String() == "1 broken line\n"; told != strings.Contains(stdout.String(), "(broken line)") {
			t.Errorf("%s: stderr %q", test.args, stderr)
		}
	}
}

func TestLogsJSON(t *testing.T) {
	c, stdout, _ := termtest.NewConsole("")
	a := &app{c, nil, nil}
	a.JSON = true
	if err := a.logs(context.Background(), "--dir", writeLogs(t), "--component", "client"); err != nil {
		t.Fatal(err)
	}
	first, second, _ := strings.Cut(stdout.String(), "\n")
	if !strings.HasPrefix(first, `{"time":"`) || !strings.Contains(first, `"msg":"no\u001b[2J answer"`) {
		t.Errorf("a line: %s", first)
	}
	if !strings.HasPrefix(second, `{"event":"broken","schema":"wirelab.event/1","time":`) || !strings.HasSuffix(second, `"component":"client","broken":"bro\u001bken"}`+"\n") {
		t.Errorf("a broken line: %s", second)
	}
}

func TestLogsErrors(t *testing.T) {
	for args, want := range map[string]int{
		"--dir none":         term.ExitFailed,
		"--dir=":             term.ExitUsage,
		"--level loud":       term.ExitUsage,
		"--since yesterday":  term.ExitUsage,
		"--since -5m":        term.ExitUsage,
		"--since 99999999d":  term.ExitUsage,
		"-n -1":              term.ExitUsage,
		"--lines 1000000000": term.ExitUsage,
	} {
		c, _, _ := termtest.NewConsole("")
		a := &app{c, nil, nil}
		err := a.logs(context.Background(), strings.Fields(args)...)
		if got := term.ExitStatus(context.Background(), err); got != want {
			t.Errorf("%s: status %d, %v", args, got, err)
		}
	}
}

// A broken line before any that has a date has none.
func TestLogsUndated(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "client.log"), []byte("torn\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for json, want := range map[bool]string{
		false: "(no date)                  WARN  client      (broken line)  torn\n",
		true:  `{"event":"broken","schema":"wirelab.event/1","component":"client","broken":"torn"}` + "\n",
	} {
		c, stdout, _ := termtest.NewConsole("")
		c.JSON = json
		if err := (&app{c, nil, nil}).logs(t.Context(), "--dir", dir); err != nil || stdout.String() != want {
			t.Errorf("%q, %v", stdout, err)
		}
	}
}

// TestLogsFollow reads what is written while it looks, and ends with its context.
func TestLogsFollow(t *testing.T) {
	require.NoLeaks(t)
	dir := writeLogs(t)
	c, _, _ := termtest.NewConsole("")
	a := &app{c, nil, nil}
	r, w := io.Pipe()
	a.Stdout = w
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- a.logs(ctx, "-f", "-n", "1", "--dir", dir)
		w.Close()
	}()
	buf := make([]byte, 1000)
	if n, err := r.Read(buf); err != nil || !strings.Contains(string(buf[:n]), "broken") {
		t.Fatalf("first %q, %v", buf[:n], err)
	}
	logs := observe.OpenLogs(observe.LogConfig{Dir: dir})
	logs.Component("client").Info("news")
	if err := logs.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(buf); err != nil || !strings.Contains(string(buf[:n]), "news") {
		t.Fatalf("then %q, %v", buf[:n], err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"10m":                       now.Add(-10 * time.Minute),
		"1d":                        now.AddDate(0, 0, -1),
		"2026-11-22T09:00:00.5Z":    time.Date(2026, 11, 22, 9, 0, 0, 5e8, time.UTC),
		"2026-11-22T11:00:00+02:00": time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC),
		"2026-11-22 09:00:00":       time.Date(2026, 11, 22, 9, 0, 0, 0, time.Local),
		"2026-11-22":                time.Date(2026, 11, 22, 0, 0, 0, 0, time.Local),
	} {
		if got, err := parseSince(s, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v, want %v", s, got, err, want)
		}
	}
}
