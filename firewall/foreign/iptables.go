package foreign

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"wirelab/firewall"
	"wirelab/internal/setting"
)

// An iptablesReader reads the text of iptables-save, or a script of iptables commands.
type iptablesReader struct {
	file   string
	family firewall.Family
	table  string
	tables map[string]*firewall.Program
	order  []string
	result Result
	line   int
	ufw    bool // some chain is one of ufw's
}

// IPTables reads the text of iptables-save or ip6tables-save, of ufw's rules files,
// or a script of iptables commands without variables. The name of the file says
// where a rule comes from. Family is that of the rules; AnyFamily: to be guessed from
// the name and the text.
func IPTables(name string, text []byte, family firewall.Family) Result {
	r := &iptablesReader{file: name, family: family, tables: map[string]*firewall.Program{}}
	if family == firewall.AnyFamily {
		r.family = guessFamily(name, text)
	}
	for line := range bytes.Lines(text) {
		if r.line++; r.line > maxLines {
			r.left(fmt.Errorf("more than %d lines; is it the right file?", maxLines), "")
			break
		}
		full := strings.TrimSpace(string(line))
		if err := r.read(full); err != nil {
			r.left(err, full)
		}
	}
	for _, name := range r.order {
		r.result.Programs = append(r.result.Programs, r.tables[name])
	}
	if r.ufw {
		r.attachUFW()
	}
	r.dropDangling()
	return r.result
}

func (r *iptablesReader) left(err error, text string) {
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	r.result.Left = append(r.result.Left, Left{Line: r.line, Text: text, Why: err.Error()})
}

// guessFamily looks for what only one of the families has.
func guessFamily(name string, text []byte) firewall.Family {
	base := strings.ToLower(path.Base(name))
	if strings.HasSuffix(base, ".v6") || strings.Contains(base, "ip6") || strings.HasSuffix(base, "6.rules") {
		return firewall.IPv6
	}
	for _, sign := range []string{"ip6tables", "icmp6-", "ipv6-icmp", "--icmpv6-type", "fe80::", "::/0", "ufw6-"} {
		if bytes.Contains(text, []byte(sign)) && !bytes.Contains(text, []byte("\niptables")) {
			return firewall.IPv6
		}
	}
	for _, word := range strings.Fields(string(text)) {
		if one, err := firewall.ParseRange(word); err == nil && one.Family() == firewall.IPv6 && strings.Contains(word, ":") {
			return firewall.IPv6
		}
	}
	return firewall.IPv4
}

var tableNames = []string{"filter", "nat", "mangle", "raw", "security"}

// read reads one line.
func (r *iptablesReader) read(line string) error {
	switch {
	case line == "" || line[0] == '#' || line == "COMMIT":
		return nil
	case line[0] == '*':
		r.table = line[1:]
		if !slices.Contains(tableNames, r.table) {
			return errors.New("no table of iptables")
		}
		r.program(r.table)
		return nil
	case line[0] == ':':
		return r.declare(strings.Fields(line[1:]))
	case line[0] == '[': // counters of iptables-save -c
		_, line, _ = strings.Cut(line, "]")
	}
	args, err := shellWords(line)
	if err != nil {
		return err
	}
	return r.command(args)
}

// program returns the program of a table, new if there is none.
func (r *iptablesReader) program(table string) *firewall.Program {
	p := r.tables[table]
	if p == nil {
		p = &firewall.Program{Family: r.family, Table: table}
		r.tables[table] = p
		r.order = append(r.order, table)
	}
	return p
}

// baseChain is a chain that iptables has built in.
type baseChain struct {
	hook     firewall.Hook
	kind     firewall.ChainType
	priority int32
}

var hooks = map[string]firewall.Hook{
	"PREROUTING": firewall.Prerouting, "INPUT": firewall.Input, "FORWARD": firewall.Forward, "OUTPUT": firewall.Output, "POSTROUTING": firewall.Postrouting,
}

// builtin returns what a name means in a table, if it is built in there.
func builtin(table, name string) (baseChain, bool) {
	hook, ok := hooks[name]
	if !ok {
		return baseChain{}, false
	}
	switch table {
	case "nat":
		priority := int32(-100)
		if hook == firewall.Postrouting || hook == firewall.Input {
			priority = 100
		}
		return baseChain{hook, firewall.NATChain, priority}, hook != firewall.Forward
	case "mangle":
		return baseChain{hook, firewall.FilterChain, -150}, true
	case "raw":
		return baseChain{hook, firewall.FilterChain, -300}, hook == firewall.Prerouting || hook == firewall.Output
	case "security":
		return baseChain{hook, firewall.FilterChain, 50}, hook != firewall.Prerouting && hook != firewall.Postrouting
	}
	return baseChain{hook, firewall.FilterChain, 0}, hook != firewall.Prerouting && hook != firewall.Postrouting
}

// chain returns a chain of the present table, new if create is set.
func (r *iptablesReader) chain(table, name string, create bool) *firewall.Chain {
	p := r.program(table)
	if c := p.Chain(name); c != nil || !create {
		if c == nil {
			if _, ok := builtin(table, name); ok {
				return r.chain(table, name, true)
			}
		}
		return c
	}
	c := firewall.Chain{Name: name, Policy: firewall.Accept, Place: r.place()}
	if base, ok := builtin(table, name); ok {
		c.Hook, c.Type, c.Priority = base.hook, base.kind, base.priority
	}
	p.Chains = append(p.Chains, c)
	r.ufw = r.ufw || strings.HasPrefix(name, "ufw-") || strings.HasPrefix(name, "ufw6-")
	return &p.Chains[len(p.Chains)-1]
}

func (r *iptablesReader) place() setting.Place {
	return setting.Place{File: r.file, Line: r.line, Column: 1}
}

// declare reads ":INPUT DROP [0:0]".
func (r *iptablesReader) declare(words []string) error {
	if len(words) < 2 || r.table == "" {
		return errors.New("expected :CHAIN POLICY within a table")
	}
	return r.setPolicy(r.table, words[0], words[1])
}

func (r *iptablesReader) setPolicy(table, name, policy string) error {
	c := r.chain(table, name, true)
	switch {
	case policy == "DROP" && c.Hook != firewall.NoHook:
		c.Policy = firewall.Drop
	case policy == "ACCEPT" && c.Hook != firewall.NoHook:
		c.Policy = firewall.Accept
	case policy != "-" || c.Hook != firewall.NoHook:
		return fmt.Errorf("%s cannot have the policy %s", name, policy)
	}
	return nil
}

// command reads a command: "-A CHAIN …", also behind "iptables".
func (r *iptablesReader) command(args []string) error {
	table := r.table
	if len(args) > 0 && isCommand(args[0]) {
		if strings.Contains(args[0], "ip6") != (r.family == firewall.IPv6) {
			return errors.New("a command of the other family; import it by itself with --family")
		}
		args = args[1:]
		if table == "" {
			table = "filter"
		}
	}
	for i := 0; i+1 < len(args); i++ {
		if args[i] == "-t" || args[i] == "--table" {
			table = args[i+1]
			args = slices.Delete(slices.Clone(args), i, i+2)
			break
		}
	}
	if table == "" || !slices.Contains(tableNames, table) {
		return errors.New("it is in no table")
	}
	if len(args) == 0 {
		return nil
	}
	return r.run(table, args)
}

func isCommand(word string) bool {
	switch path.Base(word) {
	case "iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy", "iptables-nft", "ip6tables-nft":
		return true
	}
	return false
}

func (r *iptablesReader) run(table string, args []string) error {
	name := ""
	if len(args) > 1 {
		name = args[1]
	}
	switch verb := args[0]; {
	case (verb == "-N" || verb == "--new-chain" || verb == "--new") && name != "":
		r.chain(table, name, true)
	case (verb == "-P" || verb == "--policy") && len(args) > 2:
		return r.setPolicy(table, name, args[2])
	case verb == "-F" || verb == "--flush":
		return r.flush(table, name)
	case verb == "-X" || verb == "--delete-chain" || verb == "-Z" || verb == "--zero":
		return nil
	case (verb == "-A" || verb == "--append" || verb == "-I" || verb == "--insert") && name != "":
		c := r.chain(table, name, isCommandChain(table, name))
		if c == nil {
			return fmt.Errorf("there is no chain %s", name)
		}
		return r.appendRule(c, table, verb[1] == 'I' || verb == "--insert", args[2:])
	default:
		return fmt.Errorf("%s is not known here", verb)
	}
	return nil
}

func isCommandChain(table, name string) bool {
	_, ok := builtin(table, name)
	return ok
}

func (r *iptablesReader) flush(table, name string) error {
	if name != "" {
		c := r.chain(table, name, false)
		if c == nil {
			return fmt.Errorf("there is no chain %s", name)
		}
		c.Rules = nil
		return nil
	}
	for i := range r.program(table).Chains {
		r.program(table).Chains[i].Rules = nil
	}
	return nil
}

// appendRule adds the rules that a line becomes.
func (r *iptablesReader) appendRule(c *firewall.Chain, table string, insert bool, args []string) error {
	at := len(c.Rules)
	if insert {
		at = 0
		if len(args) > 0 && args[0] != "" && args[0][0] >= '1' && args[0][0] <= '9' {
			n := 0
			if _, err := fmt.Sscanf(args[0], "%d", &n); err != nil || n > len(c.Rules)+1 {
				return fmt.Errorf("there is no rule %s to insert before", args[0])
			}
			at, args = n-1, args[1:]
		}
	}
	o := &options{family: r.family, table: table, args: args, match: newConditions()}
	if err := o.read(); err != nil {
		return err
	}
	rules, err := o.rules()
	if err != nil {
		return err
	}
	for i := range rules {
		rules[i].Place = r.place()
		rules[i].Text = strings.Join(args, " ")
	}
	for _, set := range o.sets {
		if p := r.program(table); p.Set(set.Name) == nil {
			p.Sets = append(p.Sets, set)
		}
	}
	c.Rules = slices.Insert(c.Rules, at, rules...)
	return nil
}

// dropDangling takes out rules that jump to a chain that nothing defines.
func (r *iptablesReader) dropDangling() {
	for _, p := range r.result.Programs {
		for i := range p.Chains {
			c := &p.Chains[i]
			c.Rules = slices.DeleteFunc(c.Rules, func(rule firewall.Rule) bool {
				v := rule.Verdict
				if v.Kind != firewall.Jump && v.Kind != firewall.Goto {
					return false
				}
				target := p.Chain(v.Chain)
				if target != nil && target.Hook == firewall.NoHook {
					return false
				}
				r.result.Left = append(r.result.Left, Left{rule.Place.Line, "-A " + c.Name + " " + rule.Text, "nothing defines the target or chain " + v.Chain})
				return true
			})
		}
	}
	slices.SortStableFunc(r.result.Left, func(a, b Left) int { return a.Line - b.Line })
}

// attachUFW puts ufw's chains where ufw hangs them, if the file does not.
func (r *iptablesReader) attachUFW() {
	p := r.tables["filter"]
	if p == nil {
		return
	}
	prefix := "ufw-"
	if r.family == firewall.IPv6 {
		prefix = "ufw6-"
	}
	for base, hook := range map[string]string{"INPUT": "input", "OUTPUT": "output", "FORWARD": "forward"} {
		if c := p.Chain(base); c != nil && len(c.Rules) > 0 {
			continue
		}
		c := r.chain("filter", base, true)
		if c.Policy = firewall.Drop; base == "OUTPUT" {
			c.Policy = firewall.Accept
		}
		for _, part := range []string{"before-logging-", "before-", "user-", "after-", "after-logging-", "reject-", "track-"} {
			if p.Chain(prefix+part+hook) == nil {
				continue
			}
			// The chain may have moved in memory: take it again.
			c = p.Chain(base)
			c.Rules = append(c.Rules, firewall.Rule{Verdict: firewall.Verdict{Kind: firewall.Jump, Chain: prefix + part + hook}, Effects: firewall.Effects{Counter: true}, Text: "ufw"})
		}
	}
	r.result.Notes = append(r.result.Notes, "ufw's chains hang where ufw hangs them; its default policies are taken: deny incoming, allow outgoing, deny routed")
}

// shellWords cuts a line into words as a shell without variables would.
func shellWords(line string) ([]string, error) {
	var all []string
	var word strings.Builder
	inWord, quote := false, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == 0 && (c == ' ' || c == '\t'):
			if inWord {
				all = append(all, word.String())
				word.Reset()
				inWord = false
			}
			continue
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote && quote != 0:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
		case quote == 0 && (c == '$' || c == '`'):
			return nil, errors.New("a variable of a shell")
		case quote == 0 && c == '#' && !inWord:
			i = len(line)
			continue
		default:
			word.WriteByte(c)
		}
		inWord = true
	}
	if quote != 0 {
		return nil, errors.New("the closing quote is missing")
	}
	if inWord {
		all = append(all, word.String())
	}
	return all, nil
}
