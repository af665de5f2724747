package trial

import (
	"strings"
	"testing"

	"wirelab/firewall/firewalltest"
	"wirelab/firewall/simulate"
)

const asked = `firewall:
  policy: {in: drop, out: accept, forward: reject}
  in:
    - accept ssh from 10.64.37.0/24 on eth0
    - reject tcp/23
    - accept ping
  out:
    - drop udp/53 to 198.51.100.7
  forward:
    - accept tcp/443 on eth1 out eth0
  expect:
    - accept tcp 10.64.37.9 -> :22 on eth0
    - drop tcp 203.0.113.9 -> :22 on eth0
    - reject tcp 203.0.113.9 -> :23
    - accept icmp/8 203.0.113.9 -> 192.0.2.1
    - accept icmpv6/128 2001:db8::9 -> fd64::35
    - accept tcp 10.0.0.7 -> 198.51.100.7:443 on eth1 out eth0
    - reject tcp 10.0.0.7 -> 198.51.100.7:80 on eth1 out eth0
    - drop udp -> 198.51.100.7:53 out eth0
    - accept udp -> 198.51.100.8:53 out eth0
    - accept tcp 203.0.113.9 -> :22 state established
`

func TestAsk(t *testing.T) {
	mustNew(t)
	policy, program := firewalltest.Compile(t, asked)
	for _, known := range []simulate.Host{{}, proofHost()} {
		all, err := Ask(known, program, policy.Expect)
		if err != nil {
			t.Fatal(err)
		}
		for _, tried := range all {
			if strings.Contains(tried.Question.Value.Text, "established") != (tried.NotTried != "") {
				t.Errorf("%s: not tried: %q", tried.Question.Value.Text, tried.NotTried)
			}
			if !tried.Agrees() || !tried.Kept() {
				t.Errorf("%s: kernel %v (%s), simulator %s", tried.Question.Value.Text, tried.Verdict(), tried.Outcome.Reply, tried.Answer)
			}
		}
	}
}
