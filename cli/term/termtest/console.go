// Package termtest has what tests of commands need: a console without a terminal,
// and the comparison of what it shows with a file.
package termtest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"wirelab/cli/term"
)

// NewConsole returns a console without terminal and environment, and what it prints.
func NewConsole(stdin string) (c *term.Console, stdout, stderr *bytes.Buffer) {
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	return &term.Console{Stdin: strings.NewReader(stdin), Stdout: stdout, Stderr: stderr, Getenv: func(string) string { return "" }}, stdout, stderr
}

// Run runs the command of that name with args, as the root would, and returns its
// exit status; what it says of its error is on c's stderr.
func Run(ctx context.Context, c *term.Console, commands []*cobra.Command, name string, args ...string) int {
	for _, cmd := range commands {
		if cmd.Name() != name {
			continue
		}
		root := &cobra.Command{Use: "wirelab", SilenceErrors: true, SilenceUsage: true}
		c.AddFlags(root.PersistentFlags())
		root.AddCommand(cmd)
		readFigures(cmd)
		root.SetArgs(append([]string{name}, args...))
		found, err := root.ExecuteContextC(ctx)
		c.Report(ctx, found, err)
		return term.ExitStatus(ctx, err)
	}
	panic("termtest: no command " + name)
}

// Golden compares got, which people see on a terminal of 80 columns, with
// testdata/NAME.txt. With WIRELAB_UPDATE=1 it writes the file.
func Golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if os.Getenv("WIRELAB_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; WIRELAB_UPDATE=1 rewrites it):\n%s", path, diff)
	}
	for line := range strings.Lines(got) {
		if utf8.RuneCountInString(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("wider than 80 columns: %q", line)
		}
	}
}

// readFigures has all flags of cmd and those below it read figures alike.
func readFigures(cmd *cobra.Command) {
	term.ReadFigures(cmd.Flags())
	for _, sub := range cmd.Commands() {
		readFigures(sub)
	}
}
