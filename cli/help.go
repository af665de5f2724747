package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/internal/human"
)

// help prints what --help shows: first what the command is for and an example,
// then all that it takes. What goes wrong is in a.helpErr, because cobra asks for no error.
func (a *app) help(cmd *cobra.Command, _ []string) {
	var b strings.Builder
	columns := min(term.Width(a.Stdout), 100)
	b.WriteString(fill(cmd.Long, columns))
	fmt.Fprintf(&b, "Usage: %s\n", usageLine(cmd))
	if cmd.Example != "" {
		fmt.Fprintf(&b, "\nExample:\n%s\n", strings.TrimRight(cmd.Example, "\n"))
	}
	if !cmd.HasParent() {
		b.WriteByte('\n')
		for _, g := range a.groups {
			writeCommands(&b, g.title, cmd, g.commands)
		}
	} else if cmd.HasAvailableSubCommands() {
		b.WriteByte('\n')
		writeCommands(&b, "Commands:", cmd, cmd.Commands())
	}
	if cmd.HasAvailableLocalFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s", cmd.LocalFlags().FlagUsagesWrapped(columns))
	}
	if cmd.HasAvailableInheritedFlags() {
		fmt.Fprintf(&b, "\nFlags of every command:\n%s", cmd.InheritedFlags().FlagUsagesWrapped(columns))
	}
	if !cmd.HasParent() {
		b.WriteString("\nExit status: 0 done; 1 it failed, or what was checked does not hold; 2 usage or\n" +
			"configuration; 3 not permitted or not supported here; 130 interrupted.\n")
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nMore about a command: %s COMMAND --help\n", cmd.CommandPath())
	}
	_, a.helpErr = fmt.Fprint(a.Stdout, b.String())
}

// fill fills the paragraphs of text to columns. Indented lines, which are tables and
// examples, stay as they are.
func fill(text string, columns int) string {
	var b strings.Builder
	paragraph := ""
	for line := range strings.SplitSeq(strings.TrimSpace(text)+"\n", "\n") {
		if line != "" && line[0] != ' ' {
			paragraph += line + " "
			continue
		}
		if paragraph != "" {
			b.WriteString(strings.Join(human.Wrap(paragraph, columns), "\n") + "\n")
		}
		b.WriteString(line + "\n")
		paragraph = ""
	}
	return b.String()
}

func usageLine(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " COMMAND"
	}
	line := cmd.UseLine()
	if cmd.HasAvailableLocalFlags() {
		line += " [FLAGS]"
	}
	return line
}

func writeCommands(b *strings.Builder, title string, parent *cobra.Command, commands []*cobra.Command) {
	fmt.Fprintln(b, title)
	for _, sub := range commands {
		if sub.IsAvailableCommand() {
			fmt.Fprintf(b, "  %-*s  %s\n", parent.NamePadding(), sub.Name(), sub.Short)
		}
	}
}

// newHelpCommand makes `wirelab help COMMAND` the same as `wirelab COMMAND
// --help`.
func (a *app) newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND...]",
		Short:   "Show what a command does and takes",
		Long:    "Shows what a command does and takes, as --help after the command does.",
		Example: "  wirelab help config show",
		Hidden:  true,
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(found, strings.Join(rest, " "))
			}
			return found.Help()
		},
	}
}
