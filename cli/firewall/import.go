package firewall

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/firewall"
	"wirelab/firewall/foreign"
	"wirelab/firewall/simulate"
	"wirelab/internal/setting"
)

// importSchema names the form of what `wirelab firewall import -o json` prints.
const importSchema = "wirelab.firewall.import/1"

func (a *app) newImportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import FILE...",
		Short: "Print the policy that the rules of another tool amount to",
		Long: "Reads the rules of another tool and prints the firewall: section that does the same:\n" +
			"the text of iptables-save or ip6tables-save, a script of iptables commands, ufw's rules\n" +
			"files, a zone of firewalld, a file for nft (read by nft itself in a namespace that is\n" +
			"thrown away), or what \"nft -j list ruleset\" prints. No name is looked up. Several files,\n" +
			"such as those of IPv4 and IPv6, become one policy. --live reads the kernel's.\n\n" +
			"A line that has no words in a policy is not taken at all, and said on standard error.\n" +
			"Status 0: all was taken; 1: some was not.",
		Example: "  wirelab firewall import /etc/iptables/rules.v4 > wirelab.yaml\n" +
			"  iptables-save | wirelab firewall import -\n" +
			"  wirelab firewall import --family ipv6 rules.txt\n" +
			"  wirelab firewall import /etc/nftables.conf\n" +
			"  wirelab firewall import --live",
		Args: func(cmd *cobra.Command, args []string) error {
			if live, _ := cmd.Flags().GetBool("live"); live {
				return term.NoArgs(cmd, args)
			}
			return cobra.MinimumNArgs(1)(cmd, args)
		},
	}
	family := cmd.Flags().String("family", "", "the `family` of iptables' rules: ipv4 or ipv6 (by default it is seen)")
	from := cmd.Flags().String("from", "", "`form` of the file: iptables, firewalld, nft or nft-json (by default it is seen)")
	live := cmd.Flags().Bool("live", false, "read the tables of nftables that this machine's kernel has, but wirelab's own")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *live {
			result, err := importLive()
			if err != nil {
				return err
			}
			return a.printImport([]string{"the kernel"}, []foreign.Result{result})
		}
		families := map[string]firewall.Family{"": firewall.AnyFamily, "ipv4": firewall.IPv4, "ipv6": firewall.IPv6}
		f, ok := families[*family]
		if !ok {
			return term.Usagef("--family %s: ipv4 or ipv6", *family)
		}
		var results []foreign.Result
		for _, name := range args {
			result, err := a.readForeign(cmd.Context(), name, f, *from)
			if err != nil {
				return err
			}
			results = append(results, result)
		}
		return a.printImport(args, results)
	}
	return cmd
}

// readForeign reads one foreign file.
func (a *app) readForeign(ctx context.Context, name string, family firewall.Family, kind string) (foreign.Result, error) {
	text, err := a.readInput(ctx, name)
	if err != nil {
		return foreign.Result{}, err
	}
	if len(text) > setting.MaxFile {
		return foreign.Result{}, term.Usagef("%s is larger than %s; is it the right file?", name, setting.FormatSize(setting.MaxFile))
	}
	result, err := a.foreign(name, text, family, kind)
	if err == nil && len(result.Programs) == 0 && result.Policy == nil && len(result.Left) == 0 {
		err = fmt.Errorf("%s: %w", name, errNothing)
	}
	return result, err
}

// foreign reads a foreign file, of the kind that is named or seen.
func (a *app) foreign(name string, text []byte, family firewall.Family, kind string) (foreign.Result, error) {
	if kind == "" {
		kind = foreign.Kind(text)
	}
	switch kind {
	case "iptables":
		return foreign.IPTables(name, text, family), nil
	case "firewalld":
		return foreign.Firewalld(name, text)
	case "nft-json":
		return foreign.NFTJSON(name, text)
	case "nft":
		return foreign.NFT(name, text)
	}
	return foreign.Result{}, term.Usagef("--from %s: iptables, firewalld, nft or nft-json", kind)
}

// printImport prints the policy, and on stderr what has no words in it.
func (a *app) printImport(names []string, results []foreign.Result) error {
	name := strings.Join(names, ", ")
	result, err := foreign.Join(results)
	if err != nil {
		return err
	}
	policy, left := foreign.Policy(result, name)
	if a.JSON {
		lines := []string{}
		for _, l := range left {
			lines = append(lines, l.String())
		}
		if err := a.PrintJSON(struct {
			Schema string   `json:"schema"`
			Policy string   `json:"policy"`
			Left   []string `json:"not_taken"`
		}{importSchema, string(policy), lines}); err != nil {
			return err
		}
	} else if _, err := a.Stdout.Write(policy); err != nil {
		return err
	}
	for _, l := range left {
		a.Note("%s: %s", name, term.OneLine(l.String()))
	}
	for _, w := range warnings(policy) {
		a.Note("%s: warning: %s", name, w)
	}
	if len(left) > 0 {
		return term.ErrCheckFailed
	}
	return nil
}

// warnings asks the imported policy about what no host works without.
func warnings(policy []byte) []string {
	file, errs := setting.Read("import", policy)
	if errs != nil {
		return nil
	}
	section, _ := file.Get("firewall")
	p, errs := firewall.Parse(section)
	if errs != nil {
		return nil
	}
	program, errs := p.Compile()
	if errs != nil || len(bytes.TrimSpace(policy)) == 0 {
		return nil
	}
	s := simulate.New(simulate.Host{}, program)
	var all []string
	for _, w := range []struct{ question, what string }{
		{"icmpv6/135 fe80::1 -> fe80::2 on eth0", "neighbour solicitations to link-local addresses are not let in, so that IPv6 neighbours cannot be found"},
		{"icmpv6/136 fe80::1 -> fe80::2 on eth0", "neighbour advertisements to link-local addresses are not let in, so that IPv6 neighbours cannot be found"},
		{"icmpv6/134 fe80::1 -> ff02::1 on eth0", "router advertisements are not let in, so that the host gets no IPv6 address by them"},
	} {
		q, err := firewall.ParseQuestion(setting.Value{Kind: setting.Scalar, Text: w.question})
		if err != nil || p.Family == firewall.IPv4 {
			continue
		}
		if answer := s.Ask(&q); answer.Verdict != firewall.Accept {
			all = append(all, w.what+" (by "+strings.TrimSpace(answer.By.Text())+")")
		}
	}
	return all
}
