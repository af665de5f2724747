package firewall

import (
	"net/netip"
	"slices"
)

// An implied rule is one that every policy has unless it says otherwise: what no
// host works without, and what connection tracking does not cover.
type implied struct {
	name  string
	about string
	hook  Hook
	v6    bool // a rule of IPv6 alone
	match []Match
}

// implicitNames returns the names that "implicit:" knows, in the order of the rules.
func implicitNames() []string {
	return []string{"loopback", "established", "nd", "ra", "mld", "dhcpv6", "forwarded"}
}

// impliedRules returns all implied rules. Neighbour discovery, router
// advertisements and MLD are untracked, so that no "established" lets them in
// (RFC 4890 section 4.4); a DHCPv6 reply answers a multicast and is no reply to
// connection tracking (RFC 8415 section 7.2).
func impliedRules() []implied {
	v6 := Match{Field: NetworkProtocol, From: []byte{byte(IPv6)}}
	icmp := Match{Field: TransportProtocol, From: []byte{protocolICMPv6}}
	udp := Match{Field: TransportProtocol, From: []byte{protocolUDP}}
	lo, _ := InterfaceName("lo")
	var keys arena
	linkLocal := keys.rangeMatch(IPv6Source, RangeOf(netip.MustParsePrefix("fe80::/10")))
	established := []Match{{Field: ConnectionState, Mask: host32(StateEstablished | StateRelated), From: host32(0), Not: true}}
	types := func(first, last byte) []Match {
		m := Match{Field: ICMPv6Type, From: []byte{first}}
		if last != first {
			m.To = []byte{last}
		}
		return []Match{icmp, m}
	}
	port := func(f FieldID, p uint16) Match { return Match{Field: f, From: keys.port(p)} }
	return []implied{
		{"loopback", "this host talking to itself", Input, false, []Match{{Field: InInterface, From: lo}}},
		{"established", "answers to what was let pass", Input, false, established},
		{"nd", "neighbour discovery", Input, true, types(135, 136)},
		{"ra", "router advertisements", Input, true, types(134, 134)},
		{"mld", "multicast listener discovery", Input, true, types(130, 132)},
		{"mld", "multicast listener discovery, version 2", Input, true, types(143, 143)},
		{"dhcpv6", "DHCPv6 replies", Input, true, []Match{v6, linkLocal, udp, port(DestinationPort, 546)}},
		{"established", "answers to what was let pass", Forward, false, established},
		{"forwarded", "what nat forwards to a port", Forward, false, []Match{{Field: ConnectionStatus, Mask: host32(StatusDNAT), From: host32(0), Not: true}}},
		{"loopback", "this host talking to itself", Output, false, []Match{{Field: OutInterface, From: lo}}},
		{"established", "answers to what was let pass", Output, false, established},
		{"nd", "neighbour discovery", Output, true, types(135, 136)},
		{"ra", "router solicitations", Output, true, types(133, 133)},
		{"mld", "multicast listener reports", Output, true, types(131, 132)},
		{"mld", "multicast listener reports, version 2", Output, true, types(143, 143)},
		{"dhcpv6", "DHCPv6 requests", Output, true, []Match{v6, udp, port(SourcePort, 546), port(DestinationPort, 547)}},
	}
}

func implicitRule(text string, matches []Match, verdict Verdict) Rule {
	r := Rule{Matches: matches, Verdict: verdict, Text: text, Implicit: true}
	r.Hash = r.sum()
	return r
}

// implicit returns the rules that a base chain begins with.
func (c *compiler) implicit(chain *PolicyChain) []Rule {
	var rules []Rule
	accept := Verdict{Kind: Accept}
	if other := map[Family]Family{IPv4: IPv6, IPv6: IPv4}[c.policy.Family]; other != 0 && chain.Hook != NoHook {
		only := map[Family]string{IPv4: "the policy is about IPv4 alone", IPv6: "the policy is about IPv6 alone"}[c.policy.Family]
		rules = append(rules, implicitRule(only, []Match{{Field: NetworkProtocol, From: []byte{byte(other)}}}, accept))
	}
	if chain.Type == NATChain {
		return rules
	}
	for _, i := range impliedRules() {
		if i.hook != chain.Hook || !slices.Contains(c.policy.Implicit, i.name) || i.v6 && c.policy.Family == IPv4 || i.name == "forwarded" && !c.policy.forwards() {
			continue
		}
		rules = append(rules, implicitRule(i.name+": "+i.about, i.match, accept))
	}
	return rules
}

// forwards reports whether the policy forwards a port.
func (p *Policy) forwards() bool {
	for _, chain := range p.Chains {
		if slices.ContainsFunc(chain.Rules, func(r Clause) bool { return r.Forward }) {
			return true
		}
	}
	return false
}
