package firewall

import (
	"maps"
	"slices"

	"wirelab/internal/setting"
	"wirelab/internal/spell"
)

// A jumpCheck follows the jumps of a policy from the chains that the kernel enters.
type jumpCheck struct {
	reader *policyReader
	state  map[string]int // depth below the chain, once it is known
	within []string
}

// checkJumps refuses jumps to nowhere, in circles, or deeper than the kernel goes,
// and changes of addresses where the kernel makes none.
func (r *policyReader) checkJumps() {
	c := jumpCheck{reader: r, state: map[string]int{}}
	for i := range r.policy.Chains {
		c.depth(&r.policy.Chains[i])
	}
	if len(r.errs) > 0 {
		return
	}
	for _, chain := range r.policy.Chains {
		if chain.Hook != NoHook && chain.Type != NATChain {
			c.noNAT(chain.Name, map[string]bool{})
		}
	}
}

// depth returns how many jumps may follow one another below the chain.
func (c *jumpCheck) depth(chain *PolicyChain) int {
	if d, known := c.state[chain.Name]; known {
		return d
	}
	c.within = append(c.within, chain.Name)
	defer func() { c.within = c.within[:len(c.within)-1] }()
	deepest := 0
	for i := range chain.Rules {
		rule := &chain.Rules[i]
		name := rule.Verdict.Chain
		if rule.Verdict.Kind != Jump && rule.Verdict.Kind != Goto {
			continue
		}
		target := c.reader.chains[name]
		switch {
		case target == nil || target.Hook != NoHook:
			c.nowhere(rule)
		case slices.Contains(c.within, name):
			c.reader.fail(rule.Value.Errorf("the chain %s jumps in a circle%s", name, inRule(rule.Value)))
		case len(c.within) >= maxDepth:
			c.reader.fail(rule.Value.Errorf("more than %d jumps follow one another; the kernel goes no deeper%s", maxDepth, inRule(rule.Value)))
		default:
			deepest = max(deepest, 1+c.depth(target))
		}
	}
	if deepest+len(c.within) > maxDepth+1 && len(c.reader.errs) == 0 {
		c.reader.errs = append(c.reader.errs, &setting.Error{Origin: chain.Place.String(), Place: chain.Place,
			Problem: "more jumps follow one another than the kernel goes"})
	}
	c.state[chain.Name] = deepest
	return deepest
}

func (c *jumpCheck) nowhere(rule *Clause) {
	name := rule.Verdict.Chain
	var known []string
	for _, n := range slices.Sorted(maps.Keys(c.reader.chains)) {
		if c.reader.chains[n].Hook == NoHook {
			known = append(known, n)
		}
	}
	hint := ""
	if nearest := spell.Nearest(name, known); nearest != "" {
		hint = "; did you mean " + nearest + "?"
	}
	c.reader.fail(rule.Value.Errorf("no chain %s stands under \"chains:\"%s%s", setting.Quote(name), hint, inRule(rule.Value)))
}

// noNAT refuses changes of addresses in what a filter chain jumps to.
func (c *jumpCheck) noNAT(name string, seen map[string]bool) {
	if seen[name] {
		return
	}
	seen[name] = true
	for i := range c.reader.chains[name].Rules {
		rule := &c.reader.chains[name].Rules[i]
		if rule.NAT != nil {
			c.reader.fail(rule.Value.Errorf("addresses are changed in chains that \"nat:\" alone jumps to%s", inRule(rule.Value)))
		}
		if rule.Verdict.Kind == Jump || rule.Verdict.Kind == Goto {
			c.noNAT(rule.Verdict.Chain, seen)
		}
	}
}

// IsReserved reports whether nft would read the name of a chain or a set as a word
// of its language.
func IsReserved(name string) bool { return slices.Contains(reserved, name) }

var reserved = []string{
	"accept", "add", "ah", "all", "and", "arp", "at", "bridge", "burst", "bypass", "bytes", "cgroup", "chain", "chains", "cgroupv2", "comment", "comp", "continue", "constant",
	"counter", "counters", "cpu", "create", "ct", "daddr", "day", "dccp", "define", "delete", "describe", "destroy", "device", "devices", "dnat", "drop", "dst", "dscp", "dup", "dynamic", "ecn", "element", "elements",
	"esp", "ether", "eval", "exists", "expectation", "export", "fib", "flags", "flow", "flowtable", "flowtables", "flush", "forward", "frag", "fragments", "fwd", "gc-interval", "geneve", "get", "goto", "gre", "gretap",
	"handle", "hash", "hbh", "helper", "helpers", "hook", "hour", "hoplimit", "ibridgename", "ibrname", "icmp", "icmpv6", "icmpx", "id", "igmp", "iif", "iifgroup", "iifkind", "iifname", "iiftype", "import", "in", "include", "index",
	"inet", "ingress", "input", "insert", "interval", "ip", "ip6", "ipsec", "jhash", "json", "jump", "kind", "l3proto", "label", "last", "length", "level", "limit", "limits", "list", "log", "map", "maps", "mark", "masquerade",
	"maxseg", "meta", "meter", "meters", "mh", "minute", "missing", "mod", "monitor", "nat", "netdev", "nftrace", "not", "notrack", "numgen", "obridgename", "obrname", "offset", "oif", "oifgroup", "oifkind", "oifname", "oiftype",
	"option", "optimize", "or", "original", "osf", "output", "over", "packet", "packets", "parameter-problem", "performance", "persistent", "pkttype", "policy", "postrouting", "prefix", "prerouting", "priority", "protocol", "quota", "quotas", "queue",
	"random", "rate", "redefine", "redirect", "reject", "rename", "replace", "reply", "reset", "return", "rt", "rule", "rules", "ruleset", "saddr", "sctp", "second", "secmark", "secmarks", "set", "sets", "sctp", "size", "skgid", "skuid",
	"snat", "socket", "sport", "dport", "src", "state", "status", "symhash", "synproxy", "synproxys", "table", "tables", "tcp", "th", "timeout", "to", "tproxy", "type", "typeof", "udp", "udplite", "undefine", "unconfirmed", "until",
	"update", "used", "using", "verdict", "version", "vlan", "vmap", "vxlan", "week", "with", "xfrm", "xml", "xor", "zone",
	"nat_input", "nat_output",
}
