package firewall

import (
	"strings"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/firewall"
	"wirelab/firewall/export"
)

// A format is a form to export a program in.
type format struct {
	name  string
	write func(*firewall.Program) ([]byte, error)
}

// formats is the table of what export can write.
func formats() []format {
	return []format{
		{"nft", func(p *firewall.Program) ([]byte, error) { return export.NFT(p), nil }},
		{"iptables", func(p *firewall.Program) ([]byte, error) { return export.IPTables(p, firewall.IPv4) }},
		{"ip6tables", func(p *firewall.Program) ([]byte, error) { return export.IPTables(p, firewall.IPv6) }},
		{"shell", export.Shell},
	}
}

func (a *app) newExportCommand() *cobra.Command {
	var names []string
	for _, f := range formats() {
		names = append(names, f.name)
	}
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the policy for nft, iptables-restore or a shell",
		Long: "Writes the policy in the language of another tool: for \"nft -f\", for iptables-restore\n" +
			"(IPv4) and ip6tables-restore (IPv6), or as a shell script that uses nft where it is and\n" +
			"the others else.",
		Example: "  wirelab firewall export > firewall.nft\n" +
			"  wirelab firewall export --as iptables > rules.v4\n" +
			"  wirelab firewall export --as ip6tables > rules.v6\n" +
			"  wirelab firewall export --as shell > firewall.sh",
		Args: term.NoArgs,
	}
	as := cmd.Flags().String("as", "nft", "`form` to write: "+strings.Join(names, ", "))
	_ = cmd.RegisterFlagCompletionFunc("as", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, f := range formats() {
			if f.name != *as {
				continue
			}
			_, program, err := a.policy(cmd.Context())
			if err != nil {
				return err
			}
			text, err := f.write(program)
			if err != nil {
				return err
			}
			_, err = a.Stdout.Write(text)
			return err
		}
		return term.Usagef("--as %s: the forms are %s", *as, strings.Join(names, ", "))
	}
	return cmd
}
