package address

import (
	"net/netip"
	"os"
	"strings"
	"testing"
)

func TestApplyAndRestore(t *testing.T) {
	m := inNamespace(t)
	ip(t, "address add 192.0.2.1/24 dev a", "route add default via 192.0.2.254", "-6 address add fd00:2::1/64 dev a")
	links, routes := shown(t, "-o address"), shown(t, "route show table all")
	if err := os.WriteFile(m.ResolvConf, []byte("# mine\noptions edns0\nnameserver 192.0.2.53\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	const text = `
a:
  mtu: 1400
  addresses: [10.64.37.35/24, "fd00:1::5/64", 192.0.2.7/24]
  routes: [default via 10.64.37.1, 10.9.0.0/16 via 10.64.37.2 metric 7, 10.8.0.0/16 table 100, blackhole 10.7.0.0/16]
c: {mac: "02:00:00:00:00:77", state: up}
v0: {veth: v1, addresses: [10.1.0.1/30]}
br0: {bridge: [d, v1], addresses: ["fd00:9::1/64"], routes: ["fd00:10::/64 via fd00:9::2"]}
vx0: {vxlan: 42, remote: 10.64.37.2, over: a}
forward: true
rules: [from 10.64.37.0/24 table 100, to fd00:9::/64 on a table 100 priority 5, mark 0x10 table 100]
dns: [10.64.37.1, "fd00:1::1"]
search: [example.net]
`
	before := mustApply(t, m, text)
	contains(t, shown(t, "-o address"), "10.64.37.35/24", "fd00:1::5/64", "192.0.2.7/24", "192.0.2.1/24", "10.1.0.1/30", "fd00:9::1/64")
	contains(t, shown(t, "route show table all"), "default via 10.64.37.1 dev a", "10.9.0.0/16 via 10.64.37.2 dev a", "metric 7",
		"10.8.0.0/16 dev a table 100", "blackhole 10.7.0.0/16")
	contains(t, shown(t, "-6 route"), "fd00:10::/64 via fd00:9::2 dev br0")
	contains(t, shown(t, "rule"), "from 10.64.37.0/24 lookup 100", "fwmark 0x10 lookup 100")
	contains(t, shown(t, "-6 rule"), "to fd00:9::/64 iif a lookup 100")
	contains(t, shown(t, "-d link"), "02:00:00:00:00:77", "vxlan id 42 remote 10.64.37.2 dev a", "mtu 1400")
	contains(t, shown(t, "link show master br0"), "d@c", "v1@v0")
	text2, _ := os.ReadFile(m.ResolvConf)
	contains(t, string(text2), "# mine\noptions edns0\nsearch example.net\nnameserver 10.64.37.1\nnameserver fd00:1::1\n")
	if v, _, _ := readSysctl("net/ipv4/ip_forward"); v != "1" {
		t.Error("no forwarding")
	}
	mustRestore(t, m, before)
	if now := shown(t, "-o address"); now != links {
		t.Errorf("addresses afterwards\n%s, before\n%s", now, links)
	}
	if now := shown(t, "route show table all"); now != routes {
		t.Errorf("routes afterwards\n%s, before\n%s", now, routes)
	}
	if now := shown(t, "link"); strings.Contains(now, "br0") || strings.Contains(now, "v0") || strings.Contains(now, "vx0") {
		t.Errorf("links were left:\n%s", now)
	}
	contains(t, shown(t, "link show dev a"), "mtu 1500")
	text2, _ = os.ReadFile(m.ResolvConf)
	if string(text2) != "# mine\noptions edns0\nnameserver 192.0.2.53\n" {
		t.Errorf("resolv.conf: %s", text2)
	}
	if v, _, _ := readSysctl("net/ipv4/ip_forward"); v != "0" {
		t.Error("forwarding stayed")
	}
}

func TestMTUTakesIPv6Away(t *testing.T) {
	m := inNamespace(t)
	ip(t, "address add 10.1.0.1/24 dev a", "-6 address add fd00:2::1/64 dev a", "-6 route add fd00:5::/64 via fd00:2::9")
	addresses, routes := shown(t, "-o address show dev a"), shown(t, "-6 route")
	before := mustApply(t, m, "a: {mtu: 1000}")
	if now := shown(t, "-o address show dev a"); strings.Contains(now, "inet6") {
		t.Fatalf("IPv6 stayed: %s", now)
	}
	mustRestore(t, m, before)
	if now := shown(t, "-o address show dev a"); now != addresses {
		t.Errorf("afterwards\n%s, before\n%s", now, addresses)
	}
	if now := shown(t, "-6 route"); now != routes {
		t.Errorf("afterwards\n%s, before\n%s", now, routes)
	}
}

func TestDownTakesAway(t *testing.T) {
	m := inNamespace(t)
	ip(t, "address add 10.1.0.1/24 dev a", "-6 address add fd00:2::1/64 dev a", "-6 route add fd00:5::/64 via fd00:2::9", "route add default via 10.1.0.2")
	addresses, routes := shown(t, "-o address show dev a"), shown(t, "route")+shown(t, "-6 route")
	before := mustApply(t, m, "a: {state: down}")
	mustRestore(t, m, before)
	if now := shown(t, "-o address show dev a"); now != addresses {
		t.Errorf("afterwards\n%s, before\n%s", now, addresses)
	}
	if now := shown(t, "route") + shown(t, "-6 route"); now != routes {
		t.Errorf("afterwards\n%s, before\n%s", now, routes)
	}
}

func TestSecondariesStay(t *testing.T) {
	for _, promoting := range []bool{true, false} {
		m := inNamespace(t)
		ip(t, "address add 10.1.0.1/24 dev a", "address add 10.1.0.2/24 dev a", "address add 10.1.0.3/24 dev a", "route add default via 10.1.0.254 src 10.1.0.2")
		addresses, routes := shown(t, "-o address show dev a"), shown(t, "route")
		const text = `a: {exclusive: true, addresses: [10.1.0.2/24, 10.1.0.3/24], routes: [default via 10.1.0.254 src 10.1.0.2]}`
		change := mustPlan(t, m, text)
		if len(change.Steps()) != 1 {
			t.Errorf("steps:\n%s", listed(change))
		}
		if promoting {
			if err := m.Apply(t.Context(), change); err != nil {
				t.Fatal(err)
			}
		} else { // as where /proc/sys cannot be written
			ip(t, "address delete 10.1.0.1/24 dev a")
			if err := m.settle(t.Context(), &change.After, false); err != nil {
				t.Fatal(err)
			}
		}
		now := shown(t, "-o address show dev a")
		contains(t, now, "10.1.0.2/24", "10.1.0.3/24")
		if strings.Contains(now, "10.1.0.1/24") {
			t.Error("the first one stayed")
		}
		contains(t, shown(t, "route"), "default via 10.1.0.254 dev a")
		if v, _, _ := readSysctl(promote("a")); v != "0" {
			t.Errorf("promote_secondaries is left at %s", v)
		}
		before, _ := change.Before.Snapshot()
		mustRestore(t, m, before)
		if now := shown(t, "-o address show dev a"); now != addresses {
			t.Errorf("afterwards\n%s, before\n%s", now, addresses)
		}
		if now := shown(t, "route"); now != routes {
			t.Errorf("afterwards\n%s, before\n%s", now, routes)
		}
	}
}

// More than fit a window of messages; and behind a failure nothing more is sent.
func TestManyAtOnce(t *testing.T) {
	m := inNamespace(t)
	section, _ := thousand()
	mustRestore(t, m, mustApply(t, m, section))
	change := mustPlan(t, m, section)
	change.After.Routes[0].Hops[0].Via = netip.MustParseAddr("203.0.113.9") // in no network of a
	if err := m.Apply(t.Context(), change); err == nil || !strings.Contains(err.Error(), "add route 172.16.0.0/24 via 203.0.113.9 dev a") {
		t.Errorf("%v, want the first route", err)
	}
	if n := strings.Count(shown(t, "route"), "172."); n > 256 {
		t.Errorf("%d routes were added behind it", n)
	}
}
