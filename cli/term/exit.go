package term

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/internal/setting"
	"wirelab/internal/spoken"
	"wirelab/internal/sys"
	"wirelab/observe"
)

// The exit statuses.
const (
	ExitDone        = 0
	ExitFailed      = 1   // what was measured or checked did not hold, or the work failed
	ExitUsage       = 2   // usage or configuration
	ExitUnavailable = 3   // not permitted or not supported here
	ExitInterrupted = 130 // as a shell has it for SIGINT
)

// ErrCheckFailed ends a command with status 1 and without a message: its
// results have said what did not hold.
var ErrCheckFailed = errors.New("a check failed")

// FailedCheck makes of err one that ends the command with status 1 and a
// message, whatever its cause.
func FailedCheck(err error) error { return &checkError{err} }

type checkError struct{ err error }

func (e *checkError) Error() string   { return e.err.Error() }
func (e *checkError) Unwrap() []error { return []error{ErrCheckFailed, e.err} }

// Usagef returns an error about how the command was used: status 2, with a hint
// at its help.
func Usagef(format string, args ...any) error {
	return &UsageError{fmt.Errorf(format, args...)}
}

// A UsageError is a mistake in how a command was used.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// ExitStatus returns the status that err ends a command with, whose context is ctx.
func ExitStatus(ctx context.Context, err error) int {
	var usage *UsageError
	var configuration setting.Errors
	switch {
	case err == nil:
		return ExitDone
	case interrupted(ctx, err):
		return ExitInterrupted
	case errors.As(err, &usage), errors.As(err, &configuration):
		return ExitUsage
	case errors.Is(err, ErrCheckFailed):
		return ExitFailed
	case errors.Is(err, sys.ErrUnsupported), errors.Is(err, sys.ErrNotPermitted), errors.Is(err, fs.ErrPermission),
		errors.Is(err, observe.ErrControlUnsafe):
		return ExitUnavailable
	}
	return ExitFailed
}

// interrupted reports whether err is about ctx having been cancelled.
func interrupted(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) || ctx.Err() != nil && errors.Is(err, context.Cause(ctx))
}

// maxReported bounds what is told of a file with thousands of bad lines.
const maxReported = 100

// Report says on stderr what went wrong with cmd: one line for an error, and for each
// in a file the line that it is in.
func (c *Console) Report(ctx context.Context, cmd *cobra.Command, err error) {
	var configuration setting.Errors
	var usage *UsageError
	switch {
	case err == nil, err == ErrCheckFailed:
	case interrupted(ctx, err):
		c.Complain("interrupted")
	case errors.As(err, &configuration):
		for i, e := range configuration {
			if i == maxReported {
				c.Complain(fmt.Sprintf("and %d more mistakes", len(configuration)-i))
				break
			}
			c.Complain(e.Error())
			if excerpt := e.Excerpt(); excerpt != "" {
				fmt.Fprintln(c.Stderr, excerpt)
			}
		}
	case errors.As(err, &usage):
		c.Complain(fmt.Sprintf("%s; see '%s --help'", spoken.Error(err), cmd.CommandPath()))
	default:
		c.Complain(spoken.Error(err))
	}
}

// NoArgs is the Args of a command that takes none.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return Usagef("%s takes no argument, but was given %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// OneOf is the Args of a command that takes exactly one of words.
func OneOf(what string, words ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 || !slices.Contains(words, args[0]) {
			return Usagef("give %s: %s", what, strings.Join(words, ", "))
		}
		return nil
	}
}
