package cli

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"wirelab/cli/term"
)

func (a *app) newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write a manual page for every command",
		Long: "Writes wirelab.1 and a page for every other command into a directory, which is made\n" +
			"if it does not exist. They say what --help says.",
		Example: "  wirelab man /tmp/man1 && man /tmp/man1/wirelab-serve-tcp.1",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return term.Usagef("give the directory to write the pages to")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("manual pages: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Section: "1", Source: "wirelab", Manual: "wirelab", Date: &time.Time{}}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("manual pages: %w", err)
			}
			a.Note("wrote %d manual pages into %s", pages(root), args[0])
			return nil
		},
	}
}

// pages returns how many commands with a page there are from cmd on.
func pages(cmd *cobra.Command) int {
	n := 1
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			n += pages(sub)
		}
	}
	return n
}
