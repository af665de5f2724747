package address

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"wirelab/internal/setting"
)

// linkAddresses reads the addresses of a link.
func (p *parser) linkAddresses(l *Link, v setting.Value) {
	for _, t := range p.texts(v) {
		prefix, problem := parseAddress(t.Text)
		if problem != "" {
			p.fail(t.Errorf("%s", problem))
			continue
		}
		a := Address{Mark: Mark{Place: t.Place}, Link: l.Name, Prefix: prefix, Valid: Forever, Preferred: Forever}
		switch {
		case prefix.Addr().IsLoopback():
			a.Scope = scopeHost
		case prefix.Addr().Is4() && prefix.Bits() < 31:
			a.Broadcast = broadcast(prefix)
		case prefix.Addr().IsLinkLocalUnicast() && prefix.Addr().Is6():
			a.Scope = scopeLink
		}
		p.config.Addresses = append(p.config.Addresses, a)
		p.addresses = append(p.addresses, t)
	}
}

// parseAddress reads an address that a host can have, and its prefix length.
func parseAddress(text string) (prefix netip.Prefix, problem string) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		if a, err := netip.ParseAddr(text); err == nil {
			return prefix, fmt.Sprintf("the prefix length is missing: %v/%d is this one address, %v/%d its network", a, a.BitLen(), a, a.BitLen()*3/4)
		}
		return prefix, fmt.Sprintf("an address with its prefix length is expected, such as 10.64.37.35/24, not %s", setting.Quote(text))
	}
	a, host := prefix.Addr(), prefix.Addr().BitLen()-prefix.Bits()
	switch {
	case a.Is4In6():
		return prefix, fmt.Sprintf("write %v as an IPv4 address", a)
	case a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return prefix, fmt.Sprintf("%v is the address of a group, which no link can have", a)
	case a.IsUnspecified():
		return prefix, fmt.Sprintf("%v is no address of a host", a)
	case a.Is4() && host >= 2 && prefix.Masked().Addr() == a:
		return prefix, fmt.Sprintf("%v is the network itself: all bits of the host are 0", prefix)
	case a.Is4() && host >= 2 && broadcast(prefix) == a:
		return prefix, fmt.Sprintf("%v is the broadcast address of the network: all bits of the host are 1", prefix)
	}
	return prefix, ""
}

// broadcast returns the last address of an IPv4 network.
func broadcast(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(b)
}

// network reads a prefix without bits of a host, "default", or a single address.
func network(text string) (p netip.Prefix, problem string) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), ""
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return p, fmt.Sprintf("a prefix such as 10.0.0.0/8 is expected, not %s", setting.Quote(text))
	case p != p.Masked():
		return p, fmt.Sprintf("%v has bits of a host: the network is %v", p, p.Masked())
	}
	return p, ""
}

// words walks over a rule of one line, and knows where each word stands.
type words struct {
	value  setting.Value
	rest   string
	offset int // of the word
	word   string
	err    *setting.Error
}

// next takes the next word, "" at the end.
func (w *words) next() string {
	trimmed := strings.TrimLeft(w.rest, " \t")
	w.offset = len(w.value.Text) - len(trimmed)
	end := strings.IndexAny(trimmed+" ", " \t")
	w.word, w.rest = trimmed[:end], trimmed[end:]
	return w.word
}

// fail notes the first thing that is wrong, at the present word.
func (w *words) fail(format string, args ...any) {
	if w.err == nil {
		w.err = w.value.ErrorAt(w.offset, max(len(w.word), 1), format, args...)
	}
}

func (w *words) number(after string, high uint64) uint64 {
	n, err := strconv.ParseUint(w.next(), 0, 64)
	if err != nil || n > high {
		w.fail("a number up to %d is expected after %q, not %s", high, after, setting.Quote(w.word))
	}
	return n
}

func (w *words) address(after string) netip.Addr {
	a, err := netip.ParseAddr(w.next())
	if err != nil {
		w.fail("an address is expected after %q, not %s", after, setting.Quote(w.word))
	}
	return a.Unmap()
}

func (w *words) network() netip.Prefix {
	p, problem := network(w.next())
	if problem != "" {
		w.fail("%s", problem)
	}
	return p
}

func (w *words) table() uint32 {
	for _, t := range []uint32{tableMain, tableDefault} {
		if strings.HasPrefix(strings.TrimLeft(w.rest, " \t")+" ", tableName(t)+" ") {
			w.next()
			return t
		}
	}
	t := w.number("table", 1<<32-1)
	if t == 0 || t == tableLocal {
		w.fail("table %d is the kernel's own", t)
	}
	return uint32(t)
}

// route reads a route of the section of a link.
func (p *parser) route(link string, v setting.Value) {
	w := &words{value: v, rest: v.Text}
	r := Route{Mark: Mark{Place: v.Place}, Link: link, Table: tableMain, Protocol: protoStatic}
	hop := Hop{Link: link}
	first := w.next()
	if first == "blackhole" || first == "unreachable" || first == "prohibit" {
		r.Type = first
		first = w.next()
	}
	if first != "default" {
		var problem string
		if r.Destination, problem = network(first); problem != "" {
			w.fail("%s", problem)
		}
	}
	for w.err == nil && w.next() != "" {
		w.routeOption(&r, &hop)
	}
	if w.err == nil {
		finishRoute(w, &r, hop)
	}
	if w.err != nil {
		p.fail(w.err)
		return
	}
	p.config.Routes = append(p.config.Routes, r)
}

func (w *words) routeOption(r *Route, hop *Hop) {
	switch option := w.word; option {
	case "via":
		hop.Via = w.address(option)
	case "metric":
		r.Metric = uint32(w.number(option, 1<<32-1))
	case "table":
		r.Table = w.table()
	case "src":
		r.Source = w.address(option)
	case "mtu":
		r.MTU = int(w.number(option, 65536))
	case "onlink":
		hop.OnLink = true
	default:
		w.fail("via, metric, table, src, mtu or onlink is expected, not %s", setting.Quote(option))
	}
}

// finishRoute settles the family of a default route, and what the kernel fills in.
func finishRoute(w *words, r *Route, hop Hop) {
	if !r.Destination.IsValid() {
		r.Destination = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if hop.Via.Is6() || r.Source.Is6() {
			r.Destination = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
	}
	ipv6 := r.Destination.Addr().Is6()
	switch {
	case r.Type != "" && (hop.Via.IsValid() || hop.OnLink):
		w.fail("a %s route leads nowhere, and takes no via", r.Type)
	case hop.OnLink && !hop.Via.IsValid():
		w.fail("onlink says that the gateway is on the link: via is missing")
	case ipv6 && hop.Via.IsValid() && hop.Via.Is4():
		w.fail("%v cannot be the gateway to %v: one is IPv4, the other IPv6", hop.Via, r.Destination)
	case r.Source.IsValid() && r.Source.Is6() != ipv6:
		w.fail("src %v and destination %v are not of one family", r.Source, r.Destination)
	case hop.Via.IsMulticast() || hop.Via.IsValid() && hop.Via.IsUnspecified():
		w.fail("%v cannot be a gateway", hop.Via)
	}
	if ipv6 && r.Metric == 0 {
		r.Metric = metricIPv6
	}
	if r.Type == "" {
		r.Hops = []Hop{hop}
	} else if ipv6 {
		r.Hops = []Hop{{Link: "lo"}} // where the kernel puts them
	}
}

// rules reads the policy rules.
func (p *parser) rules(v setting.Value) {
	const first = 10_000
	for i, t := range p.texts(v) {
		w := &words{value: t, rest: t.Text}
		r := Rule{Mark: Mark{Place: t.Place}, Priority: uint32(first + i)}
		for w.err == nil && w.next() != "" {
			w.ruleOption(&r)
		}
		if w.err == nil && r.Table == 0 {
			w.fail("the rule names no table")
		}
		if w.err == nil && r.From.IsValid() && r.To.IsValid() && r.From.Addr().Is4() != r.To.Addr().Is4() {
			w.fail("from %v and to %v are not of one family", r.From, r.To)
		}
		if w.err != nil {
			p.fail(w.err)
			continue
		}
		p.config.Rules = append(p.config.Rules, families(r)...)
	}
}

// families returns the rule for the families that it is about.
func families(r Rule) []Rule {
	v6 := r
	v6.IPv6 = true
	switch {
	case !r.From.IsValid() && !r.To.IsValid():
		return []Rule{r, v6}
	case r.From.IsValid() && r.From.Addr().Is6(), r.To.IsValid() && r.To.Addr().Is6():
		return []Rule{v6}
	}
	return []Rule{r}
}

func (w *words) ruleOption(r *Rule) {
	switch option := w.word; option {
	case "from":
		r.From = w.network()
	case "to":
		r.To = w.network()
	case "on":
		if r.In = w.next(); !validName(r.In) {
			w.fail("a link is expected after \"on\", not %s", setting.Quote(w.word))
		}
	case "mark":
		mark, mask, found := strings.Cut(w.next(), "/")
		n, err := strconv.ParseUint(mark, 0, 32)
		m, err2 := uint64(1<<32-1), error(nil)
		if found {
			m, err2 = strconv.ParseUint(mask, 0, 32)
		}
		if err != nil || err2 != nil {
			w.fail("a mark such as 0x10 or 0x10/0xf0 is expected, not %s", setting.Quote(w.word))
		}
		r.FWMark, r.Mask = uint32(n), uint32(m)
	case "table":
		if r.Table = w.table(); w.err == nil && r.Table == 0 {
			w.fail("table 0 is none")
		}
	case "priority":
		r.Priority = uint32(w.number(option, 32765))
	default:
		w.fail("from, to, on, mark, table or priority is expected, not %s", setting.Quote(option))
	}
}
