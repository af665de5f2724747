package firewall

import "wirelab/internal/setting"

// Section describes the firewall section of wirelab.yaml.
func Section() setting.Section {
	return setting.Section{
		Name: "firewall",
		Doc: "Which packets this host takes, sends and passes on. Rules are one line each; the first that matches decides. " +
			"Loopback, answers to what was let pass, neighbour discovery, router advertisements, MLD and DHCPv6 replies pass by themselves.",
		Example: example,
		Keys: []setting.Key{
			{Name: "policy.in", Default: "drop", Allowed: "accept, drop, reject", Doc: "what becomes of a packet for this host that no rule matches"},
			{Name: "policy.out", Default: "accept", Allowed: "accept, drop, reject", Doc: "the same for what this host sends"},
			{Name: "policy.forward", Default: "drop", Allowed: "accept, drop, reject", Doc: "the same for what passes through"},
			{Name: "in", Default: "none", Allowed: "rules", Doc: "rules for packets to this host, such as \"accept ssh from office limit 6/minute\""},
			{Name: "out", Default: "none", Allowed: "rules", Doc: "rules for packets that this host sends"},
			{Name: "forward", Default: "none", Allowed: "rules", Doc: "rules for packets that pass through"},
			{Name: "nat", Default: "none", Allowed: "rules: masquerade, snat, dnat, forward, redirect", Doc: "changes of addresses and ports, such as \"masquerade on eth0\" and \"forward tcp/80 on eth0 -> 192.168.1.1\""},
			{Name: "chains.NAME", Default: "none", Allowed: "rules", Doc: "rules that others jump to, with \"jump NAME\" or \"goto NAME\""},
			{Name: "nets.NAME", Default: "none", Allowed: "addresses, prefixes, ranges, names of nets, file PATH", Doc: "a name for addresses, of IPv4 and IPv6"},
			{Name: "services.NAME", Default: "none", Allowed: "services", Doc: "a name for protocols and ports, such as [tcp/12345, udp/8000-8010]"},
			{Name: "protect", Default: "none", Allowed: "SERVICE from ADDRESSES", Doc: "who must always be able to reach what; an apply that would cut it is refused"},
			{Name: "expect", Default: "none", Allowed: "VERDICT QUESTION", Doc: "packets with what must become of them, such as \"drop tcp 203.0.113.9 -> :22\"; checked before every apply"},
			{Name: "implicit", Default: "all", Allowed: "all, none, loopback, established, nd, ra, mld, dhcpv6, forwarded", Doc: "which rules go without saying"},
			{Name: "family", Default: "both", Allowed: "both, ipv4, ipv6", Doc: "the only family that the policy is about; the other passes"},
			{Name: "counters", Default: "true", Allowed: "true, false", Doc: "whether every rule counts, or only those that say \"count\""},
		},
		Check: check,
	}
}

const example = `firewall:
  policy: {in: drop, out: accept, forward: drop}
  nets: {office: [10.64.37.0/24, 192.0.2.7]}
  services: {app: [tcp/12345, udp/12345, tcp/8000-8010]}
  in:
    - accept ssh from office limit 6/minute
    - accept app from office
    - accept ping
  protect: [ssh from office]
  expect:
    - accept tcp 10.64.37.34 -> :12345
    - drop tcp 203.0.113.9 -> :22
`

// check returns all mistakes of the section, also those that only compiling finds.
func check(v setting.Value) setting.Errors {
	policy, errs := Parse(v)
	if len(errs) > 0 {
		return errs
	}
	_, errs = policy.Compile()
	return errs
}
