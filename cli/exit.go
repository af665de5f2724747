package cli

import (
	"cmp"
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"wirelab/cli/term"
	"wirelab/internal/spell"
)

// flagError makes a usage error of what cobra found wrong with the flags.
func (a *app) flagError(cmd *cobra.Command, err error) error {
	// A flag of a mistyped command is unknown too, but not what is wrong.
	if _, rest, _ := cmd.Root().Find(a.Args); cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return unknownCommand(cmd, rest[0])
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return term.Usagef("%w", term.ExplainFlag(err))
	}
	// "-port" is read as the shorthands p, o, r and t.
	word, _, _ := strings.Cut(cmp.Or(unknown.GetSpecifiedShortnames(), unknown.GetSpecifiedName()), "=")
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if nearest := spell.Nearest(word, known); nearest != "" {
		return term.Usagef("%w; did you mean --%s?", err, nearest)
	}
	return term.Usagef("%w", err)
}

func unknownCommand(cmd *cobra.Command, word string) error {
	var known []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			known = append(known, sub.Name())
		}
	}
	if nearest := spell.Nearest(word, known); nearest != "" {
		return term.Usagef("%s has no command %q; did you mean %s?", cmd.CommandPath(), word, nearest)
	}
	return term.Usagef("%s has no command %q; there are %s", cmd.CommandPath(), word, strings.Join(known, ", "))
}
