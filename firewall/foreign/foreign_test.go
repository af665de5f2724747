package foreign

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wirelab/firewall"
	"wirelab/firewall/firewalltest"
	"wirelab/firewall/simulate"
	"wirelab/internal/setting"
)

// compiled reads a policy back, as the kernel would get it.
func compiled(t testing.TB, policy []byte) *firewall.Program {
	t.Helper()
	return compiledAs(t, "policy.yaml", policy)
}

func compiledAs(t testing.TB, name string, policy []byte) *firewall.Program {
	t.Helper()
	_, program, errs := firewalltest.Read(name, policy)
	if errs != nil {
		t.Fatalf("%v\n%s", errs, policy)
	}
	return program
}

// router is a host with these interfaces: number i has 10.64.(37+i).35/24 and
// 2001:db8:(37+i)::35/64; the rest leaves by the first.
func router(names ...string) simulate.Host {
	var h simulate.Host
	for i, name := range names {
		h.Interfaces = append(h.Interfaces, simulate.Interface{Name: name, Prefixes: []netip.Prefix{
			netip.MustParsePrefix(fmt.Sprintf("10.64.%d.35/24", 37+i)), netip.MustParsePrefix(fmt.Sprintf("2001:db8:%d::35/64", 37+i)),
		}})
	}
	h.Routes = []simulate.Route{{To: netip.MustParsePrefix("0.0.0.0/0"), Out: names[0]}, {To: netip.MustParsePrefix("::/0"), Out: names[0]}}
	return h
}

// verdicts asks each line of a table of verdicts: the verdict, the interface, the
// packet, and behind it what is answered.
func verdicts(t *testing.T, s *simulate.Simulator, path string) {
	t.Helper()
	table, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		words := strings.Fields(line)
		question, reply := strings.Join(words[:5], " "), strings.Join(words[5:], " ")
		q, problem := firewall.ParseQuestion(setting.Value{Kind: setting.Scalar, Text: question})
		if problem != nil {
			t.Fatal(problem)
		}
		if a := s.Ask(&q); a.Verdict != q.Expected || a.Reply != reply || len(a.Uncertain) > 0 {
			t.Errorf("%s %s: %s %v", question, reply, a, a.Uncertain)
		}
	}
}

func TestImportedPolicyDecidesAlike(t *testing.T) {
	tests := []struct {
		file       string
		interfaces []string
	}{
		{"odd-order.v4", []string{"eth0", "eth1"}},
		{"router.v4", []string{"wan", "lan"}},
		{"mesh.v6", []string{"bat0", "nat64"}},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			path := filepath.Join("testdata", tt.file)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			result := IPTables(path, text, firewall.AnyFamily)
			policy, left := Policy(result, path)
			if len(left) > 0 {
				t.Errorf("not taken: %v", left)
			}
			host := router(tt.interfaces...)
			verdicts(t, simulate.New(host, result.Programs...), path+".verdicts")
			verdicts(t, simulate.New(host, compiled(t, policy)), path+".verdicts")
		})
	}
}

func TestPolicyOfIPTables(t *testing.T) {
	text, err := os.ReadFile("testdata/router.v4")
	if err != nil {
		t.Fatal(err)
	}
	policy, _ := Policy(IPTables("router.v4", text, firewall.AnyFamily), "router.v4")
	want := `# The policy that router.v4 amounts to.
firewall:
  policy: {in: drop, out: accept, forward: drop}
  implicit: none
  family: ipv4
  in:
    - jump GUARD # line 21
    - accept on lan # line 22
    - accept tcp/22 status dnat # line 23
  forward:
    - goto GUARD tcp on wan orig-port 80 # line 28
    - accept on wan status dnat # line 29
    - jump empty # line 30
    - accept from 10.64.38.10-10.64.38.20 on lan out wan # line 31
    - accept udp/!53 on lan out w* # line 32
  nat:
    prerouting:
      - jump FORWARDS on wan # line 8
    postrouting:
      - continue from 10.64.38.0/24 log # line 12
      - masquerade from 10.64.38.0/24 out wan # line 13
  chains:
    FORWARDS:
      - dnat tcp/80 -> 10.64.38.2:8080 # line 9
      - dnat udp/5000-5010 -> 10.64.38.3-10.64.38.4 # line 10
      - redirect tcp/2222 -> :22 # line 11
    GUARD:
      - drop state invalid # line 24
      - return on lan cast broadcast # line 25
      - drop tcp flags none of fin,syn,rst,psh,ack,urg # line 26
      - accept state established,related # line 27
    empty: []
`
	if diff := cmp.Diff(want, strings.ReplaceAll(string(policy), "'", "")); diff != "" {
		t.Error(diff)
	}
}

// Whatever is not understood whole is left out whole, with its line.
func TestNothingIsHalfImported(t *testing.T) {
	lines := []string{
		"-A INPUT -m recent --set -p tcp --dport 22 -j ACCEPT",
		"-A INPUT -s host.example.org -j ACCEPT",
		"-A INPUT -p tcp --dport frobnicate -j ACCEPT",
		"-A INPUT --dport 22 -j ACCEPT",
		"-A INPUT -j NOWHERE",
		"-A INPUT -p tcp -j MARK --set-mark 1",
		"-A INPUT -p tcp -m tcp --dport",
		"-A INPUT -s 2001:db8::1 -j ACCEPT",
		"-A INPUT -p tcp -j REJECT --reject-with nonsense",
		"-A INPUT -p tcp --dport 22 -j ACCEPT --frobnicate",
		"-A NOCHAIN -j ACCEPT",
		"-A INPUT -m limit --limit 5/fortnight -j ACCEPT",
		"iptables -A INPUT -s $LAN -j ACCEPT",
		"-A INPUT -j LOG --log-prefix \"a\\\"b\"",
	}
	text := "*filter\n:INPUT DROP [0:0]\n" + strings.Join(lines, "\n") + "\n-A INPUT -p tcp --dport 23 -j ACCEPT\nCOMMIT\n"
	policy, left := Policy(IPTables("rules", []byte(text), firewall.IPv4), "rules")
	if len(left) != len(lines) {
		t.Errorf("%d lines left, want %d: %v", len(left), len(lines), left)
	}
	for i, l := range left {
		if l.Line != i+3 {
			t.Errorf("left %d: %s, want line %d", i, l, i+3)
		}
	}
	if rules := strings.Count(string(policy), "    - "); rules != 1 {
		t.Errorf("%d rules, want 1:\n%s", rules, policy)
	}
}

func TestTwoFamiliesBecomeOnePolicy(t *testing.T) {
	v4 := IPTables("a.v4", []byte("*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\n-A INPUT -i eth9 -j RETURN\nCOMMIT\n"), firewall.IPv4)
	v6 := IPTables("a.v6", []byte("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 23 -j DROP\nCOMMIT\n"), firewall.IPv6)
	all, err := Join([]Result{v4, v6})
	if err != nil {
		t.Fatal(err)
	}
	policy, left := Policy(all, "both")
	s := simulate.New(simulate.Host{}, compiled(t, policy))
	for question, want := range map[string]firewall.VerdictKind{
		"tcp 192.0.2.1 -> 192.0.2.2:22 on eth0": firewall.Accept, "tcp 192.0.2.1 -> 192.0.2.2:23 on eth0": firewall.Drop, "tcp 192.0.2.1 -> 192.0.2.2:22 on eth9": firewall.Accept,
		"tcp 192.0.2.1 -> 192.0.2.2:24 on eth9": firewall.Drop, "tcp 2001:db8::1 -> [2001:db8::2]:23 on eth0": firewall.Drop, "tcp 2001:db8::1 -> [2001:db8::2]:24 on eth0": firewall.Accept,
	} {
		q, problem := firewall.ParseQuestion(setting.Value{Kind: setting.Scalar, Text: question})
		if problem != nil {
			t.Fatal(problem)
		}
		if a := s.Ask(&q); a.Verdict != want {
			t.Errorf("%s: %s, want %s\n%s%v", question, a, want, policy, left)
		}
	}
}

func TestFirewalldZone(t *testing.T) {
	text := `<?xml version="1.0" encoding="utf-8"?>
<zone target="DROP">
  <short>Home</short>
  <interface name="eth0"/>
  <source address="10.0.0.0/8"/>
  <service name="ssh"/>
  <service name="frobnicate"/>
  <port protocol="tcp" port="8000-8010"/>
  <icmp-block name="redirect"/>
  <rule family="ipv4"><source address="192.0.2.0/24"/><service name="http"/><log prefix="web " level="info"/><accept><limit value="3/m"/></accept></rule>
  <rule family="ipv4"><source address="192.0.2.66"/><reject/></rule>
  <rule><port protocol="udp" port="53"/><mark set="1"/></rule>
  <forward-port port="80" protocol="tcp" to-port="8080" to-addr="10.0.0.2"/>
</zone>`
	result, err := Firewalld("home.xml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	policy, left := Policy(result, "home.xml")
	want := `# The policy that the zone of home.xml amounts to.
firewall:
  policy: {in: drop, out: accept, forward: drop}
  in:
    - jump in-zone from 10.0.0.0/8
    - jump in-zone on eth0
  chains:
    in-zone:
      - drop state invalid
      - 'continue http ipv4 from 192.0.2.0/24 log "web " level 6'
      - reject with admin-prohibited icmp/5, icmpv6/137
      - reject ipv4 from 192.0.2.66
      - accept ssh
      - accept tcp/8000-8010
      - accept http ipv4 from 192.0.2.0/24 limit 3/minute
      - drop
  nat:
    - forward tcp/80 -> 10.0.0.2:8080
`
	if diff := cmp.Diff(want, string(policy)); diff != "" {
		t.Error(diff)
	}
	if len(left) != 2 || left[0].Text != "service frobnicate" {
		t.Errorf("left: %v", left)
	}
	compiled(t, policy)
}

func FuzzIPTables(f *testing.F) {
	for _, name := range []string{"odd-order.v4", "router.v4", "mesh.v6"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("iptables -P INPUT DROP\niptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		policy, _ := Policy(IPTables("fuzz", text, firewall.AnyFamily), "fuzz")
		if errs := mistakes(policy); errs != nil {
			t.Errorf("%v\n%s", errs, policy)
		}
	})
}

func FuzzNFTJSON(f *testing.F) {
	f.Add([]byte(`{"nftables":[{"table":{"family":"inet","name":"f"}},{"chain":{"family":"inet","table":"f","name":"in","type":"filter","hook":"input","prio":0,"policy":"drop"}},` +
		`{"rule":{"family":"inet","table":"f","chain":"in","handle":4,"expr":[{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":{"set":[22,{"range":[80,90]}]}}},{"accept":null}]}}]}`))
	f.Add([]byte(`{"nftables":[{"table":{"family":"ip","name":"n"}},{"chain":{"family":"ip","table":"n","name":"p","type":"nat","hook":"prerouting","prio":-100}},` +
		`{"rule":{"family":"ip","table":"n","chain":"p","expr":[{"dnat":{"addr":{"map":{"key":{"payload":{"protocol":"tcp","field":"dport"}},"data":{"set":[[80,{"concat":["10.0.0.1",80]}]]}}}}}]}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		result, err := NFTJSON("fuzz", text)
		if err != nil {
			return
		}
		policy, _ := Policy(result, "fuzz")
		if errs := mistakes(policy); errs != nil {
			t.Errorf("%v\n%s", errs, policy)
		}
	})
}
