package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"wirelab/cli/term"
)

func (a *app) newCompletionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the script that completes commands in a shell",
		Long: "Prints a script that makes the shell complete wirelab's commands, flags and values\n" +
			"with the tab key. Load it from the shell's start-up file to have it always. The\n" +
			"script for bash needs no other package; the directory in the example is read by the\n" +
			"package bash-completion, without which ~/.bashrc has to source the file.",
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
			if _, err := io.WriteString(a.Stdout, bashWithoutPackage); err != nil {
				return err
			}
			return root.GenBashCompletionV2(a.Stdout, true)
		},
	}
}

// bashWithoutPackage defines what cobra's script takes from the package
// bash-completion, where that is not installed.
const bashWithoutPackage = `if ! declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref()
    {
        local line="${COMP_LINE:0:COMP_POINT}"
        read -r -a words <<<"$line"
        if [[ $line == *[[:space:]] ]]; then
            words+=("")
        fi
        cword=$((${#words[@]} - 1))
        cur="${words[cword]}"
        prev=""
        if ((cword > 0)); then
            prev="${words[cword - 1]}"
        fi
    }
fi
if ! declare -F __ltrim_colon_completions >/dev/null; then
    __ltrim_colon_completions()
    {
        if [[ $1 == *:* && $COMP_WORDBREAKS == *:* ]]; then
            local prefix="${1%"${1##*:}"}" i=${#COMPREPLY[*]}
            while ((i-- > 0)); do
                COMPREPLY[i]="${COMPREPLY[i]#"$prefix"}"
            done
        fi
    }
fi
`

// completeValues tells the shell which values a command's arguments and flags take:
// files only where files are meant. It does nothing for those that have told it already.
func completeValues(cmd *cobra.Command) {
	if !strings.Contains(cmd.Use, "FILE") && cmd.ValidArgsFunction == nil && cmd.ValidArgs == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	complete := func(f *pflag.Flag) {
		what, usage := pflag.UnquoteUsage(f)
		if _, told := cmd.GetFlagCompletionFunc(f.Name); told || f.Value.Type() == "bool" {
			return
		}
		values := cobra.NoFileCompletions
		switch {
		case f.Name == "output":
			values = cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp)
		case f.Name == "level":
			values = cobra.FixedCompletions([]string{"debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp)
		case f.Name == "payload":
			values = cobra.FixedCompletions([]string{"seq", "pattern", "random:", "text:", "hex:", "file:", "time", "stamp"},
				cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace)
		case namesFile(what), strings.HasSuffix(usage, " file"):
			return // files are what shells complete
		}
		_ = cmd.RegisterFlagCompletionFunc(f.Name, values) // fails for a flag that is not there, or told
	}
	cmd.Flags().VisitAll(complete)
	cmd.PersistentFlags().VisitAll(complete)
}

// plainUsage takes from the flags' descriptions the quotes that name their values in the
// help: a shell shows descriptions as they are.
func plainUsage(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") })
}
