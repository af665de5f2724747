package export

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"wirelab/firewall"
)

// IPTables returns the rules of one family as a file for iptables-restore, or for
// ip6tables-restore. Unlike nft it has no table of our own: loading the file replaces
// the tables filter and nat whole. What iptables has no words for is an error that
// names the rule.
func IPTables(p *firewall.Program, family firewall.Family) ([]byte, error) {
	w := &iptablesWriter{program: p, family: family, tables: map[string]*iptablesTable{}}
	for i := range p.Chains {
		w.chain(&p.Chains[i])
	}
	if len(w.errs) > 0 {
		return nil, errors.Join(w.errs...)
	}
	return w.text(), nil
}

// An iptablesWriter writes the rules of one family.
type iptablesWriter struct {
	program *firewall.Program
	family  firewall.Family
	tables  map[string]*iptablesTable
	errs    []error
	helpers int // chains that had to be made up
}

// An iptablesTable is one table being written.
type iptablesTable struct {
	chains []string // ":NAME POLICY"
	rules  []string
	known  map[string]bool
}

func (w *iptablesWriter) table(name string) *iptablesTable {
	t := w.tables[name]
	if t == nil {
		t = &iptablesTable{known: map[string]bool{}}
		w.tables[name] = t
	}
	return t
}

var builtins = map[firewall.Hook]string{
	firewall.Prerouting: "PREROUTING", firewall.Input: "INPUT", firewall.Forward: "FORWARD", firewall.Output: "OUTPUT", firewall.Postrouting: "POSTROUTING",
}

// chain writes a base chain, and the chains that it leads to.
func (w *iptablesWriter) chain(c *firewall.Chain) {
	if c.Hook == firewall.NoHook {
		return
	}
	table := "filter"
	if c.Type == firewall.NATChain {
		table = "nat"
	}
	t := w.table(table)
	t.chains = append(t.chains, fmt.Sprintf(":%s %s [0:0]", builtins[c.Hook], strings.ToUpper(c.Policy.String())))
	w.rules(t, builtins[c.Hook], c)
}

// target writes the chain that a rule jumps to, once for each table.
func (w *iptablesWriter) target(t *iptablesTable, name string) {
	c := w.program.Chain(name)
	if c == nil || t.known[name] {
		return
	}
	t.known[name] = true
	t.chains = append(t.chains, fmt.Sprintf(":%s - [0:0]", name))
	w.rules(t, name, c)
}

func (w *iptablesWriter) rules(t *iptablesTable, name string, c *firewall.Chain) {
	if len(name) > 28 {
		w.errs = append(w.errs, fmt.Errorf("the chain %s has more than the 28 characters that iptables allows", name))
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		if err := w.rule(t, name, c, r); err != nil {
			w.errs = append(w.errs, fmt.Errorf("%s: iptables has no words for %q: %w", r.Place, r.Text, err))
		}
	}
}

// rule writes a rule, and for a verdict map one for each element.
func (w *iptablesWriter) rule(t *iptablesTable, name string, c *firewall.Chain, r *firewall.Rule) error {
	if len(r.Lookup.Fields) == 0 {
		return w.one(t, name, c, r)
	}
	set := w.program.Set(r.Lookup.Set)
	if set == nil {
		return fmt.Errorf("there is no map %s", r.Lookup.Set)
	}
	elements := slices.Clone(set.Elements)
	slices.SortStableFunc(elements, func(a, b firewall.Element) int { return cmp.Compare(a.Place.Line, b.Place.Line) })
	for i := range elements {
		e := &elements[i]
		one := *r
		one.Lookup, one.Verdict, one.Place = firewall.Lookup{}, e.Verdict, e.Place
		one.Matches = slices.Clone(r.Matches)
		first, last := firewall.SplitKey(set.Key, e.From), firewall.SplitKey(set.Key, e.Last())
		for j, f := range set.Key {
			m := firewall.Match{Field: f, From: first[j]}
			if !bytes.Equal(first[j], last[j]) {
				m.To = last[j]
			}
			one.Matches = append(one.Matches, m)
		}
		if err := w.one(t, name, c, &one); err != nil {
			return err
		}
	}
	return nil
}

// one writes a rule without a map.
func (w *iptablesWriter) one(t *iptablesTable, name string, c *firewall.Chain, r *firewall.Rule) error {
	o := &optionWriter{iptablesWriter: w, matches: [][]string{nil}}
	for i := range r.Matches {
		if r.Matches[i].Field == firewall.TransportProtocol && !r.Matches[i].Not && r.Matches[i].Set == "" {
			o.protocol = r.Matches[i].From[0]
		}
	}
	for i := range r.Matches {
		if err := o.match(&r.Matches[i]); err != nil {
			return err
		}
	}
	if o.never {
		return nil
	}
	if r.Effects.ClampMSS {
		return w.clamp(c, r, o)
	}
	ends, err := w.ends(t, r)
	if err != nil {
		return err
	}
	comment := iptablesComment(r)
	if len(o.excluded) == 0 && (r.Effects.Limit == nil || len(ends) == 1 && len(o.matches) == 1) {
		return w.lines(t, name, o.matches, ends, comment)
	}
	// From the chain of its own it would come back to the rule's chain.
	if r.Verdict.Kind == firewall.Return || r.Verdict.Kind == firewall.Goto {
		return errors.New("a return or goto with a limit, a log or a list that is excluded")
	}
	return w.helper(t, name, o, ends, comment)
}

func (w *iptablesWriter) lines(t *iptablesTable, name string, matches [][]string, ends []string, comment string) error {
	for _, m := range matches {
		for _, end := range ends {
			t.rules = append(t.rules, strings.Join(slices.Concat([]string{"-A", name}, m, []string{comment + end}), " "))
		}
	}
	return nil
}

// helper puts what must happen once, such as a limit, into a chain of its own, which
// first returns for all that is excluded.
func (w *iptablesWriter) helper(t *iptablesTable, name string, o *optionWriter, ends []string, comment string) error {
	w.helpers++
	chain := fmt.Sprintf("wirelab-%d", w.helpers)
	t.chains = append(t.chains, fmt.Sprintf(":%s - [0:0]", chain))
	for _, m := range o.matches {
		t.rules = append(t.rules, strings.Join(slices.Concat([]string{"-A", name}, m, []string{comment + "-j", chain}), " "))
	}
	for _, m := range o.excluded {
		t.rules = append(t.rules, strings.Join(slices.Concat([]string{"-A", chain}, m, []string{"-j", "RETURN"}), " "))
	}
	limit, rest := splitLimit(ends)
	if limit != "" && len(rest) > 1 {
		t.rules = append(t.rules, fmt.Sprintf("-A %s %s -j %s-in", chain, limit, chain))
		t.chains = append(t.chains, fmt.Sprintf(":%s-in - [0:0]", chain))
		chain, limit = chain+"-in", ""
	}
	protocol := "" // that a reset asks for where it is written
	if o.protocol != 0 {
		protocol = fmt.Sprintf("-p %d ", o.protocol)
	}
	for _, end := range rest {
		t.rules = append(t.rules, strings.Join(strings.Fields("-A "+chain+" "+protocol+limit), " ")+" "+end)
	}
	return nil
}

// splitLimit separates the limit, which ends begin with.
func splitLimit(ends []string) (limit string, rest []string) {
	for _, e := range ends {
		before, after, found := strings.Cut(e, limitMark)
		if found {
			limit, e = before, after
		}
		rest = append(rest, e)
	}
	return limit, rest
}

// limitMark stands between a limit and what follows it until the line is written.
const limitMark = "\x00"

func iptablesComment(r *firewall.Rule) string {
	text := comment(r.Place.File, r.Place.Line)
	if text == "" {
		return ""
	}
	return "-m comment --" + text + " "
}

// clamp writes the lowering of the MSS, which iptables does in its table mangle.
func (w *iptablesWriter) clamp(c *firewall.Chain, r *firewall.Rule, o *optionWriter) error {
	if c.Hook == firewall.NoHook || r.Verdict.Kind != firewall.Continue || len(o.excluded) > 0 || r.Effects.Limit != nil || r.Effects.Log != nil {
		return errors.New("clamp-mss in a chain of its own, or with other effects")
	}
	t := w.table("mangle")
	if !t.known[builtins[c.Hook]] {
		t.known[builtins[c.Hook]] = true
		t.chains = append(t.chains, fmt.Sprintf(":%s ACCEPT [0:0]", builtins[c.Hook]))
	}
	return w.lines(t, builtins[c.Hook], o.matches, []string{"-j TCPMSS --clamp-mss-to-pmtu"}, iptablesComment(r))
}

// text puts the tables together.
func (w *iptablesWriter) text() []byte {
	var b bytes.Buffer
	tool := map[firewall.Family]string{firewall.IPv4: "iptables-restore", firewall.IPv6: "ip6tables-restore"}[w.family]
	fmt.Fprintf(&b, "# For %s. It replaces the tables in it whole, whoever made them.\n", tool)
	for _, name := range []string{"mangle", "nat", "filter"} {
		t := w.tables[name]
		if t == nil {
			continue
		}
		fmt.Fprintf(&b, "*%s\n", name)
		// A chain of the kernel's that is not named would keep the policy that it has.
		for _, builtin := range []string{"INPUT", "FORWARD", "OUTPUT"} {
			named := func(c string) bool { return strings.HasPrefix(c, ":"+builtin+" ") }
			if name == "filter" && !slices.ContainsFunc(t.chains, named) {
				fmt.Fprintf(&b, ":%s ACCEPT [0:0]\n", builtin)
			}
		}
		for _, c := range t.chains {
			fmt.Fprintln(&b, c)
		}
		for _, r := range t.rules {
			fmt.Fprintln(&b, strings.ReplaceAll(r, limitMark, " "))
		}
		b.WriteString("COMMIT\n")
	}
	return b.Bytes()
}
