package firewall

import (
	"slices"

	"wirelab/internal/setting"
)

// TableName is the name of the one table that wirelab owns.
const TableName = "wirelab"

// A compiler makes a Program of a policy.
type compiler struct {
	policy  *Policy
	program *Program
	sets    map[string]int // names of sets, with how often a dynamic one was asked for
	errs    setting.Errors
	keys    arena
	matches []Match // room for those of the next rules
	groups  []serviceGroup
}

// Compile returns the policy as a program. A rule that no packet can ever match is
// a mistake.
func (p *Policy) Compile() (*Program, setting.Errors) {
	c := &compiler{policy: p, program: &Program{Family: AnyFamily, Table: TableName}, sets: map[string]int{}}
	for i := range p.Chains {
		if chain, wanted := c.chain(&p.Chains[i]); wanted {
			c.program.Chains = append(c.program.Chains, chain)
		}
	}
	return c.program, c.errs
}

// chain compiles one chain. A base chain that would let everything pass is not wanted.
func (c *compiler) chain(from *PolicyChain) (Chain, bool) {
	chain := Chain{Name: from.Name, Hook: from.Hook, Type: from.Type, Policy: Accept, Place: from.Place}
	rules := make([]Rule, 0, len(from.Rules))
	for i := range from.Rules {
		rules = c.clause(rules, &from.Rules[i], from)
	}
	end := c.end(from)
	wanted := from.Hook == NoHook || len(rules) > 0 || end != Accept
	chain.Rules = c.merge(c.implicit(from), from, rules)
	switch {
	case from.Type == NATChain:
		chain.Priority = natPriority(from.Hook)
	case end == Reject:
		chain.Policy = Drop
		chain.Rules = append(chain.Rules, implicitRule("policy: reject", nil, Verdict{Kind: Reject, Answer: Answer{Type: ICMPXAnswer, Code: ICMPXPortUnreachable}}))
	default:
		chain.Policy = end
	}
	return chain, wanted
}

// end returns what happens at the end of a chain.
func (c *compiler) end(chain *PolicyChain) VerdictKind {
	if chain.Type == NATChain {
		return Accept
	}
	switch chain.Hook {
	case Input:
		return c.policy.In
	case Output:
		return c.policy.Out
	case Forward:
		return c.policy.Forward
	}
	return Accept
}

// natPriority is where nft puts nat: dstnat and srcnat.
func natPriority(h Hook) int32 {
	if h == Postrouting || h == Input {
		return 100
	}
	return -100
}

// clause appends what a rule of the policy becomes: one rule for each family and
// protocol that it has to tell apart.
func (c *compiler) clause(all []Rule, rule *Clause, chain *PolicyChain) []Rule {
	before := len(all)
	c.groups = serviceGroups(c.groups[:0], rule.Services)
	for _, family := range c.families(rule) {
		for i := range c.groups {
			if !c.groups[i].possible(family) {
				continue
			}
			if !rule.needsSplit() {
				all = append(all, c.rule(rule, chain, family, &c.groups[i]))
				continue
			}
			for _, one := range rule.split() {
				all = append(all, c.rule(&one, chain, family, &c.groups[i]))
			}
		}
	}
	if len(all) == before {
		c.errs = append(c.errs, rule.Value.Errorf("no packet can match: its addresses, its protocol and its family do not go together%s", inRule(rule.Value)))
	}
	return all
}

// families returns the families that a rule must be written for; AnyFamily alone
// where it looks at nothing that differs.
func (c *compiler) families(rule *Clause) []Family {
	both := []Family{IPv4, IPv6}
	switch {
	case rule.Family != 0:
		both = []Family{rule.Family}
	case rule.Sources.empty() && rule.Targets.empty() && !rule.PerHost:
		return []Family{AnyFamily}
	case len(rule.Sources.Ranges) == 0 && len(rule.Targets.Ranges) == 0 && !rule.PerHost:
		return []Family{AnyFamily} // a type of address is one for both
	}
	var families []Family
	for _, f := range both {
		if c.policy.Family != AnyFamily && c.policy.Family != f || !rule.Sources.has(f) || !rule.Targets.has(f) {
			continue
		}
		families = append(families, f)
	}
	return families
}

// has reports whether a packet of the family can have such an end.
func (e Ends) has(f Family) bool {
	return len(e.Ranges) == 0 || e.Not || slices.ContainsFunc(e.Ranges, func(r Range) bool { return r.Family() == f })
}

// rule compiles a rule for one family and one group of services.
func (c *compiler) rule(rule *Clause, chain *PolicyChain, family Family, group *serviceGroup) Rule {
	m := &matcher{compiler: c, begin: len(c.matches)}
	if family != AnyFamily {
		m.equal(NetworkProtocol, []byte{byte(family)})
	}
	m.interfaces(InInterface, rule.In)
	m.interfaces(OutInterface, rule.Out)
	m.ends(rule.Sources, family, IPv4Source, IPv6Source, SourceType)
	m.ends(rule.Targets, family, IPv4Destination, IPv6Destination, DestinationType)
	m.service(group, rule.Ports)
	m.flags(rule.Flags)
	m.bits(ConnectionState, rule.State)
	m.bits(ConnectionStatus, rule.Status)
	for _, r := range rule.Origin.Ranges {
		m.ports(OriginalPort, Ports{Not: rule.Origin.Not, Ranges: []PortRange{r}})
	}
	m.casts(rule.Casts)
	m.mark(PacketMark, rule.Mark)
	m.mark(ConnectionMark, rule.ConnMark)
	compiled := Rule{Matches: c.matches[m.begin:len(c.matches):len(c.matches)], Verdict: rule.Verdict, Place: rule.Value.Place, Text: rule.Value.Text}
	compiled.Effects = Effects{Counter: c.policy.Counters || rule.Count, Log: rule.Log, ClampMSS: rule.ClampMSS, NAT: rule.NAT, Limit: rule.Limit}
	if rule.PerHost {
		limit := *rule.Limit
		limit.Source = IPv4Source
		if family == IPv6 {
			limit.Source = IPv6Source
		}
		limit.Set = c.dynamicSet(chain, rule, &limit)
		compiled.Effects.Limit = &limit
	}
	compiled.Hash = compiled.sum()
	return compiled
}

// needsSplit reports whether the rule has a list that no set can hold.
func (r *Clause) needsSplit() bool {
	return len(r.In.Names) > 1 && r.In.wild() || len(r.Out.Names) > 1 && r.Out.wild() || len(r.Origin.Ranges) > 1
}

// split cuts a rule into several where it has a list that no set can hold: names
// of interfaces with "*", and original ports.
func (r *Clause) split() []Clause {
	rules := []Clause{*r}
	cut := func(n int, set func(one *Clause, i int)) {
		before := rules
		rules = nil
		for _, rule := range before {
			for i := range n {
				one := rule
				set(&one, i)
				rules = append(rules, one)
			}
		}
	}
	if i := r.In; len(i.Names) > 1 && i.wild() && !i.Not {
		cut(len(i.Names), func(one *Clause, n int) { one.In.Names = i.Names[n : n+1] })
	}
	if i := r.Out; len(i.Names) > 1 && i.wild() && !i.Not {
		cut(len(i.Names), func(one *Clause, n int) { one.Out.Names = i.Names[n : n+1] })
	}
	if p := r.Origin; len(p.Ranges) > 1 && !p.Not {
		cut(len(p.Ranges), func(one *Clause, n int) { one.Origin.Ranges = p.Ranges[n : n+1] })
	}
	return rules
}

// A serviceGroup is what one rule says of the protocol.
type serviceGroup struct {
	Service
	types []PortRange // of ICMP, several
}

// possible reports whether packets of the family can have the protocol.
func (g *serviceGroup) possible(f Family) bool {
	if g.NotProto || f == AnyFamily || g.Type < 0 {
		return true
	}
	return (g.Protocol == protocolICMPv6) == (f == IPv6)
}

// serviceGroups appends services, joined where those of one protocol differ in their
// ports, or in
// types of ICMP.
func serviceGroups(groups []serviceGroup, services []Service) []serviceGroup {
	if len(services) == 0 {
		return append(groups, serviceGroup{Service: Service{Type: -1, Code: -1}})
	}
	for _, s := range services {
		if i := joinable(groups, s); i >= 0 {
			groups[i].Ports = joinPorts(append(groups[i].Ports, s.Ports...))
			if s.Type >= 0 {
				groups[i].types = joinPorts(append(groups[i].types, PortRange{uint16(s.Type), uint16(s.Type)}))
			}
			continue
		}
		g := serviceGroup{Service: s}
		g.Ports = joinPorts(s.Ports)
		if s.Type >= 0 && s.Code < 0 && !s.NotType {
			g.types = []PortRange{{uint16(s.Type), uint16(s.Type)}}
		}
		groups = append(groups, g)
	}
	return groups
}

// joinable returns the group that the service can go into, or -1.
func joinable(groups []serviceGroup, s Service) int {
	for i, g := range groups {
		ports := len(g.Ports) > 0 && len(s.Ports) > 0 && !g.NotPorts && !s.NotPorts
		types := len(g.types) > 0 && s.Type >= 0 && s.Code < 0 && !s.NotType
		if g.Protocol == s.Protocol && !g.NotProto && !s.NotProto && (ports || types) {
			return i
		}
	}
	return -1
}
