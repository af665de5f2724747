package cli

import (
	"github.com/spf13/cobra"

	"wirelab/cli/term"
)

func (a *app) newCompletionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the script that completes commands in a shell",
		Long: "Prints a script that makes the shell complete wirelab's commands, flags and values\n" +
			"with the tab key. Load it from the shell's start-up file to have it always.",
		Example: "  wirelab completion bash > ~/.local/share/bash-completion/completions/wirelab\n" +
			"  wirelab completion zsh > \"${fpath[1]}/_wirelab\"\n" +
			"  wirelab completion fish > ~/.config/fish/completions/wirelab.fish",
		Args:      term.OneOf("a shell", "bash", "zsh", "fish"),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "zsh":
				return root.GenZshCompletion(a.Stdout)
			case "fish":
				return root.GenFishCompletion(a.Stdout, true)
			}
			return root.GenBashCompletionV2(a.Stdout, true)
		},
	}
}
