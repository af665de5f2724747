package simulate

import (
	"fmt"
	"strings"
	"testing"

	"wirelab/firewall"
	"wirelab/firewall/firewalltest"
	"wirelab/internal/setting"
)

func ask(t testing.TB, s *Simulator, question string) *Answer {
	t.Helper()
	q, err := firewall.ParseQuestion(setting.Value{Kind: setting.Scalar, Text: question})
	if err != nil {
		t.Fatal(err)
	}
	return s.Ask(&q)
}

func TestExample(t *testing.T) {
	p, program := firewalltest.Compile(t, firewall.Section().Example)
	s := New(Host{}, program)
	if failures := s.Check(p); failures != nil {
		t.Error(failures)
	}
	tests := []struct{ question, want string }{
		{"tcp 10.64.37.9 -> :22 on eth0", `accept by "accept ssh from office limit 6/minute" at wirelab.yaml:6:7`},
		{"tcp 203.0.113.9 -> :22 on eth0", `drop by "policy drop of input"`},
		{"tcp 10.64.37.9 -> :8005 on eth0", `accept by "accept app from office" at wirelab.yaml:7:7`},
		{"tcp 203.0.113.9 -> :22 on lo", `accept by "loopback`},
		{"ping 203.0.113.9", `accept by "accept ping"`},
		{"icmpv6/135 fe80::1 -> 2001:db8::1 on eth0", `accept by "nd:`},
		{"udp [fe80::1]:547 -> [fe80::2]:546 on eth0", `accept by "dhcpv6:`},
		{"tcp 203.0.113.9 -> :22 on eth0 state established", `accept by "established`},
		{"tcp 203.0.113.9 -> 10.0.0.1:22 on eth0 out eth1", `drop by "policy drop of forward"`},
		{"tcp -> 10.0.0.1:22", `accept by "no chain that looks at it"`},
		{"ssh 10.64.37.9", `accept by "accept ssh`},
		{"tcp:SA 10.64.37.9 -> :9999", `drop by "policy drop of input"`},
	}
	for _, tt := range tests {
		if got := ask(t, s, tt.question).String(); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.question, got, tt.want)
		}
	}
	near := ask(t, s, "tcp 203.0.113.9 -> :22 on eth0").Near
	if len(near) != 1 || near[0].Field != firewall.IPv4Source || near[0].Found != "203.0.113.9" {
		t.Errorf("near misses: %+v", near)
	}
}

func TestExpectedAnswers(t *testing.T) {
	_, program := firewalltest.Compile(t, "firewall:\n  in:\n    - accept icmp/8\n    - reject tcp with tcp-reset\n    - reject\n")
	s := New(Host{}, program)
	for question, kept := range map[string]bool{
		"reject tcp 203.0.113.9 -> :22 tcp reset": true, "reject tcp 203.0.113.9 -> :22 icmp 3": false, "reject udp 203.0.113.9 -> :22 icmp 3": true, "reject udp 203.0.113.9 -> :22 icmp 10": false,
		"drop icmp/3 203.0.113.9": true, "reject icmp/3 203.0.113.9": true, "accept icmp/8 203.0.113.9": true, "reject eth0 udp 2001:db8::1 [2001:db8::2]:53 icmpv6 4": true,
		"drop tcp:R 203.0.113.9 :22": true,
	} {
		if a := ask(t, s, question); a.Kept() != kept {
			t.Errorf("%s: %s: %t, want %t", question, a, a.Kept(), kept)
		}
	}
}

// rules returns a policy of n rules that differ in address and port.
func rules(n int, unlike bool) string {
	var b strings.Builder
	b.WriteString("firewall:\n  in:\n")
	for i := range n {
		state := ""
		if unlike && i%2 == 1 {
			state = " state new"
		}
		fmt.Fprintf(&b, "    - accept tcp/%d from 10.%d.%d.%d%s\n", 1000+i%30000, i>>16&255, i>>8&255, i&255, state)
	}
	return b.String()
}

func BenchmarkAsk10000(b *testing.B) {
	for _, unlike := range []bool{false, true} {
		b.Run(fmt.Sprintf("unlike=%t", unlike), func(b *testing.B) {
			_, program := firewalltest.Compile(b, rules(10000, unlike))
			s := New(Host{}, program)
			q, _ := firewall.ParseQuestion(setting.Value{Kind: setting.Scalar, Text: "tcp 203.0.113.9 -> :22 on eth0"})
			for b.Loop() {
				s.Ask(&q)
			}
		})
	}
}

func BenchmarkCompile10000(b *testing.B) {
	file, _ := setting.Read("wirelab.yaml", []byte(rules(10000, false)))
	section, _ := file.Get("firewall")
	for b.Loop() {
		p, _ := firewall.Parse(section)
		p.Compile()
	}
}

func BenchmarkRead10000(b *testing.B) {
	text := []byte(rules(10000, false))
	for b.Loop() {
		setting.Read("wirelab.yaml", text)
	}
}

// A rule that shadows the middle of what is protected is found, and one about
// another port is no reason to doubt.
func TestProtectFindsWhatIsShadowed(t *testing.T) {
	const head = "firewall:\n  nets: {office: [10.0.0.0/16]}\n  protect: [ssh from office]\n  in:\n"
	tests := []struct {
		rules, want string
	}{
		{"    - accept ssh from office\n", ""},
		{"    - drop from 10.0.7.16/28\n    - accept ssh from office\n", "tcp 10.0.7.16:40000 -> :22: drop by \"drop from 10.0.7.16/28\" at wirelab.yaml:5:7"},
		{"    - drop tcp/80 from 10.0.7.16/28\n    - accept ssh from office\n", ""},
		{"    - accept ssh from 10.0.0.0/17\n    - accept ssh from 10.0.128.1-10.0.255.255\n", "tcp 10.0.128.0:40000 -> :22: drop by \"policy drop of input\""},
		{"    - accept ssh from office on eth1\n", "drop by \"policy drop of input\""},
	}
	for _, tt := range tests {
		p, program := firewalltest.Compile(t, head+tt.rules)
		failures := New(Host{}, program).Check(p)
		if len(failures) > 0 != (tt.want != "") || len(failures) > 0 && !strings.Contains(failures[0].String(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.rules, failures, tt.want)
		}
	}
}
