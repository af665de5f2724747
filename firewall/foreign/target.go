package foreign

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"wirelab/firewall"
)

// rules returns the rules that the options amount to.
func (o *options) rules() ([]firewall.Rule, error) {
	if err := o.limits(); err != nil {
		return nil, err
	}
	verdict, err := o.verdict()
	if err != nil {
		return nil, err
	}
	o.effects.Counter = true
	var rules []firewall.Rule
	for _, matches := range o.match.all {
		rules = append(rules, firewall.Rule{Matches: matches, Effects: o.effects, Verdict: verdict})
	}
	return rules, nil
}

func (o *options) limits() error {
	if o.limit != "" {
		l, err := rate(o.limit, o.burst, false)
		if err != nil {
			return err
		}
		o.effects.Limit = l
	} else if slices.Contains(o.modules, "limit") {
		o.effects.Limit, _ = rate("3/hour", o.burst, false) // what "-m limit" is by default
	}
	if o.hash.rate == "" {
		return nil
	}
	if o.effects.Limit != nil || o.hash.mode != "srcip" && o.hash.mode != "" {
		return errors.New("a limit that is not known here")
	}
	l, err := rate(o.hash.rate, o.hash.burst, o.hash.over)
	if err != nil {
		return err
	}
	if o.hash.mode == "srcip" {
		l.Source = firewall.IPv4Source
		if o.family == firewall.IPv6 {
			l.Source = firewall.IPv6Source
		}
	}
	o.effects.Limit = l
	return nil
}

// verdict returns what the target amounts to.
func (o *options) verdict() (firewall.Verdict, error) {
	kinds := map[string]firewall.VerdictKind{"": firewall.Continue, "ACCEPT": firewall.Accept, "DROP": firewall.Drop, "RETURN": firewall.Return, "CONTINUE": firewall.Continue}
	if kind, ok := kinds[o.target]; ok {
		return firewall.Verdict{Kind: kind}, nil
	}
	switch o.target {
	case "REJECT":
		return o.rejection()
	case "LOG":
		o.effects.Log = &o.log
		return firewall.Verdict{}, checkPrefix(o.log.Prefix)
	case "NFLOG":
		o.log.HasGroup = true
		o.effects.Log = &o.log
		return firewall.Verdict{}, checkPrefix(o.log.Prefix)
	case "TCPMSS":
		if !o.mss || o.protocol != protocolTCP {
			return firewall.Verdict{}, errors.New("TCPMSS but with --clamp-mss-to-pmtu")
		}
		o.effects.ClampMSS = true
		return firewall.Verdict{}, nil
	case "DNAT", "SNAT", "MASQUERADE", "REDIRECT":
		return firewall.Verdict{}, o.translation()
	case "MARK", "CONNMARK", "QUEUE", "NFQUEUE", "NOTRACK", "CT", "TPROXY", "CLASSIFY", "DSCP", "TOS", "TTL", "HL", "NETMAP", "SET", "TEE", "TRACE", "AUDIT", "SECMARK", "CHECKSUM":
		return firewall.Verdict{}, fmt.Errorf("the target %s is not known here", o.target)
	}
	return firewall.Verdict{Kind: o.jump, Chain: o.target}, nil
}

// checkPrefix refuses what a rule of a policy could not quote.
func checkPrefix(prefix string) error {
	if strings.ContainsAny(prefix, "\"\\") || strings.ContainsFunc(prefix, func(r rune) bool { return r < ' ' || r == 0xfffd }) {
		return errors.New("quotes or control characters in the prefix of a log")
	}
	return nil
}

func (o *options) rejection() (firewall.Verdict, error) {
	v := firewall.Verdict{Kind: firewall.Reject}
	name := o.reject
	if name == "" {
		name = map[firewall.Family]string{firewall.IPv4: "icmp-port-unreachable", firewall.IPv6: "icmp6-port-unreachable"}[o.family]
	}
	aliases := map[string]string{
		"net-unreach": "icmp-net-unreachable", "host-unreach": "icmp-host-unreachable", "proto-unreach": "icmp-proto-unreachable", "port-unreach": "icmp-port-unreachable",
		"net-prohib": "icmp-net-prohibited", "host-prohib": "icmp-host-prohibited", "admin-prohib": "icmp-admin-prohibited", "tcp-rst": "tcp-reset",
		"no-route": "icmp6-no-route", "adm-prohibited": "icmp6-adm-prohibited", "addr-unreach": "icmp6-addr-unreachable",
	}
	if full, ok := aliases[name]; ok {
		name = full
	}
	if o.family == firewall.IPv6 && name == "icmp-port-unreachable" {
		name = "icmp6-port-unreachable"
	}
	answer, ok := firewall.ParseAnswer(name)
	if !ok || answer.Type == firewall.ICMPAnswer && answer.Family != o.family {
		return v, fmt.Errorf("the answer %s is not known here", o.reject)
	}
	if answer.Type == firewall.ResetAnswer && o.protocol != protocolTCP {
		return v, errors.New("tcp-reset without -p tcp")
	}
	v.Answer = answer
	return v, nil
}

// translation reads where a NAT target leads to.
func (o *options) translation() error {
	kinds := map[string]firewall.NATKind{"DNAT": firewall.DestinationNAT, "SNAT": firewall.SourceNAT, "MASQUERADE": firewall.Masquerade, "REDIRECT": firewall.Redirect}
	n := &firewall.NAT{Kind: kinds[o.target], Family: o.family, Random: o.nat.random, Persistent: o.nat.persistent}
	o.effects.NAT = n
	addresses, ports := firewall.SplitTarget(o.nat.to)
	if o.nat.ports != "" {
		ports = o.nat.ports
	}
	if addresses != "" {
		one, err := parseAddress(addresses)
		if err != nil {
			return err
		}
		if one.Family() != o.family {
			return errors.New("an address of the other family")
		}
		n.From, n.To = one.First.AsSlice(), one.Last.AsSlice()
	}
	if ports != "" {
		first, last, isRange := strings.Cut(ports, "-")
		if !isRange {
			last = first
		}
		a, err := strconv.ParseUint(first, 10, 16)
		b, err2 := strconv.ParseUint(last, 10, 16)
		if err != nil || err2 != nil || a == 0 || b < a || !firewall.HasPorts(o.protocol) {
			return fmt.Errorf("%q are no ports to map to", ports)
		}
		n.MinPort, n.MaxPort = uint16(a), uint16(b)
	}
	switch {
	case (n.Kind == firewall.DestinationNAT || n.Kind == firewall.SourceNAT) && n.From == nil && n.MinPort == 0:
		return fmt.Errorf("%s to nowhere", o.target)
	case n.Kind == firewall.Redirect && n.MinPort == 0:
		return errors.New("REDIRECT without a port")
	}
	return nil
}
