package firewall

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"wirelab/cli/guarded"
	"wirelab/cli/term"
	"wirelab/firewall"
	"wirelab/firewall/export"
	"wirelab/firewall/kernel"
)

// programSchema names the form of what `wirelab firewall plan -o json` prints of a policy.
const programSchema = "wirelab.firewall/1"

func (a *app) newPlanCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what apply would change in the kernel, rule by rule",
		Long: "Compares the policy with wirelab's table in the kernel and shows what would change, rule\n" +
			"by rule, with the line that each comes from. What was put into the table by others, or\n" +
			"cannot be read back whole, always differs.\n\n" +
			"--offline shows the whole policy instead: the rules in the order in which the kernel tries\n" +
			"them, with the implicit ones that go without saying. It needs no privilege, and is what is\n" +
			"shown where the kernel cannot be looked at.\n\n" +
			"A policy to begin with:\n\n" + term.Indented(firewall.Section().Example),
		Example: "  wirelab firewall plan\n  wirelab firewall plan --offline\n  wirelab firewall plan --rules    # as nft would write them",
		Args:    term.NoArgs,
	}
	nft := cmd.Flags().Bool("rules", false, "show each rule as nft writes it, too")
	offline := cmd.Flags().Bool("offline", false, "show all that the policy amounts to, without a look at the kernel")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		_, program, err := a.policy(cmd.Context())
		if err != nil {
			return err
		}
		if *offline {
			return a.printProgram(program, *nft)
		}
		return a.plan(cmd.Context(), program, *nft)
	}
	return cmd
}

// plan compares the program with the kernel's table.
func (a *app) plan(ctx context.Context, program *firewall.Program, nft bool) error {
	var plan *kernel.Plan
	err := withKernel(func(k *kernel.Kernel) (err error) {
		plan, err = k.Plan(program)
		return err
	})
	if unreadable(err) {
		a.Note("wirelab: %v; this is the whole policy", err)
		return a.printProgram(program, nft)
	}
	if err != nil {
		return err
	}
	if note := (&guarded.Options{}).Pending(ctx, a.Console); note != "" {
		a.Note("wirelab: %s", note)
	}
	a.warnAbsent(program)
	return a.printChanges(plan, nft)
}

// printProgram prints a program, chain by chain.
func (a *app) printProgram(p *firewall.Program, nft bool) error {
	if a.JSON {
		return a.PrintJSON(programOf(p))
	}
	paint := a.Colors(a.Stdout)
	for i := range p.Chains {
		c := &p.Chains[i]
		if i > 0 {
			fmt.Fprintln(a.Stdout)
		}
		fmt.Fprintln(a.Stdout, paint.Bold(chainTitle(c)))
		for _, line := range listing(p, c) {
			text := line.text
			if line.implicit {
				text = paint.Dim("implicit  " + text)
			}
			if line.place != "" {
				text += "  " + paint.Dim(line.place)
			}
			fmt.Fprintln(a.Stdout, "  "+text)
			if nft && line.nft != "" {
				fmt.Fprintln(a.Stdout, "      "+paint.Dim(line.nft))
			}
		}
		if c.Hook != firewall.NoHook {
			fmt.Fprintln(a.Stdout, "  "+paint.Dim("otherwise ")+c.Policy.String())
		}
	}
	return nil
}

func chainTitle(c *firewall.Chain) string {
	if c.Hook == firewall.NoHook {
		return "chain " + c.Name
	}
	return fmt.Sprintf("%s (%s at %s, priority %d)", c.Name, c.Type, c.Hook, c.Priority)
}

// A listed is a line of a listing: one line of the policy, however many rules of the
// kernel it became.
type listed struct {
	text, place, nft string
	implicit         bool
	rules            int
	rule             *firewall.Rule
}

// listing returns the lines of a chain in the order of the policy.
func listing(p *firewall.Program, c *firewall.Chain) []listed {
	var lines []listed
	add := func(one listed) {
		if n := len(lines); n > 0 && one.place != "" && lines[n-1].place == one.place {
			lines[n-1].rules++
			lines[n-1].nft += "\n      " + one.nft
			return
		}
		lines = append(lines, one)
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		set := p.Set(r.Lookup.Set)
		if set == nil {
			add(listed{text: r.Text, place: r.Place.String(), nft: export.NFTRule(r), implicit: r.Implicit, rules: 1, rule: r})
			continue
		}
		first := len(lines)
		for j := range set.Elements {
			e := &set.Elements[j]
			lines = append(lines, listed{text: e.Text, place: e.Place.String(), rules: 1, rule: r, nft: export.NFTRule(r) + ": " + export.ElementKey(set.Key, e)})
		}
		sortByLine(set.Elements, lines[first:])
	}
	return lines
}

// programJSON is a program for other programs.
type programJSON struct {
	Schema string      `json:"schema"`
	Table  string      `json:"table"`
	Chains []chainJSON `json:"chains"`
}

type chainJSON struct {
	Name     string     `json:"name"`
	Hook     string     `json:"hook,omitempty"`
	Type     string     `json:"type,omitempty"`
	Priority int32      `json:"priority"`
	Policy   string     `json:"policy,omitempty"`
	Rules    []ruleJSON `json:"rules"`
}

type ruleJSON struct {
	Text     string `json:"text"`
	Place    string `json:"place,omitempty"`
	Implicit bool   `json:"implicit,omitempty"`
	NFT      string `json:"nft"`
}

func programOf(p *firewall.Program) programJSON {
	j := programJSON{Schema: programSchema, Table: p.Family.String() + " " + p.Table, Chains: []chainJSON{}}
	for i := range p.Chains {
		c := &p.Chains[i]
		chain := chainJSON{Name: c.Name, Rules: []ruleJSON{}}
		if c.Hook != firewall.NoHook {
			chain.Hook, chain.Type, chain.Priority, chain.Policy = c.Hook.String(), c.Type.String(), c.Priority, c.Policy.String()
		}
		for _, l := range listing(p, c) {
			chain.Rules = append(chain.Rules, ruleJSON{Text: l.text, Place: l.place, Implicit: l.implicit, NFT: l.nft})
		}
		j.Chains = append(j.Chains, chain)
	}
	return j
}
