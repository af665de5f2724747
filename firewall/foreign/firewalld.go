package foreign

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"

	"wirelab/firewall"
)

// A zone is a zone of firewalld, firewalld.zone(5).
type zone struct {
	XMLName    xml.Name `xml:"zone"`
	Target     string   `xml:"target,attr"`
	Interfaces []struct {
		Name string `xml:"name,attr"`
	} `xml:"interface"`
	Sources  []zoneSource  `xml:"source"`
	Services []zoneService `xml:"service"`
	Ports    []zonePort    `xml:"port"`
	From     []zonePort    `xml:"source-port"`
	Protocol []struct {
		Value string `xml:"value,attr"`
	} `xml:"protocol"`
	Blocks []struct {
		Name string `xml:"name,attr"`
	} `xml:"icmp-block"`
	Inversion  *struct{}  `xml:"icmp-block-inversion"`
	Masquerade *struct{}  `xml:"masquerade"`
	Forward    *struct{}  `xml:"forward"`
	Forwards   []zonePort `xml:"forward-port"`
	Rules      []zoneRule `xml:"rule"`
}

type zoneSource struct {
	Address string `xml:"address,attr"`
	Invert  string `xml:"invert,attr"`
	Mac     string `xml:"mac,attr"`
	IPSet   string `xml:"ipset,attr"`
}

type zoneService struct {
	Name string `xml:"name,attr"`
}

type zonePort struct {
	Port     string `xml:"port,attr"`
	Protocol string `xml:"protocol,attr"`
	ToPort   string `xml:"to-port,attr"`
	ToAddr   string `xml:"to-addr,attr"`
}

type zoneAction struct {
	Limit *zoneLimit `xml:"limit"`
	Type  string     `xml:"type,attr"`
}

type zoneLimit struct {
	Value string `xml:"value,attr"`
}

type zoneRule struct {
	Family      string       `xml:"family,attr"`
	Priority    int          `xml:"priority,attr"`
	Source      *zoneSource  `xml:"source"`
	Destination *zoneSource  `xml:"destination"`
	Service     *zoneService `xml:"service"`
	Port        *zonePort    `xml:"port"`
	Protocol    *struct {
		Value string `xml:"value,attr"`
	} `xml:"protocol"`
	SourcePort *zonePort    `xml:"source-port"`
	Masquerade *struct{}    `xml:"masquerade"`
	ICMPType   *zoneService `xml:"icmp-type"`
	ICMPBlock  *zoneService `xml:"icmp-block"`
	ForwardTo  *zonePort    `xml:"forward-port"`
	Log        *struct {
		Prefix string     `xml:"prefix,attr"`
		Level  string     `xml:"level,attr"`
		Limit  *zoneLimit `xml:"limit"`
	} `xml:"log"`
	Audit  *struct{}   `xml:"audit"`
	Accept *zoneAction `xml:"accept"`
	Reject *zoneAction `xml:"reject"`
	Drop   *zoneAction `xml:"drop"`
	Mark   *struct{}   `xml:"mark"`
}

// A zoneReader writes a zone as lines of a policy, in the order in which firewalld
// tries them: what is logged, what is denied, what is let in.
type zoneReader struct {
	result           Result
	log, deny, allow []string
	nat              []string
}

// Firewalld reads a zone of firewalld: an XML file of firewalld.zone(5).
func Firewalld(name string, text []byte) (Result, error) {
	var z zone
	decoder := xml.NewDecoder(bytes.NewReader(text))
	decoder.CharsetReader = nil
	if err := decoder.Decode(&z); err != nil {
		return Result{}, fmt.Errorf("%s: not a zone of firewalld: %w", name, err)
	}
	r := &zoneReader{}
	for _, s := range z.Services {
		r.take("service "+s.Name, func() error { return r.service("accept", s.Name, "") })
	}
	for _, p := range z.Ports {
		r.take("port "+p.Port, func() error { return r.port("accept", p, "") })
	}
	for _, p := range z.From {
		r.take("source-port "+p.Port, func() error { return r.add("accept", p.Protocol+" sport "+p.Port) })
	}
	for _, p := range z.Protocol {
		r.take("protocol "+p.Value, func() error { return r.protocol("accept", p.Value, "") })
	}
	for _, b := range z.Blocks {
		r.take("icmp-block "+b.Name, func() error { return r.icmp("reject with admin-prohibited", b.Name, "") })
	}
	for i := range z.Rules {
		r.take("rule", func() error { return r.rich(&z.Rules[i]) })
	}
	r.translations(&z)
	r.write(&z, name)
	return r.result, nil
}

// take takes a part of the zone whole, or not at all.
func (r *zoneReader) take(what string, part func() error) {
	before := *r
	if err := part(); err != nil {
		*r = before
		r.result.Left = append(r.result.Left, Left{Text: what, Why: err.Error()})
	}
}

// add adds a rule where firewalld tries it.
func (r *zoneReader) add(verb string, parts ...string) error {
	line := strings.Join(strings.Fields(verb+" "+strings.Join(parts, " ")), " ")
	for _, c := range line {
		if c < ' ' || c == '\'' {
			return errors.New("a character that no rule has")
		}
	}
	switch word, _, _ := strings.Cut(verb, " "); word {
	case "continue":
		r.log = append(r.log, line)
	case "accept":
		r.allow = append(r.allow, line)
	default:
		r.deny = append(r.deny, line)
	}
	return nil
}

func (r *zoneReader) service(verb, name, rest string) error {
	if !firewall.IsService(name) {
		return errors.New("a service that is not known here; write its ports into the zone")
	}
	return r.add(verb, name, rest)
}

func (r *zoneReader) port(verb string, p zonePort, rest string) error {
	if _, ok := firewall.ParseProtocol(p.Protocol); !ok || p.Port == "" {
		return errors.New("a port without a protocol that is known here")
	}
	return r.add(verb, p.Protocol+"/"+p.Port, rest)
}

func (r *zoneReader) protocol(verb, name, rest string) error {
	number, ok := firewall.ParseProtocol(name)
	if !ok {
		return errors.New("a protocol that is not known here")
	}
	return r.add(verb, firewall.Service{Protocol: number, Type: -1, Code: -1}.String(), rest)
}

func (r *zoneReader) icmp(verb, name, rest string) error {
	var words []string
	for _, p := range []uint8{protocolICMP, protocolICMPv6} {
		if n, ok := firewall.ParseICMPType(name, p); ok {
			words = append(words, firewall.Service{Protocol: p, Type: n, Code: -1}.String())
		}
	}
	if words == nil {
		return errors.New("a type of ICMP that is not known here")
	}
	return r.add(verb, strings.Join(words, ", "), rest)
}

// rich reads a rich rule, firewalld.richlanguage(5).
func (r *zoneReader) rich(rule *zoneRule) error {
	rest := map[string]string{"ipv4": "ipv4", "ipv6": "ipv6"}[rule.Family]
	for word, s := range map[string]*zoneSource{"from": rule.Source, "to": rule.Destination} {
		if s == nil {
			continue
		}
		if s.Address == "" || s.Mac != "" || s.IPSet != "" {
			return errors.New("an end that is no address")
		}
		not := ""
		if strings.EqualFold(s.Invert, "true") || strings.EqualFold(s.Invert, "yes") {
			not = "not "
		}
		rest += " " + word + " " + not + s.Address
	}
	if rule.Audit != nil || rule.Mark != nil || rule.Priority != 0 {
		return errors.New("an audit, a mark or a priority")
	}
	if rule.Log != nil {
		logging, err := logOfZone(rule)
		if err != nil {
			return err
		}
		if err := r.element("continue", rule, rest+logging); err != nil {
			return err
		}
	}
	verb, limit, err := rule.action()
	if err != nil || verb == "" {
		return err
	}
	return r.element(verb, rule, rest+limit)
}

func logOfZone(rule *zoneRule) (string, error) {
	text := ""
	if rule.Log.Limit != nil {
		l, err := rate(rule.Log.Limit.Value, "", false)
		if err != nil {
			return "", err
		}
		text = " " + limitWords(l)
	}
	l := &firewall.Log{Prefix: rule.Log.Prefix, Level: 4}
	if rule.Log.Level != "" {
		o := &options{}
		if err := o.logLevel(rule.Log.Level); err != nil {
			return "", err
		}
		l.Level = o.log.Level
	}
	return text + " " + logWords(l), checkPrefix(l.Prefix)
}

// action returns the verb of a rich rule, with its limit.
func (rule *zoneRule) action() (verb, limit string, err error) {
	action := &zoneAction{}
	switch {
	case rule.Accept != nil:
		verb, action = "accept", rule.Accept
	case rule.Drop != nil:
		verb, action = "drop", rule.Drop
	case rule.Reject != nil:
		verb, action = "reject", rule.Reject
		if action.Type != "" {
			if _, ok := firewall.ParseAnswer(action.Type); !ok {
				return "", "", fmt.Errorf("the answer %s", action.Type)
			}
			verb += " with " + action.Type
		}
	case rule.ICMPBlock != nil:
		return "reject with admin-prohibited", "", nil
	case rule.Log == nil && rule.Masquerade == nil && rule.ForwardTo == nil:
		return "", "", errors.New("a rule that does nothing that is known here")
	}
	if action.Limit != nil {
		l, err := rate(action.Limit.Value, "", false)
		if err != nil {
			return "", "", err
		}
		limit = " " + limitWords(l)
	}
	return verb, limit, nil
}

// element adds what a rich rule is about.
func (r *zoneReader) element(verb string, rule *zoneRule, rest string) error {
	switch {
	case rule.Service != nil:
		return r.service(verb, rule.Service.Name, rest)
	case rule.Port != nil:
		return r.port(verb, *rule.Port, rest)
	case rule.Protocol != nil:
		return r.protocol(verb, rule.Protocol.Value, rest)
	case rule.SourcePort != nil:
		return r.add(verb, rule.SourcePort.Protocol+" sport "+rule.SourcePort.Port, rest)
	case rule.ICMPType != nil:
		return r.icmp(verb, rule.ICMPType.Name, rest)
	case rule.ICMPBlock != nil:
		return r.icmp(verb, rule.ICMPBlock.Name, rest)
	case rule.Masquerade != nil, rule.ForwardTo != nil:
		return errors.New("a change of addresses in a rich rule")
	}
	return r.add(verb, rest)
}

// translations adds masquerading and forwarded ports.
func (r *zoneReader) translations(z *zone) {
	if z.Inversion != nil {
		r.result.Left = append(r.result.Left, Left{Text: "icmp-block-inversion", Why: "types of ICMP that are let in, and no others"})
	}
	if z.Masquerade != nil {
		r.result.Left = append(r.result.Left, Left{Text: "masquerade", Why: "the interface that it leaves by is not in the file; write \"nat: [masquerade on NAME]\""})
	}
	for _, f := range z.Forwards {
		to := f.ToAddr
		if f.ToPort != "" {
			to += ":" + f.ToPort
		}
		verb := "forward"
		if f.ToAddr == "" {
			verb = "redirect"
		}
		if _, ok := firewall.ParseProtocol(f.Protocol); !ok || to == "" {
			r.result.Left = append(r.result.Left, Left{Text: "forward-port " + f.Port, Why: "a port to nowhere"})
			continue
		}
		r.nat = append(r.nat, fmt.Sprintf("%s %s/%s -> %s", verb, f.Protocol, f.Port, to))
	}
}

// write writes the policy.
func (r *zoneReader) write(z *zone, name string) {
	var b strings.Builder
	fmt.Fprintf(&b, "# The policy that the zone of %s amounts to.\nfirewall:\n  policy: {in: drop, out: accept, forward: drop}\n  in:\n", strings.Map(printable, name))
	list := func(indent string, lines []string) {
		for _, l := range lines {
			fmt.Fprintf(&b, "%s- %s\n", indent, quoted(l))
		}
	}
	end := []string{"accept icmp, icmpv6", "reject with admin-prohibited"}
	switch z.Target {
	case "DROP":
		end = []string{"drop"}
	case "ACCEPT":
		end = []string{"accept"}
	case "%%REJECT%%":
		end = end[1:]
	case "", "default":
	default:
		r.result.Left = append(r.result.Left, Left{Text: "target " + z.Target, Why: "a target that is not known here"})
	}
	rules := append([]string{"drop state invalid"}, r.log...)
	rules = append(append(append(rules, r.deny...), r.allow...), end...)
	if len(z.Interfaces) == 0 && len(z.Sources) == 0 {
		list("    ", rules)
	} else {
		list("    ", r.entries(z))
		b.WriteString("  chains:\n    in-zone:\n")
		list("      ", rules)
	}
	if len(r.nat) > 0 {
		b.WriteString("  nat:\n")
		list("    ", r.nat)
	}
	w := &writer{result: r.result}
	r.result.Policy, r.result.Left = w.verified([]byte(b.String()))
}

func printable(c rune) rune {
	if c < ' ' {
		return '?'
	}
	return c
}

// entries are the rules that lead into the zone.
func (r *zoneReader) entries(z *zone) []string {
	var lines []string
	for _, s := range z.Sources {
		if s.Address == "" {
			r.result.Left = append(r.result.Left, Left{Text: "source " + s.Mac + s.IPSet, Why: "a source that is no address"})
			continue
		}
		lines = append(lines, "jump in-zone from "+s.Address)
	}
	for _, i := range z.Interfaces {
		lines = append(lines, "jump in-zone on "+i.Name)
	}
	return lines
}
