package firewall

import (
	"strings"
	"testing"

	"wirelab/internal/setting"
)

// A rule that anyone may have written is read, or refused at a place within it.
func FuzzRule(f *testing.F) {
	for _, rule := range []string{
		"accept ssh from office limit 6/minute burst 3 per source log \"ssh \" level 7", "drop tcp/80,443, udp/5000-5010 to not 10.0.0.0/8, 2001:db8::1-2001:db8::9 on eth*",
		"reject with icmp-host-prohibited", "forward tcp/80 on eth0 -> [2001:db8::1]:8080", "masquerade from 10.0.0.0/8 -> :1024-2048 random persistent",
		"continue tcp flags any syn,fin of all state not new,invalid", "jump x icmp/3/4, icmpv6/!2 cast multicast", "accept from local # comment", "accept !tcp mark 0x1/0xff ipv6",
		"return tcp orig-port 25 sport 1-2 status dnat clamp-mss count",
	} {
		f.Add(rule)
	}
	f.Fuzz(func(t *testing.T, rule string) {
		if strings.ContainsAny(rule, "\n\r") {
			return
		}
		names := &dictionary{nets: map[string][]Range{"office": {}}, services: map[string][]Service{}, netNames: []string{"office"}}
		v := setting.Value{Kind: setting.Scalar, Text: rule, Place: setting.Place{File: "f", Line: 1, Column: 1}}
		clause, err := parseRule(v, names, true)
		if err != nil {
			if err.Place.Line != 1 || err.Problem == "" {
				t.Errorf("%q: %+v", rule, err)
			}
			return
		}
		p := &Policy{In: Drop, Out: Accept, Forward: Drop, Family: AnyFamily, Counters: true, Chains: []PolicyChain{{Name: "x", Rules: []Clause{clause}}}}
		p.Compile()
	})
}

// A question that is read can be written and read again as the same.
func FuzzQuestion(f *testing.F) {
	for _, q := range []string{
		"tcp 203.0.113.9 -> :22 on eth0", "accept udp 10.0.0.7:4000 -> 192.0.2.1:53 on eth1 out eth0", "icmp/8 203.0.113.9 -> 10.0.0.1", "drop eth0 tcp:SA 203.0.113.9:4 10.0.0.1:80",
		"ssh", "ping 2001:db8::1", "tcp -> [2001:db8::1]:443 state invalid flags syn,ack mark 0x10", "icmp [2001:db8::1]:0 [2001:db8::2]:135",
	} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := ParseQuestion(setting.Value{Kind: setting.Scalar, Text: text})
		if err != nil {
			return
		}
		again, err := ParseQuestion(setting.Value{Kind: setting.Scalar, Text: q.String()})
		if err != nil {
			if !strings.ContainsAny(q.In+q.Out, " ,!#\"") {
				t.Errorf("%q was written as %q: %v", text, q.String(), err)
			}
			return
		}
		if again.Protocol != q.Protocol || again.DestinationPort != q.DestinationPort || again.Source != q.Source || again.Flags != q.Flags || again.Type != q.Type {
			t.Errorf("%q was written as %q and read as %+v, not %+v", text, q.String(), again, q)
		}
	})
}
