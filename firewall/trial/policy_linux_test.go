package trial

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"wirelab/firewall"
)

// generator makes random policies with every kind of rule, and random packets
// that have a fair chance to hit them.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) *generator { return &generator{rand.New(rand.NewPCG(seed, 12))} }

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func (g *generator) pick(from ...string) string { return from[g.IntN(len(from))] }

// The addresses of the host that policies are tried on are 10.64.37.35 and fd64::35
// on eth0, and 192.0.2.1 on eth1; all else is behind eth1.
var (
	near4  = []string{"10.64.37.1", "10.64.37.9", "10.64.37.34", "192.0.2.7", "203.0.113.9", "198.51.100.77", "10.9.9.9"}
	near6  = []string{"fd64::1", "fd64::9", "fd64::34", "2001:db8::9", "2001:db8:1::77"}
	local4 = []string{"10.64.37.35", "192.0.2.1"}
	local6 = []string{"fd64::35"}
	nets4  = []string{"10.64.37.0/24", "10.0.0.0/8", "192.0.2.0/28", "203.0.113.9", "10.64.37.1-10.64.37.9", "198.51.100.0/25", "0.0.0.0/0"}
	nets6  = []string{"fd64::/64", "fd00::/8", "2001:db8::/48", "fd64::9", "fd64::1-fd64::9", "2001:db8:1::/49"}
	ports  = []string{"22", "80", "443", "53", "1000-1010", "8000-8010", "0-21", "60000-65535"}
)

// policy returns the text of a random policy.
func (g *generator) policy() string {
	var b strings.Builder
	verdict := func() string { return g.pick("accept", "drop", "reject") }
	fmt.Fprintf(&b, "firewall:\n  policy: {in: %s, out: %s, forward: %s}\n", verdict(), verdict(), verdict())
	fmt.Fprintf(&b, "  counters: %s\n  implicit: %s\n", g.pick("true", "false"), g.pick("all", "none", "[loopback, nd]", "all"))
	fmt.Fprintf(&b, "  family: %s\n", g.pick("both", "both", "both", "ipv4", "ipv6"))
	fmt.Fprintf(&b, "  nets: {office: [\"%s\", \"%s\"], lab: [\"%s\", \"%s\", \"%s\"]}\n", g.pick(nets4...), g.pick(nets6...), g.pick(near4...), g.pick(near4...), g.pick(nets4...))
	fmt.Fprintf(&b, "  services: {app: [tcp/12345, udp/12345, tcp/8000-8010]}\n")
	g.list(&b, "  in", "in", g.IntN(10))
	g.list(&b, "  out", "out", g.IntN(6))
	g.list(&b, "  forward", "forward", g.IntN(8))
	b.WriteString("  chains:\n")
	g.list(&b, "    extra", "extra", 1+g.IntN(4))
	g.list(&b, "    more", "more", 1+g.IntN(3))
	if g.chance(40) {
		g.nat(&b)
	}
	return b.String()
}

func (g *generator) list(b *strings.Builder, key, hook string, count int) {
	if count == 0 {
		return
	}
	b.WriteString(key + ":\n")
	for i := 0; i < count; {
		// Neighbours of one shape become a map.
		run := 1
		rule := g.rule(hook)
		if g.chance(25) {
			run = 2 + g.IntN(3)
		}
		for range run {
			fmt.Fprintf(b, "%s- '%s'\n", strings.Repeat(" ", len(key)-len(strings.TrimLeft(key, " "))+2), rule)
			if g.chance(70) {
				rule = fmt.Sprintf("%s tcp/%d from 10.64.37.%d", g.pick("accept", "drop"), 20+g.IntN(4), g.IntN(12))
			}
			i++
		}
	}
}

// rule returns a random rule of a list.
func (g *generator) rule(hook string) string {
	words := []string{g.verb(hook)}
	tcp := false
	switch g.IntN(10) {
	case 0, 1:
		words = append(words, "tcp/"+g.pick(ports...))
		tcp = true
	case 2:
		words = append(words, "tcp/22,443, udp/53")
	case 3:
		words = append(words, g.pick("ssh", "app", "ping", "dns", "tcp", "udp", "icmp", "icmpv6", "gre, esp", "sctp/80"))
	case 4:
		words = append(words, g.pick("icmp/8", "icmp/3/4", "icmpv6/128, icmp/13", "icmp/!8", "icmpv6/1", "icmp/8,icmp/13,icmp/17"))
	case 5:
		words = append(words, g.pick("tcp/!22", "udp/!53", "not tcp", "not icmp", "tcp/!1000-1010"))
	case 6:
		words = append(words, "udp/"+g.pick(ports...))
	}
	words = append(words, g.ends("from", 45)...)
	words = append(words, g.ends("to", 20)...)
	words = append(words, g.interfaces(hook)...)
	if tcp && g.chance(30) {
		words = append(words, g.pick("sport 1024-65535", "sport 40000", "sport not 40000,50000", "flags syn of syn,ack,fin,rst", "flags any fin,rst", "flags syn", "flags not syn of syn,ack"))
	}
	if g.chance(15) {
		words = append(words, g.pick("state new", "state established,related", "state not invalid", "state invalid", "state untracked", "state new,invalid"))
	}
	if words[0] == "reject" && g.chance(40) {
		words = append(words, "with", g.pick("no-route", "host-unreachable", "admin-prohibited", "port-unreachable"))
		if tcp && g.chance(60) {
			words[len(words)-1] = "tcp-reset"
		}
	}
	words = append(words, g.effects(hook)...)
	return strings.Join(words, " ")
}

func (g *generator) verb(hook string) string {
	switch n := g.IntN(20); {
	case n < 8:
		return "accept"
	case n < 13:
		return "drop"
	case n < 16:
		return "reject"
	case n < 17:
		return "continue"
	case hook == "extra":
		return g.pick("return", "jump more", "goto more")
	case hook == "more":
		return "return"
	}
	return g.pick("jump extra", "goto extra", "jump more")
}

func (g *generator) ends(word string, percent int) []string {
	if !g.chance(percent) {
		return nil
	}
	not := g.pick("", "", "", "not ")
	switch g.IntN(5) {
	case 0:
		return []string{word, not + g.pick("office", "lab")}
	case 1:
		return []string{word, not + g.pick(nets4...) + ", " + g.pick(near4...)}
	case 2:
		return []string{word, not + g.pick(nets6...)}
	case 3:
		if word == "to" {
			return []string{word, g.pick("local", "not local", "multicast", "broadcast", "unicast")}
		}
	}
	return []string{word, not + g.pick(nets4...)}
}

func (g *generator) interfaces(hook string) []string {
	if !g.chance(20) || hook == "extra" || hook == "more" {
		return nil
	}
	name := g.pick("eth0", "eth1", "eth*", "not eth0", "eth0, eth1", "wg*, eth1", "absent0", "lo")
	if hook == "forward" && g.chance(40) {
		return []string{"out", g.pick("eth0", "eth1", "eth*", "not eth1")}
	}
	return []string{"on", name}
}

// effects returns limits that are never reached, and what changes no verdict.
func (g *generator) effects(hook string) (words []string) {
	if g.chance(10) {
		words = append(words, "limit 10000/second burst 10000"+g.pick("", " per source"))
	} else if g.chance(5) {
		words = append(words, "limit over 10000/second burst 10000")
	}
	if g.chance(10) {
		words = append(words, `log "seen " group 3`)
	}
	if g.chance(10) {
		words = append(words, g.pick("count", "mark 0", "mark not 0", "mark 0x1/0xff", "cast unicast", "cast multicast, broadcast"))
	}
	return words
}

func (g *generator) nat(b *strings.Builder) {
	b.WriteString("  nat:\n")
	for range 1 + g.IntN(3) {
		port := g.pick("80", "443", "8000-8010")
		rule := g.pick(
			"masquerade out eth1",
			"masquerade from 10.64.37.0/24 out eth1",
			"snat tcp from 10.0.0.0/8 out eth1 -> 192.0.2.1",
			"dnat tcp/"+port+" on eth1 -> 10.64.37.9",
			"dnat tcp/"+port+" on eth1 -> 10.64.37.34:8080",
			"dnat udp/53 -> 10.64.37.35",
			"forward tcp/"+port+" on eth1 -> 10.64.37.34:81",
			"redirect tcp/"+port+" on eth0 -> :22",
			"redirect udp/53 on eth0 -> :1000",
			"dnat tcp/"+port+" on eth1 -> [fd64::9]:80",
		)
		fmt.Fprintf(b, "    - '%s'\n", rule)
	}
}

// packet returns a random packet.
func (g *generator) packet() Packet {
	p := Packet{In: g.pick("eth0", "eth1", "eth1"), SourcePort: uint16(40000 + g.IntN(2)*10000), Flags: 2}
	near, local := near4, local4
	if g.chance(35) {
		near, local = near6, local6
	}
	p.Source, p.Destination = addr(g.pick(near...)), addr(g.pick(near...))
	switch g.IntN(10) {
	case 0, 1:
		p.In, p.Source = "", addr(g.pick(local...))
	case 2, 3:
		if p.Source == p.Destination {
			p.Destination = addr(g.pick(local...))
		}
	case 4:
		p.In, p.Destination = "eth0", g.several(p.Source)
	default:
		p.Destination = addr(g.pick(local...))
	}
	g.transport(&p)
	return p
}

// several returns an address that stands for many hosts.
func (g *generator) several(source netip.Addr) netip.Addr {
	if source.Is6() {
		return addr("ff02::1")
	}
	return addr(g.pick("224.0.0.1", "10.64.37.255", "255.255.255.255"))
}

func (g *generator) transport(p *Packet) {
	low := []uint16{22, 80, 443, 53, 1000, 1010, 8005, 0, 21, 20, 23, 12345, 60001, 65535}
	p.DestinationPort = low[g.IntN(len(low))]
	switch g.IntN(10) {
	case 0, 1, 2, 3:
		p.Protocol = 6
		if g.chance(25) {
			flags := []uint8{2, 16, 18, 4, 1, 0, 17, 41, 20, 0x22, 24}
			p.Flags = flags[g.IntN(len(flags))]
		}
	case 4, 5, 6:
		p.Protocol = 17
	case 7, 8:
		types := []uint8{8, 8, 13, 0, 3, 11, 17, 5}
		p.Protocol = 1
		if p.Source.Is6() {
			p.Protocol, types = 58, []uint8{128, 128, 129, 1, 2, 3, 135, 136, 134, 143, 131, 139}
		}
		p.Type, p.Code = types[g.IntN(len(types))], uint8(g.pick("0", "0", "4")[0]-'0')
	default:
		others := []uint8{47, 132, 50, 89}
		p.Protocol = others[g.IntN(len(others))]
	}
}

// question returns what a simulator is asked of a packet.
func (p *Packet) question() *firewall.Question {
	q := &firewall.Question{
		Protocol: p.Protocol, Source: p.Source, Destination: p.Destination, In: p.In, Outgoing: p.In == "",
		Type: p.Type, Code: p.Code,
	}
	switch p.Protocol {
	case 6:
		q.Flags = p.Flags
		fallthrough
	case 17, 132:
		q.SourcePort, q.DestinationPort = p.SourcePort, p.DestinationPort
	}
	return q
}
