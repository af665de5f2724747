package address

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Rules and routes of others that say more than ours can are not taken for ours, nor
// put at risk: the kernel would remove the wrong one, and they could not be put back.
func TestOthersThatSayMore(t *testing.T) {
	m := inNamespace(t)
	ip(t, "rule add not from 10.0.0.0/8 table 5 priority 100", "rule add from 10.1.0.0/16 tos 0x10 table 5 priority 101",
		"rule add from 10.2.0.0/16 table 5 priority 102 suppress_prefixlength 0", "rule add from 10.3.0.0/16 table 5 priority 103",
		"address add 192.0.2.1/24 dev a", "route add 10.8.0.0/16 via 192.0.2.9 initcwnd 20", "route add 10.9.0.0/16 via 192.0.2.9")
	for text, want := range map[string]string{
		"rules: [from 10.0.0.0/8 table 5 priority 100]":  "from 10.0.0.0/8 table 5 priority 100 is there, and says more (ip rule show priority 100)",
		"rules: [from 10.1.0.0/16 table 5 priority 101]": "take another priority",
		"rules: [from 10.2.0.0/16 table 5 priority 102]": "take another priority",
		"a: {routes: [10.8.0.0/16 via 192.0.2.8]}":       "ip route show 10.8.0.0/16 table main",
	} {
		mustRefuse(t, m, text, want)
	}
	rules, routes := shown(t, "rule"), shown(t, "route")
	mustRestore(t, m, mustApply(t, m, "rules: [from 10.0.0.0/8 table 5 priority 99, from 10.3.0.0/16 table 5 priority 103]\na: {routes: [10.9.0.0/16 via 192.0.2.8]}"))
	if now := shown(t, "rule"); now != rules {
		t.Errorf("rules afterwards\n%s\nbefore\n%s", now, rules)
	}
	if now := shown(t, "route"); now != routes {
		t.Errorf("routes afterwards\n%s\nbefore\n%s", now, routes)
	}
}

// What the kernel takes away comes back as it was, whoever made it and however.
func TestOthersComeBack(t *testing.T) {
	for name, setup := range map[string][]string{
		"NetworkManager": {
			"address add 10.1.0.5/24 dev a noprefixroute", "route add 10.1.0.0/24 dev a proto kernel scope link src 10.1.0.5 metric 100",
			"route add default via 10.1.0.1 dev a proto dhcp metric 100", "-6 address add fd00:1::5/64 dev a noprefixroute", "-6 route add fd00:1::/64 dev a proto kernel metric 100",
		},
		"systemd-networkd": {"address add 10.1.0.5/24 dev a metric 100", "-6 address add fd00:1::5/64 dev a metric 300", "route add default via 10.1.0.1 dev a src 10.1.0.5 proto dhcp metric 100"},
		"metrics": {
			"address add 10.1.0.5/24 dev a", "-6 address add fd00:1::5/64 dev a", "route add default via 10.1.0.1 initcwnd 20 advmss 1400", "-6 route add default via fd00:1::1 initcwnd 20",
			"route add 10.9.0.0/16 nexthop via 10.1.0.1 nexthop via 10.1.0.2 weight 3", "route add 10.8.0.0/16 via 10.1.0.7 dev a onlink quickack 1", "route add 10.7.0.0/16 via 10.1.0.8 mtu lock 1300",
		},
	} {
		for _, change := range []string{"a: {state: down}", "a: {exclusive: true, addresses: [10.1.0.9/24]}", "a: {mtu: 1000}"} {
			m := inNamespace(t)
			ip(t, setup...)
			kernels := func() string { return shown(t, "route") + "\n" + shown(t, "-6 route") }
			addresses, routes := shown(t, "-o address show dev a"), kernels()
			mustRestore(t, m, mustApply(t, m, change))
			if now := shown(t, "-o address show dev a"); now != addresses {
				t.Errorf("%s, %s: addresses afterwards\n%s\nbefore\n%s", name, change, now, addresses)
			}
			if now := kernels(); now != routes {
				t.Errorf("%s, %s: routes afterwards\n%s\nbefore\n%s", name, change, now, routes)
			}
		}
	}
}

// Routes with one destination and metric are told apart, and the first of them, which counts, comes back as the first.
func TestRoutesOfOneKey(t *testing.T) {
	for change, want := range map[string]string{
		"a: {state: down}":                    "",
		"a: {routes: [default via 10.1.0.9]}": "default via 10.1.0.9 dev a proto static \ndefault via 10.1.0.2 dev a \ndefault via 10.2.0.1 dev c ",
		"a: {routes: [default via 10.1.0.2]}": "default via 10.1.0.1 dev a \ndefault via 10.1.0.2 dev a \ndefault via 10.2.0.1 dev c ",
		"c: {routes: [default via 10.2.0.9]}": "default via 10.2.0.9 dev c proto static \ndefault via 10.1.0.2 dev a \ndefault via 10.2.0.1 dev c ",
		"c: {state: down}":                    "default via 10.1.0.1 dev a \ndefault via 10.1.0.2 dev a ",
		"a: {exclusive: true, addresses: [10.1.0.5/24], routes: [default via 10.1.0.9]}": "default via 10.1.0.9 dev a proto static \ndefault via 10.2.0.1 dev c ",
	} {
		m := inNamespace(t)
		ip(t, "address add 10.1.0.5/24 dev a", "address add 10.2.0.5/24 dev c", "route add default via 10.1.0.1", "route append default via 10.1.0.2", "route append default via 10.2.0.1",
			"-6 route add fd09::/64 dev a", "-6 route append fd09::/64 dev c")
		order := func() string { text, _ := run("ip", "route show default"); return strings.TrimSuffix(text, "\n") }
		lines := func(text string) []string { return slices.Sorted(strings.Lines(text + "\n")) }
		routes, before := order(), shown(t, "-6 route")
		snapshot := mustApply(t, m, change)
		if now := order(); want != "" && now != want {
			t.Errorf("%s:\n%s\nwant\n%s", change, now, want)
		}
		mustRestore(t, m, snapshot)
		if now := order(); !strings.HasPrefix(now, "default via 10.1.0.1 dev a \n") || !slices.Equal(lines(now), lines(routes)) {
			t.Errorf("after %s\n%s\nbefore\n%s", change, now, routes)
		}
		if now := shown(t, "-6 route"); now != before {
			t.Errorf("after %s\n%s\nbefore\n%s", change, now, before)
		}
	}
}

// Routes by next hops that are objects of their own come back as what they lead to.
func TestRouteByNextHopComesBack(t *testing.T) {
	m := inNamespace(t)
	ip(t, "address add 10.1.0.5/24 dev a", "nexthop add id 7 via 10.1.0.1 dev a", "route add 10.9.0.0/16 nhid 7", "route add 10.8.0.0/16 nhid 7 metric 9")
	mustRestore(t, m, mustApply(t, m, "a: {exclusive: true, addresses: [10.1.0.5/24]}"))
	mustRestore(t, m, mustApply(t, m, "a: {state: down}"))
	contains(t, shown(t, "route"), "10.9.0.0/16 via 10.1.0.1 dev a", "10.8.0.0/16 via 10.1.0.1 dev a metric 9")
}

// A comment says who writes resolv.conf; one that only names a program does not.
func TestWhoWritesResolvConf(t *testing.T) {
	for text, want := range map[string]string{
		"# Generated by NetworkManager\n":                                         "networkmanager",
		"nameserver 192.0.2.1\n# This file was automatically generated by WSL.\n": "wsl",
		"# not by resolvconf\nnameserver 192.0.2.1\n":                             "",
		"# generated by hand\n":                                                   "",
		"search generated.resolvconf.example\n":                                   "",
	} {
		m := Machine{ResolvConf: filepath.Join(t.TempDir(), "resolv.conf")}
		if err := os.WriteFile(m.ResolvConf, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := m.manager(text); got != want {
			t.Errorf("%q: %q writes it, not %q", text, got, want)
		}
	}
}

// A resolv.conf with tabs is changed, and one that nobody can read keeps nothing from being read.
func TestOddResolvConf(t *testing.T) {
	m := Machine{ResolvConf: filepath.Join(t.TempDir(), "resolv.conf")}
	if err := os.WriteFile(m.ResolvConf, []byte("nameserver\t192.0.2.1\nsearch\texample.com\noptions\tedns0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	mustApply(t, m, "dns: [192.0.2.2]\nsearch: [example.net]")
	text, _ := os.ReadFile(m.ResolvConf)
	if want := "options\tedns0\nsearch example.net\nnameserver 192.0.2.2\n"; string(text) != want {
		t.Errorf("%q, want %q", text, want)
	}
	m.ResolvConf = t.TempDir()
	now, err := m.Read()
	if err != nil {
		t.Fatal(err)
	}
	c, _ := read(t, "dns: [192.0.2.2]")
	if _, errs := c.Change(m, now); errs == nil || !strings.Contains(errs.Error(), "is a directory") {
		t.Error(errs)
	}
}

// The script for the shell does what apply does, to a link that was up and one with a dot in its name, too.
func TestShellDoesAsApply(t *testing.T) {
	const text = "a: {state: down}\ne.5: {addresses: [10.1.0.5/24], forward: true, accept_ra: off, routes: [default via 10.1.0.1]}\nbr0: {bridge: [d]}"
	var states [2][]string
	for i := range states {
		m := inNamespace(t)
		ip(t, "link set dev b down", "link set dev b name e.5", "link set dev e.5 up")
		for _, link := range []string{"a", "e.5", "c", "d"} {
			ip(t, fmt.Sprintf("link set dev %s address 02:00:00:00:00:%02x", link, link[0]))
		}
		if i == 0 {
			mustApply(t, m, text)
		} else {
			c, _ := read(t, text)
			script, _, err := c.Export("shell")
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("sh", "-e")
			cmd.Stdin = strings.NewReader(script)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s\nof\n%s", err, out, script)
			}
		}
		states[i] = slices.DeleteFunc(ipState(t), func(l string) bool { return strings.HasPrefix(l, "br0") }) // its address is random
		for _, key := range []string{"net/ipv4/conf/e.5/forwarding", "net/ipv6/conf/e.5/forwarding", "net/ipv6/conf/e.5/accept_ra"} {
			value, _, _ := readSysctl(key)
			states[i] = append(states[i], key+"="+value)
		}
	}
	if !slices.Equal(states[0], states[1]) {
		t.Errorf("applied\n%s\nby the shell\n%s", strings.Join(states[0], "\n"), strings.Join(states[1], "\n"))
	}
}
