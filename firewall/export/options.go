package export

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"wirelab/firewall"
)

// Numbers of protocols (IANA).
const (
	protocolICMP   = 1
	protocolTCP    = 6
	protocolUDP    = 17
	protocolICMPv6 = 58
)

// An optionWriter writes the matches of one rule: alternatives of which one must
// hold, and lists that are excluded.
type optionWriter struct {
	*iptablesWriter
	protocol uint8
	matches  [][]string
	excluded [][]string
	never    bool // no packet of the family matches
}

// all adds an option that must hold.
func (o *optionWriter) all(option ...string) {
	for i := range o.matches {
		o.matches[i] = append(slices.Clip(o.matches[i]), option...)
	}
}

// any adds options of which one must hold.
func (o *optionWriter) any(options [][]string) error {
	if len(options)*len(o.matches) > 100_000 {
		return errors.New("its lists become more than 100,000 rules")
	}
	before := o.matches
	o.matches = nil
	for _, m := range before {
		for _, option := range options {
			o.matches = append(o.matches, slices.Concat(m, option))
		}
	}
	return nil
}

func (o *optionWriter) match(m *firewall.Match) error {
	switch row := m.Field.Info(); {
	case m.Unknown != "" || len(m.Concat) > 0:
		return errors.New("a match of nft alone")
	case m.Field == firewall.NetworkProtocol:
		o.never = o.never || (m.From[0] == byte(o.family)) == m.Not
		return nil
	case row.Family != 0 && row.Family != o.family, row.Protocol == protocolICMP && o.family == firewall.IPv6, row.Protocol == protocolICMPv6 && o.family == firewall.IPv4:
		o.never = true
		return nil
	}
	if m.Set != "" {
		return o.set(m)
	}
	option, err := o.option(m)
	if err == nil {
		o.all(option...)
	}
	return err
}

// set writes a list: ports fifteen at a time, anything else an option for each element.
func (o *optionWriter) set(m *firewall.Match) error {
	set := o.program.Set(m.Set)
	if set == nil {
		return fmt.Errorf("there is no set %s", m.Set)
	}
	var options [][]string
	if m.Field == firewall.SourcePort || m.Field == firewall.DestinationPort {
		options = multiport(m.Field, set.Elements)
	} else {
		for _, e := range set.Elements {
			option, err := o.option(&firewall.Match{Field: m.Field, From: e.From, To: e.To})
			if err != nil {
				return err
			}
			options = append(options, option)
		}
	}
	if !m.Not {
		return o.any(options)
	}
	if o.protocol != 0 && (m.Field == firewall.SourcePort || m.Field == firewall.DestinationPort) {
		for i := range options {
			options[i] = append([]string{"-p", fmt.Sprint(o.protocol)}, options[i]...)
		}
	}
	o.excluded = append(o.excluded, options...)
	return nil
}

// multiport writes ports as options of the module, which takes fifteen.
func multiport(f firewall.FieldID, elements []firewall.Element) [][]string {
	name := map[firewall.FieldID]string{firewall.SourcePort: "--sports", firewall.DestinationPort: "--dports"}[f]
	var options [][]string
	var ports []string
	used := 0
	flush := func() {
		if len(ports) > 0 {
			options = append(options, []string{"-m", "multiport", name, strings.Join(ports, ",")})
		}
		ports, used = nil, 0
	}
	for _, e := range elements {
		text, weight := f.Format(e.From), 1
		if e.To != nil {
			text, weight = text+":"+f.Format(e.To), 2
		}
		if used+weight > 15 {
			flush()
		}
		ports = append(ports, text)
		used += weight
	}
	flush()
	return options
}

func not(is bool, option ...string) []string {
	if is {
		return append([]string{"!"}, option...)
	}
	return option
}

// option writes a match without a set.
func (o *optionWriter) option(m *firewall.Match) ([]string, error) {
	f := m.Field
	switch f {
	case firewall.IPv4Source, firewall.IPv6Source, firewall.IPv4Destination, firewall.IPv6Destination:
		return addressOption(m)
	case firewall.InInterface, firewall.OutInterface:
		name := f.Format(m.From)
		if bits, ok := firewall.PrefixLength(m.Mask); m.Mask != nil {
			if !ok {
				return nil, errors.New("a name behind a mask")
			}
			name = f.Format(m.From[:bits/8]) + "+"
		}
		return not(m.Not, f.Info().IPTables, name), nil
	case firewall.TransportProtocol, firewall.IPv4Protocol, firewall.IPv6NextHeader:
		if m.To != nil || m.Mask != nil {
			return nil, errors.New("a range of protocols")
		}
		return not(m.Not, "-p", fmt.Sprint(m.From[0])), nil
	case firewall.SourcePort, firewall.DestinationPort:
		return o.portOption(m), nil
	case firewall.OriginalPort:
		text := f.Format(m.From)
		if m.To != nil {
			text += ":" + f.Format(m.To)
		}
		return append([]string{"-m", "conntrack"}, not(m.Not, "--ctorigdstport", text)...), nil
	}
	return o.otherOption(m)
}

func (o *optionWriter) otherOption(m *firewall.Match) ([]string, error) {
	f := m.Field
	switch f {
	case firewall.ICMPType, firewall.ICMPv6Type:
		module := map[firewall.FieldID]string{firewall.ICMPType: "icmp", firewall.ICMPv6Type: "icmp6"}[f]
		if m.To == nil {
			return append([]string{"-m", module}, not(m.Not, f.Info().IPTables, f.Format(m.From))...), nil
		}
		return nil, o.typeRange(m, module)
	case firewall.ICMPCode, firewall.ICMPv6Code:
		return nil, o.code(m)
	case firewall.TCPFlags:
		mask := byte(0x3f)
		if m.Mask != nil {
			mask = m.Mask[0]
		}
		return append([]string{"-m", "tcp"}, not(m.Not, "--tcp-flags", flagText(mask), flagText(m.From[0]))...), nil
	case firewall.ConnectionState, firewall.ConnectionStatus:
		return stateOption(m)
	case firewall.PacketMark, firewall.ConnectionMark:
		module := map[firewall.FieldID]string{firewall.PacketMark: "mark", firewall.ConnectionMark: "connmark"}[f]
		text := f.Format(m.From)
		if m.Mask != nil {
			text += "/" + f.Format(m.Mask)
		}
		return append([]string{"-m", module}, not(m.Not, "--mark", text)...), nil
	case firewall.PacketType:
		return append([]string{"-m", "pkttype"}, not(m.Not, "--pkt-type", f.Format(m.From))...), nil
	case firewall.SourceType, firewall.DestinationType:
		if o.family == firewall.IPv6 && f.Number(m.From) == firewall.AddressBroadcast {
			o.never = o.never || !m.Not // IPv6 has none
			return nil, nil
		}
		if o.family == firewall.IPv6 && f.Number(m.From) == firewall.AddressUnicast {
			if m.Not {
				return nil, errors.New("all but unicast, which in ip6tables has local addresses, too")
			}
			return []string{"-m", "addrtype", f.Info().IPTables, "UNICAST", "-m", "addrtype", "!", f.Info().IPTables, "LOCAL"}, nil
		}
		return append([]string{"-m", "addrtype"}, not(m.Not, f.Info().IPTables, strings.ToUpper(f.Format(m.From)))...), nil
	}
	return nil, fmt.Errorf("%s", f)
}

// typeRange writes a range of types, which iptables has no option for, as all of them.
func (o *optionWriter) typeRange(m *firewall.Match, module string) error {
	var options [][]string
	for n := int(m.From[0]); n <= int(m.To[0]); n++ {
		options = append(options, []string{"-m", module, m.Field.Info().IPTables, fmt.Sprint(n)})
	}
	if m.Not {
		o.excluded = append(o.excluded, options...)
		return nil
	}
	return o.any(options)
}

// code adds a code to the type that stands last.
func (o *optionWriter) code(m *firewall.Match) error {
	for i, options := range o.matches {
		n := len(options)
		if n < 2 || m.Not || m.To != nil || !strings.HasPrefix(options[n-2], "--icmp") {
			return errors.New("a code of ICMP without its type")
		}
		o.matches[i] = slices.Clone(options)
		o.matches[i][n-1] += "/" + m.Field.Format(m.From)
	}
	return nil
}

func addressOption(m *firewall.Match) ([]string, error) {
	if m.To == nil {
		text := m.Field.Format(m.From)
		if m.Mask != nil {
			text += "/" + m.Field.Format(m.Mask)
			if bits, ok := firewall.PrefixLength(m.Mask); ok {
				text = fmt.Sprintf("%s/%d", m.Field.Format(m.From), bits)
			}
		}
		return not(m.Not, m.Field.Info().IPTables, text), nil
	}
	first, ok := netip.AddrFromSlice(m.From)
	last, ok2 := netip.AddrFromSlice(m.To)
	if !ok || !ok2 {
		return nil, errors.New("a range of addresses")
	}
	if p, is := (firewall.Range{First: first, Last: last}).Prefix(); is {
		return not(m.Not, m.Field.Info().IPTables, p.String()), nil
	}
	option := map[string]string{"-s": "--src-range", "-d": "--dst-range"}[m.Field.Info().IPTables]
	return append([]string{"-m", "iprange"}, not(m.Not, option, first.String()+"-"+last.String())...), nil
}

func (o *optionWriter) portOption(m *firewall.Match) []string {
	text := m.Field.Format(m.From)
	if m.To != nil {
		text += ":" + m.Field.Format(m.To)
	}
	module := map[uint8]string{protocolTCP: "tcp", protocolUDP: "udp", 33: "dccp", 132: "sctp"}[o.protocol]
	if module == "" {
		return append([]string{"-m", "multiport"}, not(m.Not, m.Field.Info().IPTables+"s", text)...)
	}
	return append([]string{"-m", module}, not(m.Not, m.Field.Info().IPTables, text)...)
}

func flagText(bits byte) string { return strings.ToUpper(firewall.FlagNames(bits & 0x3f)) }

// stateOption writes a test of states; iptables counts SNAT and DNAT among them.
func stateOption(m *firewall.Match) ([]string, error) {
	bits, isNot := m.Mask, !m.Not
	if m.Mask == nil {
		bits, isNot = m.From, m.Not
	} else if m.Field.Number(m.From) != 0 || m.To != nil {
		return nil, fmt.Errorf("%s behind a mask", m.Field)
	}
	names := strings.ToUpper(m.Field.Format(bits))
	option := "--ctstate"
	if m.Field == firewall.ConnectionStatus && !bytes.Contains([]byte(names), []byte("NAT")) {
		option, names = "--ctstatus", strings.ReplaceAll(names, "-", "_")
	} else if m.Field == firewall.ConnectionStatus && strings.Contains(strings.NewReplacer("SNAT", "", "DNAT", "", ",", "").Replace(names)+" ", "E") {
		return nil, errors.New("nat and other states of a connection at once")
	}
	return append([]string{"-m", "conntrack"}, not(isNot, option, names)...), nil
}

// ends returns what a rule does when its matches hold: a limit in front of the
// targets, of which a log is one.
func (w *iptablesWriter) ends(t *iptablesTable, r *firewall.Rule) ([]string, error) {
	limit, err := w.limit(r)
	if err != nil {
		return nil, err
	}
	var ends []string
	if l := r.Effects.Log; l != nil {
		ends = append(ends, limit+logTarget(l))
	}
	target, err := w.verdict(t, r)
	if err != nil {
		return nil, err
	}
	if target != "" || len(ends) == 0 {
		ends = append(ends, limit+target)
	}
	return ends, nil
}

func (w *iptablesWriter) limit(r *firewall.Rule) (string, error) {
	l := r.Effects.Limit
	if l == nil {
		return "", nil
	}
	if l.Per > 24*time.Hour {
		return "", errors.New("a limit by the week")
	}
	rate := fmt.Sprintf("%d/%s", l.Rate, unit(l.Per))
	if l.Source == firewall.NoField && !l.Over {
		return fmt.Sprintf("-m limit --limit %s --limit-burst %d", rate, l.Burst) + limitMark, nil
	}
	direction, mode, name := "--hashlimit-upto", "", l.Set
	if l.Over {
		direction = "--hashlimit-above"
	}
	if l.Source != firewall.NoField {
		mode = " --hashlimit-mode srcip"
	}
	if name == "" {
		name = fmt.Sprintf("limit_%08x", uint32(r.Hash))
	}
	return fmt.Sprintf("-m hashlimit %s %s --hashlimit-burst %d%s --hashlimit-name %.15s", direction, rate, l.Burst, mode, name) + limitMark, nil
}

func logTarget(l *firewall.Log) string {
	quoted := ""
	if l.Prefix != "" {
		quoted = ` --log-prefix "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(l.Prefix[:min(len(l.Prefix), 29)]) + `"`
	}
	if l.HasGroup {
		return fmt.Sprintf("-j NFLOG --nflog-group %d%s", l.Group, strings.Replace(quoted, "--log-prefix", "--nflog-prefix", 1))
	}
	if l.Level != 4 {
		return fmt.Sprintf("-j LOG%s --log-level %d", quoted, l.Level)
	}
	return "-j LOG" + quoted
}

func (w *iptablesWriter) verdict(t *iptablesTable, r *firewall.Rule) (string, error) {
	if n := r.Effects.NAT; n != nil {
		return natTarget(n), nil
	}
	switch r.Verdict.Kind {
	case firewall.Continue:
		return "", nil
	case firewall.Jump, firewall.Goto:
		w.target(t, r.Verdict.Chain)
		return map[firewall.VerdictKind]string{firewall.Jump: "-j ", firewall.Goto: "-g "}[r.Verdict.Kind] + r.Verdict.Chain, nil
	case firewall.Reject:
		return w.reject(r.Verdict.Answer)
	}
	return "-j " + strings.ToUpper(r.Verdict.Kind.String()), nil
}

// reject writes an answer in the names of the family.
func (w *iptablesWriter) reject(a firewall.Answer) (string, error) {
	if a.Type == firewall.ICMPXAnswer {
		codes := [...]uint8{0, 3, 1, 13}
		if w.family == firewall.IPv6 {
			codes = [...]uint8{0, 4, 3, 1}
		}
		a = firewall.Answer{Type: firewall.ICMPAnswer, Code: codes[a.Code&3], Family: w.family}
	}
	name := a.AnswerName()
	if strings.Contains(name, " ") {
		return "", fmt.Errorf("the answer %s", name)
	}
	return "-j REJECT --reject-with " + name, nil
}

func natTarget(n *firewall.NAT) string {
	target := [...]string{"DNAT", "SNAT", "MASQUERADE", "REDIRECT"}[n.Kind&3]
	to := ""
	if n.From != nil {
		to = addressRange(n)
		if n.Family == firewall.IPv6 && n.MinPort != 0 {
			to = "[" + to + "]"
		}
	}
	text := "-j " + target
	switch {
	case n.Kind == firewall.DestinationNAT:
		text += " --to-destination " + to + portSuffix(n)
	case n.Kind == firewall.SourceNAT:
		text += " --to-source " + to + portSuffix(n)
	case n.MinPort != 0:
		text += " --to-ports " + portRange(n)
	}
	if n.Random {
		text += " --random"
	}
	if n.Persistent && n.Kind != firewall.Masquerade && n.Kind != firewall.Redirect {
		text += " --persistent"
	}
	return text
}

func portSuffix(n *firewall.NAT) string {
	if n.MinPort == 0 {
		return ""
	}
	return ":" + portRange(n)
}
