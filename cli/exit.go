package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"wirelab/internal/setting"
	"wirelab/internal/spell"
	"wirelab/internal/sys"
	"wirelab/observe"
)

// The exit statuses.
const (
	exitDone        = 0
	exitFailed      = 1   // what was measured or checked did not hold, or the work failed
	exitUsage       = 2   // usage or configuration
	exitUnavailable = 3   // not permitted or not supported here
	exitInterrupted = 130 // as a shell has it for SIGINT
)

// errCheckFailed ends a command with status 1 and without a message: its
// results have said what did not hold.
var errCheckFailed = errors.New("a check failed")

// failedCheck makes of err one that ends the command with status 1 and a
// message, whatever its cause.
func failedCheck(err error) error { return &checkError{err} }

type checkError struct{ err error }

func (e *checkError) Error() string   { return e.err.Error() }
func (e *checkError) Unwrap() []error { return []error{errCheckFailed, e.err} }

// usagef returns an error about how the command was used: status 2, with a hint
// at its help.
func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func exitStatus(ctx context.Context, err error) int {
	var usage *usageError
	var configuration setting.Errors
	switch {
	case err == nil:
		return exitDone
	case interrupted(ctx, err):
		return exitInterrupted
	case errors.As(err, &usage), errors.As(err, &configuration):
		return exitUsage
	case errors.Is(err, errCheckFailed):
		return exitFailed
	case errors.Is(err, sys.ErrUnsupported), errors.Is(err, sys.ErrNotPermitted), errors.Is(err, fs.ErrPermission),
		errors.Is(err, observe.ErrControlUnsafe):
		return exitUnavailable
	}
	return exitFailed
}

// interrupted reports whether err is about ctx having been cancelled.
func interrupted(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) || ctx.Err() != nil && errors.Is(err, context.Cause(ctx))
}

// report says on stderr what went wrong: one line for an error, and for each in
// a file the line that it is in.
func (a *app) report(ctx context.Context, cmd *cobra.Command, err error) {
	var configuration setting.Errors
	var usage *usageError
	switch {
	case err == nil, err == errCheckFailed:
	case interrupted(ctx, err):
		a.complain("interrupted")
	case errors.As(err, &configuration):
		for _, e := range configuration {
			a.complain(e.Error())
			if excerpt := e.Excerpt(); excerpt != "" {
				fmt.Fprintln(a.stderr, excerpt)
			}
		}
	case errors.As(err, &usage):
		a.complain(fmt.Sprintf("%v; see '%s --help'", err, cmd.CommandPath()))
	default:
		a.complain(err.Error())
	}
}

func (a *app) complain(message string) {
	c := a.colors(a.stderr)
	fmt.Fprintln(a.stderr, c.red("wirelab:"), oneLine(message))
}

// oneLine makes one line of s that cannot drive a terminal.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// flagError makes a usage error of what cobra found wrong with the flags.
func (a *app) flagError(cmd *cobra.Command, err error) error {
	// A flag of a mistyped command is unknown too, but not what is wrong.
	if _, rest, _ := cmd.Root().Find(a.args); cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return unknownCommand(cmd, rest[0])
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usagef("%w", err)
	}
	// "-port" is read as the shorthands p, o, r and t.
	word, _, _ := strings.Cut(cmp.Or(unknown.GetSpecifiedShortnames(), unknown.GetSpecifiedName()), "=")
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if nearest := spell.Nearest(word, known); nearest != "" {
		return usagef("%w; did you mean --%s?", err, nearest)
	}
	return usagef("%w", err)
}

func unknownCommand(cmd *cobra.Command, word string) error {
	var known []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			known = append(known, sub.Name())
		}
	}
	if nearest := spell.Nearest(word, known); nearest != "" {
		return usagef("%s has no command %q; did you mean %s?", cmd.CommandPath(), word, nearest)
	}
	return usagef("%s has no command %q; there are %s", cmd.CommandPath(), word, strings.Join(known, ", "))
}

// noArgs is the Args of a command that takes none.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no argument, but was given %q", cmd.CommandPath(), args[0])
	}
	return nil
}
