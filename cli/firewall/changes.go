package firewall

import (
	"fmt"
	"strings"

	"wirelab/cli/term"
	"wirelab/firewall"
	"wirelab/firewall/export"
	"wirelab/firewall/kernel"
)

// planSchema names the form of what `wirelab firewall plan -o json` prints.
const planSchema = "wirelab.firewall.plan/1"

// planJSON is the difference between kernel and policy for programs.
type planJSON struct {
	Schema  string       `json:"schema"`
	Table   string       `json:"table"`
	Changed bool         `json:"changed"`
	Kept    int          `json:"kept"`
	Moved   int          `json:"moved"`
	Changes []changeJSON `json:"changes"`
}

type changeJSON struct {
	Action  string `json:"action"` // add, remove, modify
	Kind    string `json:"kind"`   // table, chain, set, rule, element
	In      string `json:"in"`
	Text    string `json:"text"`
	Place   string `json:"place,omitempty"`
	Count   int    `json:"count,omitempty"`
	Packets uint64 `json:"packets,omitempty"` // that a rule to remove has counted
	NFT     string `json:"nft,omitempty"`
}

var actionNames = map[kernel.Action]string{kernel.Add: "add", kernel.Remove: "remove", kernel.Modify: "modify"}

func planOf(p *kernel.Plan) planJSON {
	j := planJSON{
		Schema: planSchema, Table: fmt.Sprintf("%s %s", p.Program().Family, p.Program().Table),
		Changed: !p.Empty(), Kept: p.Kept, Moved: p.Moved, Changes: []changeJSON{},
	}
	for _, c := range p.Changes {
		one := changeJSON{Action: actionNames[c.Action], Kind: c.Kind.String(), In: c.In, Text: changeText(&c), Place: c.Place.String(), Count: c.Count}
		if c.Rule != nil {
			one.Packets, one.NFT = c.Rule.Seen.Packets, nftText(c.Rule)
		}
		j.Changes = append(j.Changes, one)
	}
	return j
}

// nftText returns the rule as nft writes it, or "" for one whose parts were not read.
func nftText(r *firewall.Rule) string {
	for i := range r.Matches {
		if r.Matches[i].Unknown != "" {
			return ""
		}
	}
	return export.NFTRule(r)
}

// ruleText describes a rule that nobody gave a text.
func ruleText(r *firewall.Rule) string {
	var unknown []string
	for i := range r.Matches {
		if u := r.Matches[i].Unknown; u != "" {
			unknown = append(unknown, u)
		}
	}
	unknown = append(unknown, r.Effects.Unknown...)
	if len(unknown) > 0 {
		return "a rule that wirelab cannot read whole (" + strings.Join(unknown, ", ") + ")"
	}
	return export.NFTRule(r)
}

// changeText is one change in words.
func changeText(c *kernel.Change) string {
	switch {
	case c.Text != "" && c.Kind != kernel.Set:
		return c.Text
	case c.Kind == kernel.Rule:
		return ruleText(c.Rule)
	case c.Kind == kernel.Element && c.Item != nil:
		return "element of " + c.In
	case c.Kind == kernel.Element:
		return counted(c.Count, "element") + " of set " + c.In
	case c.Kind == kernel.Set:
		return "set " + c.In + " (" + counted(c.Count, "element") + ")"
	}
	return c.In
}

// printChanges prints what a plan would do, chain by chain. Rules of the kernel
// that come of one line are one line.
func (a *app) printChanges(p *kernel.Plan, nft bool) error {
	if a.JSON {
		return a.PrintJSON(planOf(p))
	}
	if p.Empty() {
		_, err := fmt.Fprintf(a.Stdout, "nothing to do: the kernel has the policy (%s)\n", counted(p.Kept, "rule"))
		return err
	}
	paint := a.Colors(a.Stdout)
	var titles []string
	lines := map[string][]string{}
	added, removed, last := 0, 0, ""
	for i := range p.Changes {
		c := &p.Changes[i]
		line := fmt.Sprintf("%c %s", c.Action, term.OneLine(changeText(c)))
		if place := c.Place.String(); place != "" {
			line += "  " + paint.Dim(place)
		}
		same := c.In+line == last && c.Place.Line > 0
		if last = c.In + line; same || c.Map {
			continue // one line of the policy, or the rule of a map
		}
		title := changeTitle(p, c)
		if lines[title] == nil {
			titles = append(titles, title)
		}
		switch c.Action {
		case kernel.Add:
			added++
			line = paint.Green(line[:1]) + line[1:]
		case kernel.Remove:
			removed++
			line = paint.Red(line[:1]) + line[1:]
		}
		lines[title] = append(lines[title], "  "+line)
		if nft && c.Rule != nil {
			lines[title] = append(lines[title], "      "+paint.Dim(nftText(c.Rule)))
		}
	}
	for _, title := range titles {
		fmt.Fprintf(a.Stdout, "%s\n%s\n", paint.Bold(title), strings.Join(lines[title], "\n"))
	}
	moved := ""
	if p.Moved > 0 {
		moved = fmt.Sprintf(" (%d stand on another line now)", p.Moved)
	}
	_, err := fmt.Fprintf(a.Stdout, "%d to add, %d to remove; %s stay with their counters and limits%s\n", added, removed, counted(p.Kept, "rule"), moved)
	return err
}

// changeTitle is what changes stand under.
func changeTitle(p *kernel.Plan, c *kernel.Change) string {
	switch c.Kind {
	case kernel.Table:
		return "table " + p.Program().Family.String() + " " + p.Program().Table
	case kernel.Rule, kernel.Chain:
		if chain := p.Program().Chain(c.In); chain != nil {
			return chainTitle(chain)
		}
		return "chain " + c.In
	}
	if chain := mapChain(p.Program(), c.In); chain != nil && c.Item != nil {
		return chainTitle(chain)
	}
	return "sets"
}

// mapChain returns the chain that looks up the verdict map.
func mapChain(p *firewall.Program, set string) *firewall.Chain {
	for i := range p.Chains {
		for j := range p.Chains[i].Rules {
			if p.Chains[i].Rules[j].Lookup.Set == set {
				return &p.Chains[i]
			}
		}
	}
	return nil
}
