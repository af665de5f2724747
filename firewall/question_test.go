package firewall

import (
	"strings"
	"testing"

	"wirelab/internal/setting"
)

func TestQuestionsAreUnderstood(t *testing.T) {
	for text, want := range map[string]string{
		"ssh 203.0.113.9":                 "tcp 203.0.113.9:40000 -> :22",
		"tcp 203.0.113.9 ->":              "tcp 203.0.113.9:40000 -> any",
		"tcp -> 198.51.100.7:443":         "tcp :40000 -> 198.51.100.7:443, sent",
		"tcp to 198.51.100.7:443 on eth0": "tcp :40000 -> 198.51.100.7:443 on eth0",
		"tcp :22":                         "tcp :40000 -> :22",
		"udp 10.0.0.7:4000 192.0.2.1:53 on eth1 out eth0":  "udp 10.0.0.7:4000 -> 192.0.2.1:53 on eth1 out eth0",
		"accept eth0 tcp:SA 203.0.113.9:4000 10.0.0.1:80":  "tcp flags syn,ack 203.0.113.9:4000 -> 10.0.0.1:80 on eth0",
		"tcp:FSRPAUEC [2001:db8::9]:1 -> [2001:db8::1]:80": "tcp flags fin,syn,rst,psh,ack,urg,ece,cwr [2001:db8::9]:1 -> [2001:db8::1]:80",
		"ping 2001:db8::1":                                     "icmpv6/128/0 2001:db8::1 -> any",
		"icmp/3/4 10.0.0.1":                                    "icmp/3/4 10.0.0.1 -> any",
		"drop tcp ::ffff:10.0.0.1 -> 10.0.0.2:1":               "tcp 10.0.0.1:40000 -> 10.0.0.2:1",
		"tcp 10.0.0.1 -> 2001:db8::1":                          "one end is IPv4 and the other IPv6",
		"udp 10.0.0.1 -> :53 flags syn":                        "only tcp has flags",
		"tcp:SX 10.0.0.1 -> 10.0.0.2:1":                        "tcp:SX",
		"tcp example.org -> :22":                               "names are not looked up",
		"tcp 10.0.0.1 -> 10.0.0.2:65536":                       "is not a port",
		"tcp 10.0.0.1 -> -> 10.0.0.2:6":                        "->",
		"tcp 10.0.0.1 -> 10.0.0.2:6 state established,related": "state",
	} {
		q, err := ParseQuestion(setting.Value{Kind: setting.Scalar, Text: text})
		got := q.String()
		if q.Outgoing {
			got += ", sent"
		}
		if err != nil {
			got = err.Error()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%q is understood as %q, not %q", text, got, want)
		}
	}
}
