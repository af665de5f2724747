package address

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"wirelab/internal/setting"
)

// read parses a section, given without its name.
func read(t interface {
	Helper()
	Fatal(...any)
}, text string,
) (*Config, setting.Errors) {
	t.Helper()
	file, errs := setting.Read("wirelab.yaml", []byte("addresses:\n"+indent(text)))
	if errs != nil {
		t.Fatal(errs)
	}
	section, _ := file.Get("addresses")
	return Parse(section)
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text)) {
		b.WriteString("  " + strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}

func TestMistakes(t *testing.T) {
	tests := []struct{ text, want string }{
		{`a: {addresses: [10.0.0.1]}`, "2:19: addresses.a.addresses: the prefix length is missing: 10.0.0.1/32 is this one address, 10.0.0.1/24 its network"},
		{`a: {addresses: [10.0.0.0/24]}`, "the network itself"},
		{`a: {addresses: [10.0.0.255/24]}`, "the broadcast address"},
		{`a: {addresses: [10.0.0.300/24]}`, "an address with its prefix length is expected"},
		{`a: {addresses: [224.0.0.1/24]}`, "the address of a group"},
		{`a: {addresses: ["ff02::1/64"]}`, "the address of a group"},
		{`a: {addresses: [0.0.0.0/0]}`, "no address of a host"},
		{`a: {addresses: ["::ffff:10.0.0.1/120"]}`, "as an IPv4 address"},
		{`a: {addresses: [10.0.0.1/24, 10.0.0.1/16]}`, "stands already on line 2, for link a"},
		{"a: {addresses: [10.0.0.1/24]}\nb: {addresses: [10.0.0.1/16]}", "3:19: addresses.b.addresses: 10.0.0.1 stands already on line 2, for link a"},
		{"a: {addresses: [10.0.0.1/24]}\nb: {addresses: [10.0.0.2/24]}", "10.0.0.0/24 is the network of link a too (line 2)"},
		{`a: {mtu: 20}`, "a number from 68 to 65536 is expected"},
		{`a: {mtu: much}`, "a number from 68 to 65536"},
		{`a: {mtu: 1000, addresses: ["fd00::1/64"]}`, "IPv6 needs an MTU of 1280"},
		{`a: {mtu: 1000, routes: ["fd00::/64 via fe80::1"]}`, "IPv6 needs an MTU of 1280"},
		{`a: {mac: "01:00:00:00:00:01"}`, "the first byte must be even"},
		{`a: {mac: nonsense}`, "a hardware address such as"},
		{`a: {state: sideways}`, "up, down or absent"},
		{`a: {adresses: []}`, `a link has no key "adresses"; is addresses meant?`},
		{`a: [10.0.0.1/24]`, "keys of link a are expected"},
		{`a name that is far too long: {}`, "no name of a link"},
		{`a/b: {}`, "no name of a link"},
		{`a: {routes: [10.0.0.5/24 via 10.0.0.1]}`, "10.0.0.5/24 has bits of a host: the network is 10.0.0.0/24"},
		{`a: {routes: [default via nowhere]}`, `2:28: addresses.a.routes: an address is expected after "via", not "nowhere"`},
		{`a: {routes: [default over 10.0.0.1]}`, "via, metric, table, src, mtu or onlink is expected, not \"over\""},
		{`a: {routes: [default via 10.0.0.1 metric lots]}`, `a number up to 4294967295 is expected after "metric"`},
		{`a: {routes: [default via 10.0.0.1 table 255]}`, "the kernel's own"},
		{`a: {routes: [10.0.0.0/8 via 10.0.0.1, 10.0.0.0/8 via 10.0.0.2]}`, "stands already on line 2"},
		{`a: {routes: ["fd00::/64 via 10.0.0.1"]}`, "one is IPv4, the other IPv6"},
		{`a: {routes: ["10.0.0.0/8 via 10.0.0.1 src fd00::1"]}`, "not of one family"},
		{`a: {routes: [blackhole 10.0.0.0/8 via 10.0.0.1]}`, "leads nowhere"},
		{`a: {routes: [10.0.0.0/8 onlink]}`, "via is missing"},
		{`a: {routes: [default via 224.0.0.1]}`, "cannot be a gateway"},
		{`a: {state: down, routes: [default via 10.0.0.1]}`, "is to be down"},
		{`a: {state: absent, addresses: [10.0.0.1/24]}`, "is to be absent"},
		{`a: {veth: a}`, "its own other end"},
		{`a: {veth: b, bridge: []}`, "is a veth already"},
		{"a: {veth: b}\nb: {bridge: []}", "is a veth already"},
		{"a: {veth: b}\nc: {veth: b}", "is something else too"},
		{"a: {bridge: [c]}\nb: {bridge: [c]}", "is a port of bridge a already"},
		{`a: {vlan: 5}`, "'over' is missing"},
		{`a: {vlan: 4095, over: b}`, "from 1 to 4094"},
		{`a: {over: b}`, "belongs to vlan and vxlan"},
		{`a: {remote: 10.0.0.1}`, "belong to vxlan"},
		{`a: {vxlan: 5, remote: 10.0.0.1, local: "fd00::1"}`, "not of one family"},
		{`a: {vxlan: 5, remote: 239.0.0.1}`, "'over' is missing"},
		{`a: {accept_ra: perhaps}`, "off, on or always"},
		{`forward: perhaps`, "true or false"},
		{`rules: [from 10.0.0.1/8 table 5]`, "bits of a host"},
		{`rules: [from 10.0.0.0/8]`, "names no table"},
		{`rules: [from 10.0.0.0/8 to fd00::/8 table 5]`, "not of one family"},
		{`rules: [table 5 priority 40000]`, `a number up to 32765`},
		{`dns: [somewhere]`, "an address such as"},
		{`dns: [10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4]`, "ask the first 3 only"},
		{`search: ["a b"]`, "a domain is expected"},
	}
	for _, tt := range tests {
		_, errs := read(t, tt.text)
		if errs == nil || !strings.Contains(errs.Error(), tt.want) || !strings.Contains(errs.Error(), "wirelab.yaml:") {
			t.Errorf("%s: %v, want %q", tt.text, errs, tt.want)
		}
	}
}

func TestEveryMistakeIsReported(t *testing.T) {
	var b strings.Builder
	for i := range 400 {
		fmt.Fprintf(&b, "l%d: {mtu: 1}\n", i)
	}
	if _, errs := read(t, b.String()); len(errs) != 400 {
		t.Errorf("%d errors", len(errs))
	}
}

func TestParse(t *testing.T) {
	c, errs := read(t, `
exclusive: true
eth0: {exclusive: false, addresses: [10.1.0.2/24]}
eth1: {addresses: [10.64.37.35/24, "fd00::5/64"], mtu: 1400, routes: [default via 10.64.37.1, "default via fd00::1", 10.9.0.0/16, "fd00:9::/64 via fd00::2 metric 5"]}
eth2: {mtu: 1280, addresses: ["fd00:2::5/64"], routes: ["fd00:8::/64 via fd00:2::1"]}
br0: {bridge: [eth1, v1]}
v0: {veth: v1}
v1: {mtu: 1300}
rules: [from 10.1.0.0/16 table 7, "mark 5/0xff on eth0 table main priority 9"]
dns: [10.64.37.1]
`)
	if errs != nil {
		t.Fatal(errs)
	}
	if c.exclusive["eth0"] || !c.exclusive["eth1"] || !c.exclusive["br0"] {
		t.Errorf("exclusive: %v", c.exclusive)
	}
	if eth1 := c.link("eth1"); eth1.MTU != 1400 || *eth1.Bridge != "br0" || eth1.Place.Line != 4 {
		t.Errorf("eth1: %+v", eth1)
	}
	if v1 := c.link("v1"); v1.Kind != "veth" || v1.Peer != "v0" || v1.MTU != 1300 || *v1.Bridge != "br0" {
		t.Errorf("v1: %+v", v1)
	}
	var routes, rules []string
	for _, r := range c.Routes {
		routes = append(routes, r.String())
	}
	for _, r := range c.Rules {
		rules = append(rules, r.String())
	}
	if want := []string{"default via 10.64.37.1 dev eth1", "default (IPv6) via fd00::1 dev eth1", "10.9.0.0/16 dev eth1",
		"fd00:9::/64 via fd00::2 dev eth1 metric 5", "fd00:8::/64 via fd00:2::1 dev eth2"}; !slices.Equal(routes, want) {
		t.Errorf("routes %q", routes)
	}
	if want := []string{"from 10.1.0.0/16 table 7 priority 10000", "on eth0 mark 0x5 mask 0xff table main priority 9", "on eth0 mark 0x5 mask 0xff table main priority 9 (IPv6)"}; !slices.Equal(rules, want) {
		t.Errorf("rules %q", rules)
	}
}

// Two routes do the same if all of what they do is equal, whatever the order of hops.
func TestRoutesThatDoTheSame(t *testing.T) {
	hop := func(link, via string, weight int) Hop {
		return Hop{Link: link, Via: netip.MustParseAddr(via), Weight: weight}
	}
	one := Route{Destination: netip.MustParsePrefix("10.0.0.0/8"), Table: tableMain, Hops: []Hop{hop("a", "10.1.0.1", 0)}}
	two := one
	two.Hops = []Hop{hop("a", "10.1.0.1", 1), hop("b", "10.2.0.1", 2)}
	turned := two
	turned.Hops = []Hop{two.Hops[1], hop("a", "10.1.0.1", 0)}
	if !one.same(one) || !two.same(turned) {
		t.Error("equal routes differ")
	}
	others := []Route{two, {}}
	for _, change := range []func(*Route){
		func(r *Route) { r.Type = "blackhole" },
		func(r *Route) { r.Source = netip.MustParseAddr("10.1.0.2") },
		func(r *Route) { r.MTU = 1400 },
		func(r *Route) { r.Opaque = []byte{1} },
		func(r *Route) { r.Hops = []Hop{hop("b", "10.1.0.1", 0)} },
		func(r *Route) { r.Hops = []Hop{hop("a", "10.1.0.2", 0)} },
		func(r *Route) { r.Hops = []Hop{{Link: "a", Via: one.Hops[0].Via, OnLink: true}} },
	} {
		other := one
		change(&other)
		others = append(others, other)
	}
	for _, other := range others {
		if one.same(other) || other.same(one) {
			t.Errorf("%v and %v", one, other)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a: {addresses: [10.0.0.1/24], routes: [default via 10.0.0.2 metric 5]}\n")
	f.Add("a: {veth: b}\nb: {bridge: [a, c]}\nrules: [mark 1/2 table 3]\ndns: [1.1.1.1]\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, errs := setting.Read("f", []byte("addresses:\n"+indent(text)))
		if errs != nil {
			return
		}
		section, _ := file.Get("addresses")
		c, errs := Parse(section)
		if errs != nil {
			_ = errs.Error()
			return
		}
		for _, format := range Formats() {
			if _, _, err := c.Export(format); err != nil {
				t.Error(err)
			}
		}
	})
}
