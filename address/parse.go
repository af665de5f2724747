package address

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"wirelab/internal/setting"
	"wirelab/internal/spell"
)

// A Config is what the section addresses asks for.
type Config struct {
	State
	exclusive map[string]bool // the links of which nothing else is to stay
}

// Section describes the section addresses.
func Section() setting.Section {
	return setting.Section{
		Name: "addresses",
		Doc:  "Links, addresses, routes, policy rules and name servers of this machine. What is not named is left alone.",
		Keys: []setting.Key{
			{Name: "LINK.state", Default: "up", Allowed: "up, down, absent", Doc: "whether the link is up; absent removes a virtual one"},
			{Name: "LINK.mtu", Allowed: "68 to 65536", Doc: "largest packet in bytes; IPv6 needs 1280"},
			{Name: "LINK.mac", Allowed: "aa:bb:cc:dd:ee:ff", Doc: "hardware address"},
			{Name: "LINK.addresses", Allowed: "list of ADDRESS/LENGTH", Doc: "IPv4 and IPv6 addresses"},
			{Name: "LINK.routes", Allowed: "list of [blackhole|unreachable|prohibit] default|PREFIX [via ADDRESS] [metric N] [table N] [src ADDRESS] [mtu N] [onlink]", Doc: "routes over the link"},
			{Name: "LINK.forward", Allowed: "true, false", Doc: "whether packets that come in by the link are forwarded"},
			{Name: "LINK.accept_ra", Allowed: "off, on, always", Doc: "whether IPv6 router advertisements are obeyed; always: also while forwarding"},
			{Name: "LINK.exclusive", Allowed: "true, false", Doc: "remove the addresses and routes of the link that are not named"},
			{Name: "LINK.veth", Allowed: "name of the other end", Doc: "create a pair of links, connected by a cable"},
			{Name: "LINK.bridge", Allowed: "list of links, may be empty", Doc: "create a bridge with these ports"},
			{Name: "LINK.vlan", Allowed: "1 to 4094", Doc: "create a link for the VLAN of that number; 'over' names the link that it is on"},
			{Name: "LINK.vxlan", Allowed: "1 to 16777215", Doc: "create a link of that VXLAN network; with 'over', 'remote', 'local', 'port' (4789)"},
			{Name: "forward", Allowed: "true, false", Doc: "whether the machine forwards IPv4 and IPv6"},
			{Name: "rules", Allowed: "list of [from PREFIX] [to PREFIX] [on LINK] [mark N] table N [priority N]", Doc: "which table of routes decides; priorities count from 10000 unless given"},
			{Name: "dns", Allowed: "list of addresses", Doc: "name servers, in a resolv.conf that no other program manages"},
			{Name: "search", Allowed: "list of domains", Doc: "domains that names are looked up in"},
			{Name: "exclusive", Default: "false", Allowed: "true, false", Doc: "exclusive for all links that are named"},
		},
		Example: `addresses:
  eth1:
    addresses: [10.64.37.35/24]
    mtu: 1400
    routes: [default via 10.64.37.1]
`,
		Check: func(v setting.Value) setting.Errors { _, errs := Parse(v); return errs },
	}
}

// A parser collects what is wrong.
type parser struct {
	config    Config
	errs      setting.Errors
	all       bool // exclusive: true
	except    map[string]bool
	addresses []setting.Value // as the addresses of config, for errors about two of them
}

// Parse reads the section. All that is wrong is reported, each with its place.
func Parse(v setting.Value) (*Config, setting.Errors) {
	p := &parser{config: Config{exclusive: map[string]bool{}}, except: map[string]bool{}}
	if v.Kind != setting.Map && v.Kind != setting.Null {
		return nil, setting.Errors{v.Errorf("links are expected, not %s", v.Describe())}
	}
	keys := topKeys()
	for _, e := range v.Entries {
		if parse, ok := keys[e.Key]; ok {
			parse(p, e.Value)
			continue
		}
		p.link(e)
	}
	for _, l := range p.config.Links {
		if excepted, ok := p.except[l.Name]; ok {
			p.config.exclusive[l.Name] = excepted
		} else if p.all {
			p.config.exclusive[l.Name] = true
		}
	}
	p.check()
	if p.errs != nil {
		return nil, p.errs
	}
	return &p.config, nil
}

// topKeys are the keys of the section that are no links.
func topKeys() map[string]func(*parser, setting.Value) {
	return map[string]func(*parser, setting.Value){
		"exclusive": func(p *parser, v setting.Value) { p.all = p.yes(v) },
		"forward":   (*parser).forwardAll,
		"rules":     (*parser).rules,
		"dns":       (*parser).dns,
		"search":    (*parser).search,
	}
}

func (p *parser) fail(err *setting.Error) {
	if err != nil {
		p.errs = append(p.errs, err)
	}
}

func (p *parser) yes(v setting.Value) bool {
	switch v.Text {
	case "true", "yes", "on":
		return true
	case "false", "no", "off":
		return false
	}
	p.fail(v.Errorf("true or false is expected, not %s", v.Describe()))
	return false
}

func (p *parser) number(v setting.Value, low, high int) int {
	n, err := strconv.Atoi(v.Text)
	if v.Kind != setting.Scalar || err != nil || n < low || n > high {
		p.fail(v.Errorf("a number from %d to %d is expected, not %s", low, high, v.Describe()))
		return 0
	}
	return n
}

func (p *parser) address(v setting.Value) netip.Addr {
	a, err := netip.ParseAddr(v.Text)
	if v.Kind != setting.Scalar || err != nil {
		p.fail(v.Errorf("an address such as 10.64.37.1 is expected, not %s", v.Describe()))
	}
	return a
}

func (p *parser) texts(v setting.Value) []setting.Value {
	texts, err := v.Texts()
	p.fail(err)
	return texts
}

// linkName reads the name of a link (dev_valid_name in the kernel).
func (p *parser) linkName(v setting.Value) string {
	if v.Kind != setting.Scalar || !validName(v.Text) {
		p.fail(v.Errorf("a name of a link is expected, of at most 15 characters, not %s", v.Describe()))
		return ""
	}
	return v.Text
}

func validName(name string) bool {
	return name != "" && len(name) <= 15 && name != "." && name != ".." && !strings.ContainsAny(name, "/: \t\n\r\v\f")
}

func (p *parser) sysctl(v setting.Value, key, value string) {
	p.config.Sysctls = append(p.config.Sysctls, Sysctl{Mark{Place: v.Place}, key, value})
}

func (p *parser) forwardAll(v setting.Value) {
	value := "0"
	if p.yes(v) {
		value = "1"
	}
	p.sysctl(v, "net/ipv4/ip_forward", value)
	p.sysctl(v, "net/ipv6/conf/all/forwarding", value)
}

func (p *parser) dns(v setting.Value) {
	d := p.resolver(v)
	for _, t := range p.texts(v) {
		d.Servers = append(d.Servers, p.address(t))
	}
	const most = 3 // MAXNS of resolv.conf(5)
	if len(d.Servers) > most {
		p.fail(v.Errorf("%d name servers: programs ask the first %d only", len(d.Servers), most))
	}
}

func (p *parser) search(v setting.Value) {
	d := p.resolver(v)
	for _, t := range p.texts(v) {
		if t.Text == "" || strings.ContainsAny(t.Text, " \t#;") {
			p.fail(t.Errorf("a domain is expected, not %s", t.Describe()))
		}
		d.Search = append(d.Search, t.Text)
	}
}

func (p *parser) resolver(v setting.Value) *DNS {
	if p.config.DNS == nil {
		p.config.DNS = &DNS{Mark: Mark{Place: v.Place}}
	}
	return p.config.DNS
}

// A field is a key of a link.
type field struct {
	name  string
	parse func(p *parser, l *Link, v setting.Value)
}

func linkFields() []field {
	return []field{
		{"state", (*parser).linkState},
		{"mtu", func(p *parser, l *Link, v setting.Value) { l.MTU = p.number(v, 68, 65536) }},
		{"mac", (*parser).mac},
		{"addresses", (*parser).linkAddresses},
		{"routes", func(p *parser, l *Link, v setting.Value) {
			for _, t := range p.texts(v) {
				p.route(l.Name, t)
			}
		}},
		{"forward", (*parser).linkForward},
		{"accept_ra", (*parser).acceptRA},
		{"exclusive", func(p *parser, l *Link, v setting.Value) { p.except[l.Name] = p.yes(v) }},
		{"veth", func(p *parser, l *Link, v setting.Value) { p.kind(l, v, "veth"); l.Peer = p.linkName(v) }},
		{"bridge", (*parser).bridge},
		{"vlan", func(p *parser, l *Link, v setting.Value) { p.kind(l, v, "vlan"); l.ID = p.number(v, 1, 4094) }},
		{"vxlan", func(p *parser, l *Link, v setting.Value) { p.kind(l, v, "vxlan"); l.ID = p.number(v, 1, 1<<24-1) }},
		{"over", func(p *parser, l *Link, v setting.Value) { l.Lower = p.linkName(v) }},
		{"remote", func(p *parser, l *Link, v setting.Value) { l.Remote = p.address(v) }},
		{"local", func(p *parser, l *Link, v setting.Value) { l.Local = p.address(v) }},
		{"port", func(p *parser, l *Link, v setting.Value) { l.Port = p.number(v, 1, 65535) }},
	}
}

func (p *parser) link(e setting.Entry) {
	if !validName(e.Key) {
		p.fail(e.Errorf("%s is no name of a link: at most 15 characters, no slash, colon or space", setting.Quote(e.Key)))
		return
	}
	if e.Value.Kind != setting.Map && e.Value.Kind != setting.Null {
		p.fail(e.Value.Errorf("keys of link %s are expected, such as addresses, not %s", e.Key, e.Value.Describe()))
		return
	}
	up := true
	l := Link{Mark: Mark{Place: e.Place}, Name: e.Key, Up: &up}
	fields := linkFields()
	for _, sub := range e.Value.Entries {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == sub.Key })
		if i < 0 {
			var names []string
			for _, f := range fields {
				names = append(names, f.name)
			}
			hint := cmp.Or(spell.Nearest(sub.Key, names), strings.Join(names, ", "))
			p.fail(sub.Errorf("a link has no key %s; is %s meant?", setting.Quote(sub.Key), hint))
			continue
		}
		fields[i].parse(p, &l, sub.Value)
	}
	p.checkKind(e, l)
	p.config.Links = append(p.config.Links, l)
	if l.Kind == "veth" && l.Peer != "" {
		p.peerOf(e, l)
	}
}

// peerOf adds the other end of a pair, which may have an entry of its own.
func (p *parser) peerOf(e setting.Entry, l Link) {
	if l.Peer == l.Name {
		p.fail(e.Errorf("link %s is its own other end", l.Name))
	}
	if other := p.config.link(l.Peer); other != nil {
		other.Kind, other.Peer = "veth", l.Name
		return
	}
	p.config.Links = append(p.config.Links, Link{Mark: l.Mark, Name: l.Peer, Up: l.Up, Kind: "veth", Peer: l.Name})
}

func (p *parser) kind(l *Link, v setting.Value, kind string) {
	if l.Kind != "" && l.Kind != kind {
		p.fail(v.Errorf("link %s is a %s already", l.Name, l.Kind))
	}
	l.Kind = kind
}

func (p *parser) linkState(l *Link, v setting.Value) {
	switch v.Text {
	case "up", "down":
		up := v.Text == "up"
		l.Up = &up
	case "absent":
		l.Absent = true
	default:
		p.fail(v.Errorf("up, down or absent is expected, not %s", v.Describe()))
	}
}

func (p *parser) mac(l *Link, v setting.Value) {
	mac, err := net.ParseMAC(v.Text)
	switch {
	case err != nil || len(mac) != 6:
		p.fail(v.Errorf("a hardware address such as 02:00:00:00:00:01 is expected, not %s", v.Describe()))
	case mac[0]&1 != 0:
		p.fail(v.Errorf("%v is the address of a group: the first byte must be even", mac))
	default:
		l.MAC = mac.String()
	}
}

func (p *parser) linkForward(l *Link, v setting.Value) {
	value := "0"
	if p.yes(v) {
		value = "1"
	}
	p.sysctl(v, "net/ipv4/conf/"+l.Name+"/forwarding", value)
	p.sysctl(v, "net/ipv6/conf/"+l.Name+"/forwarding", value)
}

func (p *parser) acceptRA(l *Link, v setting.Value) {
	values := map[string]string{"off": "0", "false": "0", "on": "1", "true": "1", "always": "2"}
	value, ok := values[v.Text]
	if !ok {
		p.fail(v.Errorf("off, on or always is expected, not %s", v.Describe()))
	}
	p.sysctl(v, "net/ipv6/conf/"+l.Name+"/accept_ra", value)
}

// bridge reads the ports of a bridge. A port that has no entry of its own gets one.
func (p *parser) bridge(l *Link, v setting.Value) {
	p.kind(l, v, "bridge")
	for _, t := range p.texts(v) {
		if name := p.linkName(t); name != "" {
			up, bridge := true, l.Name
			p.config.Links = append(p.config.Links, Link{Mark: Mark{Place: t.Place}, Name: name, Up: &up, Bridge: &bridge})
		}
	}
}
