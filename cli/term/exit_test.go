package term

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"wirelab/cli/config"
	"wirelab/internal/sys"
	"wirelab/observe"
)

func TestExitStatusOfErrors(t *testing.T) {
	_, configuration := config.Load(config.Input{Source: []byte("x")})
	live := context.Background()
	signal := errors.New("terminated signal received")
	cancelled, cancel := context.WithCancelCause(live)
	cancel(signal)
	tests := []struct {
		ctx    context.Context
		err    error
		status int
		stderr string
	}{
		{live, nil, 0, ""},
		{live, ErrCheckFailed, 1, ""},
		{live, FailedCheck(errors.New("2 bytes differ")), 1, "wirelab: 2 bytes differ\n"},
		{live, FailedCheck(sys.ErrUnsupported), 1, "wirelab: not supported here\n"},
		{live, errors.New("the port is taken"), 1, "wirelab: the port is taken\n"},
		{live, fmt.Errorf("load: %w", Usagef("%d clients are too many", 7)), 2, "wirelab: load: 7 clients are too many; see 'wirelab --help'\n"},
		{live, fmt.Errorf("serve: %w", configuration), 2, "wirelab: :1:1: keys belong here, such as \"port: 12345\", not \"x\"\n  1 | x\n    | ^\n"},
		{live, fmt.Errorf("stamp: %w", sys.ErrUnsupported), 3, "wirelab: stamp: not supported here\n"},
		{live, fmt.Errorf("bind: %w", sys.ErrNotPermitted), 3, "wirelab: bind: not permitted\n"},
		{live, fmt.Errorf("control socket: %w", observe.ErrControlUnsafe), 3, "wirelab: control socket: control socket would not be private\n"},
		{live, &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}, 3, "wirelab: open x: permission denied\n"},
		{live, fmt.Errorf("load: %w", context.Canceled), 130, "wirelab: interrupted\n"},
		{cancelled, fmt.Errorf("load: %w", signal), 130, "wirelab: interrupted\n"},
		{cancelled, errors.New("one"), 1, "wirelab: one\n"},
		{live, errors.New("two\nlines \x1b[31m"), 1, "wirelab: two; lines \ufffd[31m\n"},
	}
	for _, tt := range tests {
		c, _, stderr := newConsole("")
		c.Report(tt.ctx, &cobra.Command{Use: "wirelab"}, tt.err)
		if got := ExitStatus(tt.ctx, tt.err); got != tt.status || stderr.String() != tt.stderr {
			t.Errorf("%v: status %d, want %d; stderr %q, want %q", tt.err, got, tt.status, stderr, tt.stderr)
		}
	}
}

// newConsole returns a console without terminal and environment, and what it prints.
func newConsole(stdin string) (c *Console, stdout, stderr *bytes.Buffer) {
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	return &Console{Stdin: strings.NewReader(stdin), Stdout: stdout, Stderr: stderr, Getenv: func(string) string { return "" }}, stdout, stderr
}
