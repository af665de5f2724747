package firewall

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"wirelab/cli/guarded"
	"wirelab/cli/term"
	"wirelab/firewall"
	"wirelab/firewall/kernel"
)

// statusSchema names the form of what `wirelab firewall status -o json` prints.
const statusSchema = "wirelab.firewall.status/1"

func (a *app) newStatusCommand() *cobra.Command {
	o := &guarded.Options{}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the kernel's rules, what they counted, and who else decides",
		Long: "Shows the rules of wirelab's table as the kernel has them, with the packets that each\n" +
			"has counted and the line that it comes from; whether they are still what the policy\n" +
			"says; and the tables of other programs that decide about packets, too.\n\n" +
			"--follow prints the packets that rules log to a group (log group N), as they come.",
		Example: "  wirelab firewall status\n  wirelab firewall status --follow 3    # what \"log group 3\" sees",
		Args:    term.NoArgs,
	}
	follow := cmd.Flags().Uint16("follow", 0, "print what rules log to this `group` of NFLOG, until Ctrl-C")
	rules := cmd.Flags().Bool("rules", false, "show each rule as nft writes it, too")
	o.AddStateFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("follow") {
			return a.follow(cmd.Context(), *follow)
		}
		all, err := tables()
		if err != nil {
			return err
		}
		if note := o.Pending(cmd.Context(), a.Console); note != "" {
			a.Note("wirelab: %s", note)
		}
		s := a.statusOf(cmd.Context(), all)
		if a.JSON {
			return a.PrintJSON(s)
		}
		return a.printStatus(s, *rules)
	}
	return cmd
}

// statusJSON is what the kernel has, for programs.
type statusJSON struct {
	Schema  string            `json:"schema"`
	Applied bool              `json:"applied"`
	Policy  string            `json:"policy"` // same, differs, unknown
	Changes int               `json:"changes"`
	Chains  []statusChainJSON `json:"chains"`
	Others  []otherJSON       `json:"other_tables"`
	Notes   []string          `json:"notes"`
}

type statusChainJSON struct {
	Name   string           `json:"name"`
	Hook   string           `json:"hook,omitempty"`
	Policy string           `json:"policy,omitempty"`
	Rules  []statusRuleJSON `json:"rules"`

	title string
}

type statusRuleJSON struct {
	Text     string `json:"text"`
	Place    string `json:"place,omitempty"`
	Implicit bool   `json:"implicit,omitempty"`
	Counted  bool   `json:"counted"`
	Packets  uint64 `json:"packets"`
	Bytes    uint64 `json:"bytes"`
	NFT      string `json:"nft,omitempty"`
}

type otherJSON struct {
	Table  string   `json:"table"`
	Chains []string `json:"chains"` // "input: filter at input, priority 0"
	Rules  int      `json:"rules"`
}

// statusOf sums up all tables.
func (a *app) statusOf(ctx context.Context, all []*kernel.State) statusJSON {
	j := statusJSON{Schema: statusSchema, Policy: "unknown", Chains: []statusChainJSON{}, Others: []otherJSON{}, Notes: elsewhere(all)}
	var own *kernel.State
	for _, s := range all {
		if s.Program.Table == firewall.TableName && s.Program.Family == firewall.AnyFamily {
			own = s
			continue
		}
		if o := otherOf(&s.Program); len(o.Chains) > 0 {
			j.Others = append(j.Others, o)
		}
	}
	if own == nil {
		own = &kernel.State{}
	}
	j.Applied = own.Exists
	wanted := a.compared(ctx, &j, own)
	for i := range own.Program.Chains {
		j.Chains = append(j.Chains, statusChain(&own.Program, &own.Program.Chains[i], wanted))
	}
	if j.Notes == nil {
		j.Notes = []string{}
	}
	return j
}

// compared notes whether the kernel has what the policy says, and returns the lines
// of the file that its rules stand on now, by their hash.
func (a *app) compared(ctx context.Context, j *statusJSON, own *kernel.State) map[uint64]string {
	_, program, err := a.policy(ctx)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			j.Notes = append(j.Notes, "the policy cannot be read to compare with: "+err.Error())
		}
		return nil
	}
	plan := kernel.Compare(own, program)
	j.Policy, j.Changes = "same", len(plan.Changes)
	if !plan.Empty() {
		j.Policy = "differs"
	}
	now := map[uint64]string{}
	for i := range program.Chains {
		for k := range program.Chains[i].Rules {
			r := &program.Chains[i].Rules[k]
			now[r.Hash] = r.Place.String()
		}
	}
	for i := range program.Sets {
		for k := range program.Sets[i].Elements {
			e := &program.Sets[i].Elements[k]
			now[e.Hash] = e.Place.String()
		}
	}
	return now
}

func otherOf(p *firewall.Program) otherJSON {
	o := otherJSON{Table: p.Family.String() + " " + p.Table, Chains: []string{}}
	for i := range p.Chains {
		c := &p.Chains[i]
		o.Rules += len(c.Rules)
		switch {
		case c.Hook > firewall.Postrouting:
			o.Chains = append(o.Chains, fmt.Sprintf("%s: at a device, priority %d", c.Name, c.Priority))
		case c.Hook != firewall.NoHook:
			o.Chains = append(o.Chains, fmt.Sprintf("%s: %s at %s, priority %d, policy %s", c.Name, c.Type, c.Hook, c.Priority, c.Policy))
		}
	}
	return o
}

func statusChain(p *firewall.Program, c *firewall.Chain, now map[uint64]string) statusChainJSON {
	j := statusChainJSON{Name: c.Name, Rules: []statusRuleJSON{}, title: chainTitle(c)}
	if c.Hook != firewall.NoHook {
		j.Hook, j.Policy = c.Hook.String(), c.Policy.String()
	}
	place := func(own string, hash uint64) string {
		if line := now[hash]; line != "" {
			return line
		}
		return own
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		if set := p.Set(r.Lookup.Set); set != nil && r.Lookup.Set != "" {
			first := len(j.Rules)
			lines := make([]listed, len(set.Elements))
			for k := range set.Elements {
				lines[k].rules = k
			}
			sortByLine(set.Elements, lines)
			for _, l := range lines {
				e := &set.Elements[l.rules]
				j.Rules = append(j.Rules, statusRuleJSON{
					Text: e.Text, Place: place(e.Place.String(), e.Hash), Counted: set.Counters, Packets: e.Seen.Packets, Bytes: e.Seen.Bytes,
				})
			}
			if len(j.Rules) > first {
				j.Rules[first].NFT = nftText(r)
			}
			continue
		}
		text := r.Text
		if text == "" {
			text = ruleText(r)
		}
		j.Rules = append(j.Rules, statusRuleJSON{
			Text: text, Place: place(r.Place.String(), r.Hash), Implicit: r.Implicit, Counted: r.Effects.Counter,
			Packets: r.Seen.Packets, Bytes: r.Seen.Bytes, NFT: nftText(r),
		})
	}
	return j
}

func (a *app) printStatus(s statusJSON, nft bool) error {
	paint := a.Colors(a.Stdout)
	switch {
	case !s.Applied:
		fmt.Fprintln(a.Stdout, "wirelab has no table in this kernel: nothing was applied")
	case s.Policy == "differs":
		fmt.Fprintf(a.Stdout, "%s from the policy: see \"wirelab firewall plan\" (%s)\n", paint.Yellow("differs"), counted(s.Changes, "change"))
	case s.Policy == "same":
		fmt.Fprintf(a.Stdout, "%s: the kernel has the policy\n", paint.Green("applied"))
	}
	for _, c := range s.Chains {
		fmt.Fprintln(a.Stdout, "\n"+paint.Bold(c.title))
		t := term.NewTable(">PACKETS", ">BYTES", "RULE", "LINE")
		for _, r := range c.Rules {
			packets, bytes := "-", "-"
			if r.Counted {
				packets, bytes = term.Count(r.Packets), term.Bytes(r.Bytes)
			}
			text := r.Text
			if r.Implicit {
				text = "implicit  " + text
			}
			t.Row(packets, bytes, text, r.Place)
			if nft && r.NFT != "" {
				t.Row("", "", "    "+r.NFT)
			}
		}
		if !t.Empty() {
			if err := t.Write(a.Stdout, term.Room(a.Stdout), paint); err != nil {
				return err
			}
		}
		if c.Policy != "" {
			fmt.Fprintln(a.Stdout, paint.Dim("otherwise ")+c.Policy)
		}
	}
	a.printOthers(s, paint)
	return nil
}

// printOthers prints who decides beside wirelab: an accept of one table does not
// keep the next from dropping the packet.
func (a *app) printOthers(s statusJSON, paint term.Palette) {
	if len(s.Others) > 0 {
		fmt.Fprintln(a.Stdout, "\n"+paint.Bold("other tables that decide, too"))
	}
	for _, o := range s.Others {
		fmt.Fprintf(a.Stdout, "  table %s (%s)\n", term.OneLine(o.Table), counted(o.Rules, "rule"))
		for _, c := range o.Chains {
			fmt.Fprintln(a.Stdout, "    "+term.OneLine(c))
		}
	}
	for _, n := range s.Notes {
		a.Note("wirelab: %s", term.OneLine(n))
	}
}
