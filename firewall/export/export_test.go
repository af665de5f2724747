package export

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"wirelab/firewall"
	"wirelab/firewall/firewalltest"
	"wirelab/firewall/simulate"
)

func program(t testing.TB, text string) *firewall.Program {
	t.Helper()
	_, p := firewalltest.Compile(t, text)
	return p
}

// everything is a policy with each kind of rule.
const everything = `firewall:
  policy: {in: drop, out: reject, forward: drop}
  nets:
    office: [10.64.37.0/24, 192.0.2.7, 2001:db8::/64, 2001:db8:1::5-2001:db8:1::9]
    lan: [10.0.0.0/8, office]
  services: {app: [tcp/12345, udp/12345, tcp/8000-8010]}
  in:
    - accept ssh from office limit 6/minute burst 3 per source log "ssh " level 7
    - accept app from office
    - accept ping limit 5/second
    - drop from 10.9.9.9
    - drop from 10.9.9.10
    - drop from 10.9.8.0/24
    - accept tcp/80 from 10.0.0.1 on eth0
    - accept tcp/443 from 10.0.0.2 on eth0
    - accept tcp/!80 from not 10.0.0.0/8, 172.16.0.0/12 on eth*
    - accept udp/53 on eth0, wlan0 sport 1024-65535
    - accept not tcp on wg*, tun0
    - accept gre, esp from 10.0.0.1-10.0.0.9
    - accept icmp/3/4, icmpv6/2, icmp/!13
    - drop tcp flags syn of syn,ack
    - drop tcp flags any fin,rst
    - drop state invalid
    - continue state not new log group 3
    - accept to broadcast
    - accept cast multicast, broadcast
    - accept mark 0x1/0xff conn-mark not 7
    - jump extra from 192.168.0.0/16
    - reject tcp with tcp-reset
    - reject tcp/25 from not 10.0.0.0/8, 172.16.0.0/12 with tcp-reset
    - reject with icmp-host-prohibited
    - reject with icmp6-adm-prohibited
    - reject
  out:
    - accept on eth0
    - drop tcp/25, 465, 587 on not lo limit over 10/hour
  forward:
    - accept on eth1 out eth0
    - accept status dnat
    - continue tcp flags syn of syn,rst clamp-mss
  chains:
    extra:
      - return tcp/22
      - goto more tcp/23
      - accept tcp orig-port 25, 26-30
    more:
      - drop
  nat:
    - forward tcp/80 on eth0 -> 192.168.1.1:8080
    - dnat udp/53 on eth0 -> [2001:db8::1]:5353
    - redirect tcp/81 -> :8081
    - masquerade from 10.0.0.0/8 on eth0
    - snat from 10.1.0.0/16 on eth1 -> 192.0.2.1-192.0.2.9
`

// inNamespace runs a command with input in a network namespace of its own.
func inNamespace(t *testing.T, input []byte, command ...string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	file := filepath.Join(t.TempDir(), "rules")
	if err := os.WriteFile(file, input, 0o600); err != nil {
		t.Fatal(err)
	}
	script := strings.ReplaceAll(strings.Join(command, " "), "FILE", file)
	out, err := exec.Command("unshare", "-n", "sh", "-c", script).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s\n%s", script, err, out, input)
	}
	return string(out)
}

func TestNFTLoads(t *testing.T) {
	text := NFT(program(t, everything))
	inNamespace(t, text, "nft -f FILE && nft -f FILE && nft list ruleset")
}

func TestIPTablesLoads(t *testing.T) {
	for family, command := range map[firewall.Family]string{firewall.IPv4: "iptables", firewall.IPv6: "ip6tables"} {
		text, err := IPTables(program(t, everything), family)
		if err != nil {
			t.Fatal(err)
		}
		for _, engine := range []string{"-nft", "-legacy"} {
			inNamespace(t, text, command+engine+"-restore --test FILE && "+command+engine+"-restore FILE")
		}
	}
}

func TestShellLoads(t *testing.T) {
	text, err := Shell(program(t, everything))
	if err != nil {
		t.Fatal(err)
	}
	inNamespace(t, text, "sh FILE && nft list table inet wirelab")
}

// The examples keep what they promise, and load wherever they are exported to.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/firewall/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		policy, p, errs := firewalltest.Read(name, text)
		if errs != nil {
			t.Fatal(errs)
		}
		if !strings.Contains(string(text), "addresses:") {
			for _, f := range simulate.New(simulate.Host{}, p).Check(policy) {
				t.Error(f)
			}
		}
		v4, err4 := IPTables(p, firewall.IPv4)
		v6, err6 := IPTables(p, firewall.IPv6)
		if err4 != nil || err6 != nil {
			t.Fatal(name, err4, err6)
		}
		inNamespace(t, NFT(p), "nft -f FILE")
		inNamespace(t, v4, "iptables-legacy-restore FILE")
		inNamespace(t, v6, "ip6tables-legacy-restore FILE")
	}
}
