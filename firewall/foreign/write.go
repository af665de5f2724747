package foreign

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"wirelab/firewall"
	"wirelab/internal/setting"
)

// A writer writes programs as one policy.
type writer struct {
	result Result
	family firewall.Family
	chains []written
	names  map[string]map[string]string // of each table: its chains' names in the policy
	taken  map[string]bool              // names that are in use
	seen   map[string]int               // families of the chains under a key
	hook   firewall.Hook                // of the chain being written
}

// A written is a chain of the policy with its lines.
type written struct {
	key   string // "in", "nat.prerouting", or "chains.NAME"
	lines []string
}

// Policy writes the firewall section that the programs amount to, and returns what
// has no words in it. Asked about any packet, it answers as the programs do.
func Policy(r Result, source string) ([]byte, []Left) {
	if r.Policy != nil {
		return r.Policy, r.Left
	}
	w := &writer{result: r, family: firewall.AnyFamily, names: map[string]map[string]string{}, taken: map[string]bool{}, seen: map[string]int{}}
	w.family = onlyFamily(r.Programs)
	policies := map[string]firewall.VerdictKind{"in": firewall.Accept, "out": firewall.Accept, "forward": firewall.Accept}
	for _, p := range r.Programs {
		for i := range p.Chains {
			w.name(p, &p.Chains[i])
		}
	}
	for _, p := range r.Programs {
		for i := range p.Chains {
			w.chain(p, &p.Chains[i], policies)
		}
	}
	return w.verified(w.text(policies, source))
}

// verified reads the policy back as anyone would, and takes out the lines that
// cannot be read, so that what is printed can be used.
func (w *writer) verified(text []byte) ([]byte, []Left) {
	for range 3 {
		wrong := mistakes(text)
		if len(wrong) == 0 {
			break
		}
		lines := strings.SplitAfter(string(text), "\n")
		for i := len(wrong) - 1; i >= 0; i-- {
			at := wrong[i].Place.Line
			if at < 1 || at > len(lines) || !strings.HasPrefix(strings.TrimSpace(lines[at-1]), "- ") {
				continue
			}
			w.result.Left = append(w.result.Left, leftOf(lines[at-1], wrong[i]))
			lines[at-1] = ""
		}
		text = []byte(strings.Join(lines, ""))
	}
	return text, w.result.Left
}

func mistakes(text []byte) setting.Errors {
	file, errs := setting.Read("policy", text)
	if errs != nil {
		return errs
	}
	section, _ := file.Get("firewall")
	return firewall.Section().Check(section)
}

// leftOf says of a line of the policy which foreign line it came from.
func leftOf(line string, err *setting.Error) Left {
	rule, source, _ := strings.Cut(strings.TrimSpace(line), " # line ")
	number, _ := strconv.Atoi(source)
	return Left{Line: number, Text: strings.TrimPrefix(rule, "- "), Why: err.Problem}
}

// onlyFamily returns the family that all tables are of.
func onlyFamily(programs []*firewall.Program) firewall.Family {
	family := firewall.AnyFamily
	for i, p := range programs {
		if i > 0 && p.Family != family {
			return firewall.AnyFamily
		}
		family = p.Family
	}
	return family
}

var baseKeys = map[firewall.Hook]string{firewall.Input: "in", firewall.Output: "out", firewall.Forward: "forward"}

// name gives a chain a name that a policy takes and no other chain has.
func (w *writer) name(p *firewall.Program, c *firewall.Chain) {
	if c.Hook != firewall.NoHook {
		return
	}
	clean := strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '-' || r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return r
		}
		return '_'
	}, c.Name)
	if clean == "" || strings.ContainsRune("-.0123456789", rune(clean[0])) || firewall.IsReserved(clean) {
		clean = "c_" + clean
	}
	if w.taken[clean] {
		clean = p.Table + "_" + clean
	}
	for base, n := clean, 2; w.taken[clean]; n++ {
		clean = fmt.Sprintf("%s_%d", base, n)
	}
	w.taken[clean] = true
	table := p.Family.String() + " " + p.Table
	if w.names[table] == nil {
		w.names[table] = map[string]string{}
	}
	w.names[table][c.Name] = clean
}

func (w *writer) chainName(p *firewall.Program, name string) string {
	return w.names[p.Family.String()+" "+p.Table][name]
}

func (w *writer) left(r *firewall.Rule, c *firewall.Chain, err error) {
	text := r.Text
	if text == "" {
		text = "a rule of " + c.Name
	}
	w.result.Left = append(w.result.Left, Left{Line: r.Place.Line, Text: text, Why: err.Error()})
}

// chain writes a chain.
func (w *writer) chain(p *firewall.Program, c *firewall.Chain, policies map[string]firewall.VerdictKind) {
	if c.Hook != firewall.NoHook && len(c.Rules) == 0 && c.Policy != firewall.Drop {
		return
	}
	key := "chains." + w.chainName(p, c.Name)
	switch {
	case c.Hook == firewall.NoHook:
	case c.Type == firewall.NATChain:
		key = "nat." + c.Hook.String()
	case baseKeys[c.Hook] != "":
		key = baseKeys[c.Hook]
	default:
		w.refuse(c, fmt.Sprintf("a filter at %s has no place in a policy", c.Hook))
		return
	}
	at := slices.IndexFunc(w.chains, func(one written) bool { return one.key == key })
	seen := familyBits(p.Family)
	if at >= 0 && w.seen[key]&seen != 0 && (policies[key] == firewall.Drop || !harmless(w.chains[at].lines)) {
		w.refuse(c, fmt.Sprintf("a second chain at %s, behind one that decides, has no place in a policy", c.Hook))
		return
	}
	if at < 0 {
		at = len(w.chains)
		w.chains = append(w.chains, written{key: key})
	}
	w.seen[key] |= seen
	w.fill(p, c, at, policies)
}

// familyBits are bits for the families that a table sees.
func familyBits(f firewall.Family) int {
	return map[firewall.Family]int{firewall.IPv4: 1, firewall.IPv6: 2, firewall.AnyFamily: 3}[f]
}

// fill writes the rules of a chain and its policy. Where the policy is about both
// families and the chain about one, its own end is a rule.
func (w *writer) fill(p *firewall.Program, c *firewall.Chain, at int, policies map[string]firewall.VerdictKind) {
	rules := c.Rules
	w.hook = c.Hook
	key := w.chains[at].key
	switch one := w.family == firewall.AnyFamily && p.Family != firewall.AnyFamily; {
	case c.Hook == firewall.NoHook || c.Type == firewall.NATChain:
	case one:
		rules = slices.Clone(rules)
		for i := range rules {
			if rules[i].Verdict.Kind == firewall.Return {
				rules[i].Verdict.Kind = c.Policy
			}
		}
		if c.Policy == firewall.Drop {
			rules = append(rules, firewall.Rule{Verdict: firewall.Verdict{Kind: firewall.Drop}, Text: "policy drop"})
		}
	case c.Policy == firewall.Drop:
		policies[key] = firewall.Drop
	}
	for i := range rules {
		lines, err := w.rule(p, &rules[i])
		if err != nil {
			w.left(&rules[i], c, err)
			continue
		}
		for _, line := range lines {
			w.chains[at].lines = append(w.chains[at].lines, quoted(line)+sourceLine(rules[i].Place))
		}
	}
}

// harmless reports whether lines decide nothing that a later chain would not see:
// they log, count, or change addresses.
func harmless(lines []string) bool {
	return !slices.ContainsFunc(lines, func(l string) bool {
		verb, _, _ := strings.Cut(strings.TrimPrefix(l, "'"), " ")
		return !slices.Contains([]string{"continue", "dnat", "snat", "masquerade", "redirect"}, verb)
	})
}

func (w *writer) refuse(c *firewall.Chain, why string) {
	if c.Policy == firewall.Drop {
		w.result.Left = append(w.result.Left, Left{Line: c.Place.Line, Text: c.Name + " with policy drop", Why: why})
	}
	for i := range c.Rules {
		w.result.Left = append(w.result.Left, Left{Line: c.Rules[i].Place.Line, Text: c.Rules[i].Text, Why: why})
	}
}

// quoted writes a line as an item of a YAML list.
func quoted(line string) string {
	if strings.ContainsAny(line, "\"#'&*%@`|>[]{}") || strings.Contains(line, ": ") || strings.HasSuffix(line, ":") {
		if !strings.ContainsAny(strings.ReplaceAll(line, "->", ""), "\"#'&%@`|>{}") && !strings.Contains(line, ": ") {
			return line
		}
		return "'" + strings.ReplaceAll(line, "'", "''") + "'"
	}
	return line
}

func sourceLine(at setting.Place) string {
	if at.Line == 0 {
		return ""
	}
	return fmt.Sprintf(" # line %d", at.Line)
}

// text puts the parts together.
func (w *writer) text(policies map[string]firewall.VerdictKind, source string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# The policy that %s amounts to.\n", strings.Map(printable, source))
	for _, note := range w.result.Notes {
		fmt.Fprintf(&b, "# %s.\n", note)
	}
	fmt.Fprintf(&b, "firewall:\n  policy: {in: %s, out: %s, forward: %s}\n  implicit: none\n", policies["in"], policies["out"], policies["forward"])
	if w.family != firewall.AnyFamily {
		fmt.Fprintf(&b, "  family: %s\n", map[firewall.Family]string{firewall.IPv4: "ipv4", firewall.IPv6: "ipv6"}[w.family])
	}
	for _, key := range []string{"in", "out", "forward"} {
		w.list(&b, "  ", key, key)
	}
	w.group(&b, "nat", []string{"nat.prerouting", "nat.input", "nat.output", "nat.postrouting"})
	var chains []string
	for _, c := range w.chains {
		if strings.HasPrefix(c.key, "chains.") {
			chains = append(chains, c.key)
		}
	}
	w.group(&b, "chains", chains)
	return b.Bytes()
}

func (w *writer) group(b *bytes.Buffer, name string, keys []string) {
	head := false
	for _, key := range keys {
		if !slices.ContainsFunc(w.chains, func(c written) bool { return c.key == key }) {
			continue
		}
		if !head {
			fmt.Fprintf(b, "  %s:\n", name)
			head = true
		}
		_, last, _ := strings.Cut(key, ".")
		w.list(b, "    ", last, key)
	}
}

// list writes the rules under a key.
func (w *writer) list(b *bytes.Buffer, indent, name, key string) {
	for _, c := range w.chains {
		if c.key != key {
			continue
		}
		if len(c.lines) == 0 {
			fmt.Fprintf(b, "%s%s: []\n", indent, name)
			return
		}
		fmt.Fprintf(b, "%s%s:\n", indent, name)
		for _, line := range c.lines {
			fmt.Fprintf(b, "%s  - %s\n", indent, line)
		}
	}
}
