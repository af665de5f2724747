// Package export writes a firewall's program as text that other tools load: nft,
// iptables-restore and ip6tables-restore, or a shell script.
package export

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"wirelab/firewall"
)

// NFT returns the program as a file for "nft -f". It replaces the program's own table
// in one step and touches no other.
func NFT(p *firewall.Program) []byte {
	w := &nftWriter{program: p}
	w.line("# %s's rules; \"nft -f\" of this file replaces the table %s %s and no other.", p.Table, p.Family, p.Table)
	w.line("table %s %s", p.Family, p.Table)
	w.line("delete table %s %s", p.Family, p.Table)
	w.line("table %s %s {", p.Family, p.Table)
	for i := range p.Sets {
		w.set(&p.Sets[i])
	}
	for i := range p.Chains {
		w.chain(&p.Chains[i])
	}
	w.line("}")
	return w.text.Bytes()
}

// NFTRule returns a rule as nft would write it.
func NFTRule(r *firewall.Rule) string { return strings.Join(nftRule(r), " ") }

type nftWriter struct {
	program *firewall.Program
	text    bytes.Buffer
}

func (w *nftWriter) line(format string, args ...any) {
	fmt.Fprintf(&w.text, format, args...)
	w.text.WriteByte('\n')
}

func (w *nftWriter) set(s *firewall.Set) {
	var types []string
	for _, f := range s.Key {
		types = append(types, f.Info().TypeName)
	}
	kind, data := "set", ""
	if s.Verdicts {
		kind, data = "map", " : verdict"
	}
	w.line("\t%s %s {", kind, s.Name)
	w.line("\t\ttype %s%s", strings.Join(types, " . "), data)
	switch {
	case s.Dynamic:
		w.line("\t\tsize %d", s.Size)
		w.line("\t\tflags dynamic,timeout")
		w.line("\t\ttimeout %s", duration(s.Timeout))
	case s.Interval:
		w.line("\t\tflags interval")
	}
	if s.Counters {
		w.line("\t\tcounter")
	}
	if len(s.Elements) > 0 {
		w.text.WriteString("\t\telements = {\n")
		for i := range s.Elements {
			w.element(s, &s.Elements[i])
		}
		w.text.WriteString("\t\t}\n")
	}
	w.line("\t}")
}

func duration(d time.Duration) string { return fmt.Sprintf("%ds", int64(d/time.Second)) }

func (w *nftWriter) element(s *firewall.Set, e *firewall.Element) {
	w.text.WriteString("\t\t\t")
	w.text.WriteString(ElementKey(s.Key, e))
	if c := comment(e.Place.File, e.Place.Line); c != "" {
		w.text.WriteString(" " + c)
	}
	if s.Verdicts {
		w.text.WriteString(" : " + e.Verdict.String())
	}
	w.text.WriteString(",\n")
}

// ElementKey returns the key of an element as nft writes it, with " . " between
// the fields.
func ElementKey(fields []firewall.FieldID, e *firewall.Element) string {
	to := e.To
	if to == nil {
		to = e.From
	}
	first, last := firewall.SplitKey(fields, e.From), firewall.SplitKey(fields, to)
	parts := make([]string, len(fields))
	for i, f := range fields {
		parts[i] = rangeText(f, first[i], last[i])
	}
	return strings.Join(parts, " . ")
}

// rangeText writes a value or a range.
func rangeText(f firewall.FieldID, from, to []byte) string {
	if to == nil || bytes.Equal(from, to) {
		return value(f, from)
	}
	a, isAddress := netip.AddrFromSlice(from)
	b, _ := netip.AddrFromSlice(to)
	if width := f.Info().Width; isAddress && f.Info().Family != 0 && width == len(from) {
		return firewall.Range{First: a, Last: b}.String()
	}
	return value(f, from) + "-" + value(f, to)
}

// value writes a value as nft reads it.
func value(f firewall.FieldID, v []byte) string {
	switch f {
	case firewall.InInterface, firewall.OutInterface:
		return `"` + f.Format(v) + `"`
	case firewall.PacketType:
		return map[string]string{"unicast": "host", "broadcast": "broadcast", "multicast": "multicast"}[f.Format(v)]
	case firewall.ConnectionDirection:
		return [...]string{"original", "reply"}[v[0]&1]
	}
	return f.Format(v)
}

func comment(file string, line int) string {
	if line == 0 {
		return ""
	}
	file = strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == '\\' || r > '~' {
			return '_'
		}
		return r
	}, file)
	return fmt.Sprintf(`comment "%s:%d"`, file[max(0, len(file)-100):], line)
}

func (w *nftWriter) chain(c *firewall.Chain) {
	w.line("\tchain %s {", c.Name)
	if c.Hook != firewall.NoHook {
		w.line("\t\ttype %s hook %s priority %d; policy %s;", c.Type, c.Hook, c.Priority, c.Policy)
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		parts := nftRule(r)
		if at := comment(r.Place.File, r.Place.Line); at != "" {
			parts = append(parts, at)
		} else if r.Implicit {
			parts = append(parts, fmt.Sprintf("comment %q", r.Text))
		}
		w.line("\t\t%s", strings.Join(parts, " "))
	}
	w.line("\t}")
}

func nftRule(r *firewall.Rule) []string {
	var parts []string
	for i := range r.Matches {
		parts = append(parts, NFTMatch(&r.Matches[i]))
	}
	parts = append(parts, nftEffects(&r.Effects)...)
	switch {
	case len(r.Lookup.Fields) > 0:
		parts = append(parts, fieldNames(r.Lookup.Fields)+" vmap @"+r.Lookup.Set)
	case r.Verdict.Kind == firewall.Reject:
		parts = append(parts, nftReject(r.Verdict.Answer))
	case r.Verdict.Kind != firewall.Continue:
		parts = append(parts, r.Verdict.String())
	}
	if len(parts) == 0 {
		parts = append(parts, "continue")
	}
	return parts
}

func fieldNames(fields []firewall.FieldID) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.String()
	}
	return strings.Join(names, " . ")
}

// NFTMatch returns a match as nft writes it.
func NFTMatch(m *firewall.Match) string {
	if m.Unknown != "" {
		return m.Unknown
	}
	name := fieldNames(slices.Concat([]firewall.FieldID{m.Field}, m.Concat))
	not := ""
	if m.Not {
		not = "!= "
	}
	switch {
	case m.Set != "":
		return name + " " + not + "@" + m.Set
	case m.Mask != nil:
		return masked(m, name, not)
	}
	return name + " " + not + rangeText(m.Field, m.From, m.To)
}

// masked writes a prefix, a name with "*", a test of bits, or a comparison behind a mask.
func masked(m *firewall.Match, name, not string) string {
	bits, prefix := firewall.PrefixLength(m.Mask)
	switch m.Field {
	case firewall.InInterface, firewall.OutInterface:
		if prefix {
			return fmt.Sprintf(`%s %s"%s*"`, name, not, m.Field.Format(m.From[:bits/8]))
		}
	case firewall.IPv4Source, firewall.IPv4Destination, firewall.IPv6Source, firewall.IPv6Destination:
		if prefix {
			return fmt.Sprintf("%s %s%s/%d", name, not, m.Field.Format(m.From), bits)
		}
		return fmt.Sprintf("%s & %s %s %s", name, m.Field.Format(m.Mask), operator(m.Not), m.Field.Format(m.From))
	case firewall.ConnectionState, firewall.ConnectionStatus:
		if m.Not && m.Field.Number(m.From) == 0 {
			return name + " " + m.Field.Format(m.Mask)
		}
	}
	return fmt.Sprintf("%s & %#x %s %#x", name, m.Field.Number(m.Mask), operator(m.Not), m.Field.Number(m.From))
}

func operator(not bool) string {
	if not {
		return "!="
	}
	return "=="
}

func nftEffects(e *firewall.Effects) []string {
	var parts []string
	if l := e.Limit; l != nil {
		parts = append(parts, nftLimit(l))
	}
	if e.Counter {
		parts = append(parts, "counter")
	}
	if l := e.Log; l != nil {
		parts = append(parts, nftLog(l))
	}
	if e.ClampMSS {
		parts = append(parts, "tcp option maxseg size set rt mtu")
	}
	if e.NAT != nil {
		parts = append(parts, nftNAT(e.NAT))
	}
	return append(parts, e.Unknown...)
}

func nftLimit(l *firewall.Limit) string {
	over := ""
	if l.Over {
		over = "over "
	}
	text := fmt.Sprintf("limit rate %s%d/%s burst %d packets", over, l.Rate, unit(l.Per), l.Burst)
	if l.Source != firewall.NoField {
		return fmt.Sprintf("add @%s { %s %s }", l.Set, l.Source, text)
	}
	return text
}

func unit(d time.Duration) string {
	switch d {
	case time.Minute:
		return "minute"
	case time.Hour:
		return "hour"
	case 24 * time.Hour:
		return "day"
	case 7 * 24 * time.Hour:
		return "week"
	}
	return "second"
}

func nftLog(l *firewall.Log) string {
	text := "log"
	if l.Prefix != "" {
		text += ` prefix "` + strings.ReplaceAll(l.Prefix, `"`, "'") + `"`
	}
	if l.HasGroup {
		return fmt.Sprintf("%s group %d", text, l.Group)
	}
	if l.Level != 4 {
		text += " level " + [...]string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"}[l.Level&7]
	}
	return text
}

func nftNAT(n *firewall.NAT) string {
	verb := [...]string{"dnat", "snat", "masquerade", "redirect"}[n.Kind&3]
	target := ""
	if n.From != nil {
		verb += " " + n.Family.String()
		target = addressRange(n)
		if n.Family == firewall.IPv6 && n.MinPort != 0 {
			target = "[" + target + "]"
		}
	}
	if n.MinPort != 0 {
		target += ":" + portRange(n)
	}
	if target != "" {
		verb += " to " + target
	}
	if n.Random {
		verb += " random"
	}
	if n.Persistent {
		verb += " persistent"
	}
	return strings.Replace(verb, "random persistent", "random,persistent", 1)
}

func addressRange(n *firewall.NAT) string {
	a, _ := netip.AddrFromSlice(n.From)
	b, _ := netip.AddrFromSlice(n.To)
	if a == b || !b.IsValid() {
		return a.String()
	}
	return a.String() + "-" + b.String()
}

func portRange(n *firewall.NAT) string {
	return firewall.PortRange{First: n.MinPort, Last: max(n.MinPort, n.MaxPort)}.String()
}

// nftReject writes an answer in nft's own names.
func nftReject(a firewall.Answer) string {
	v4 := map[uint8]string{0: "net-unreachable", 1: "host-unreachable", 2: "prot-unreachable", 3: "port-unreachable", 9: "net-prohibited", 10: "host-prohibited", 13: "admin-prohibited"}
	v6 := map[uint8]string{0: "no-route", 1: "admin-prohibited", 3: "addr-unreachable", 4: "port-unreachable", 5: "policy-fail", 6: "reject-route"}
	x := map[uint8]string{0: "no-route", 1: "port-unreachable", 2: "host-unreachable", 3: "admin-prohibited"}
	switch {
	case a.Type == firewall.ResetAnswer:
		return "reject with tcp reset"
	case a.Type == firewall.ICMPXAnswer:
		return "reject with icmpx type " + x[a.Code&3]
	case a.Family == firewall.IPv6:
		return "reject with icmpv6 type " + v6[a.Code]
	}
	return "reject with icmp type " + v4[a.Code]
}
