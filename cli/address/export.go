package address

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/address"
	"wirelab/cli/term"
)

func (a *app) newExportCommand() *cobra.Command {
	as := "shell"
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print the section as another program has it",
		Long: "Prints what amounts to the section addresses for another program. What that cannot\n" +
			"express is a comment in what is printed, and a warning.",
		Example: "  wirelab address export --as shell\n  wirelab address export --as networkd",
		Args:    term.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.Settings(cmd)
			if err != nil {
				return err
			}
			c, err := section(cfg)
			if err != nil {
				return err
			}
			text, left, err := c.Export(as)
			if err != nil {
				return term.Usagef("%w", err)
			}
			for _, l := range left {
				a.Note("wirelab: %s cannot express: %s", as, l)
			}
			_, err = fmt.Fprint(a.Stdout, text)
			return err
		},
	}
	formats := address.Formats()
	cmd.Flags().StringVar(&as, "as", as, "`format`: "+strings.Join(formats, ", "))
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("as", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
