package packet

import "testing"

func TestAnswers(t *testing.T) {
	tests := []struct{ sent, got, want string }{
		{"ip src=10.0.0.1 dst=10.0.0.2 / tcp sport=5 dport=80 flags=syn", "ip src=10.0.0.2 dst=10.0.0.1 / tcp sport=80 dport=5 flags=syn,ack", "SYN-ACK"},
		{"ip src=10.0.0.1 dst=10.0.0.2 / tcp sport=5 dport=80 flags=syn", "ip src=10.0.0.2 dst=10.0.0.1 / tcp sport=80 dport=5 flags=rst,ack", "RST"},
		{"ip src=10.0.0.1 dst=10.0.0.2 / tcp sport=5 dport=80", "ip src=10.0.0.2 dst=10.0.0.1 / tcp sport=80 dport=6 flags=rst,ack", ""},
		{"ip src=10.0.0.1 dst=10.0.0.2 / tcp sport=5 dport=80", "ip src=10.0.0.3 dst=10.0.0.1 / tcp sport=80 dport=5 flags=rst,ack", ""},
		{"ip src=10.0.0.1 dst=10.0.0.2 / udp sport=5 dport=7", "ip src=10.0.0.2 dst=10.0.0.1 / udp sport=7 dport=5 / text hello", "UDP"},
		{"ip src=10.0.0.1 dst=224.0.0.1 / udp sport=5 dport=7", "ip src=10.0.0.2 dst=10.0.0.1 / udp sport=7 dport=5", "UDP"},
		{"ip src=10.0.0.1 dst=10.0.0.2 / icmp type=echo id=7 seq=1", "ip src=10.0.0.2 dst=10.0.0.1 / icmp type=echo-reply id=7 seq=1", "echo reply"},
		{"ip src=10.0.0.1 dst=10.0.0.2 / icmp type=echo id=7 seq=1", "ip src=10.0.0.2 dst=10.0.0.1 / icmp type=echo-reply id=7 seq=2", ""},
		{"ip6 src=fe80::1 dst=fe80::2 / icmp6 type=echo id=7", "ip6 src=fe80::2 dst=fe80::1 / icmp6 type=echo-reply id=7", "echo reply"},
		{"eth / arp op=request spa=10.0.0.1 tpa=10.0.0.2", "eth / arp op=reply spa=10.0.0.2 tpa=10.0.0.1", "ARP reply"},
		{"eth / arp op=request spa=10.0.0.1 tpa=10.0.0.2", "eth / arp op=request spa=10.0.0.2 tpa=10.0.0.1", ""},
		{"ip src=10.0.0.1 dst=10.9.9.9 / udp sport=5 dport=7", "ip src=10.0.0.2 dst=10.0.0.1 / icmp type=unreachable code=3 / ip src=10.0.0.1 dst=10.9.9.9 / udp sport=5 dport=7", "ICMP error"},
		{"ip src=10.0.0.1 dst=10.9.9.9 / udp sport=5 dport=7", "ip src=10.0.0.2 dst=10.0.0.1 / icmp type=unreachable code=3 / ip src=10.0.0.1 dst=10.9.9.9 / udp sport=5 dport=8", ""},
		{"ip src=10.0.0.1 dst=10.0.0.2 / udp sport=5 dport=7", "ip src=10.0.0.1 dst=10.0.0.2 / udp sport=5 dport=7", ""},
		{"ip6 src=fe80::1 dst=ff02::1:ff00:2 / icmp6 type=ns target=fe80::2", "ip6 src=fe80::2 dst=fe80::1 / icmp6 type=na target=fe80::2", "neighbour advertisement"},
		{"ip6 src=fe80::1 dst=ff02::1:ff00:2 / icmp6 type=ns target=fe80::2", "ip6 src=fe80::3 dst=fe80::1 / icmp6 type=na target=fe80::3", ""},
		{"ip6 src=fe80::1 dst=ff02::1:ff00:2 / icmp6 type=ns target=fe80::2", "ip6 src=fe80::2 dst=fe80::1 / icmp6 type=ns target=fe80::2", ""},
		{"ip6 src=fe80::1 dst=ff02::1:ff00:2 / icmp6 type=rs", "ip6 src=fe80::2 dst=fe80::1 / icmp6 type=na target=fe80::2", ""},
		{"ip src=10.0.0.1 dst=10.0.0.2 / udp sport=5 dport=7", "ip src=10.0.0.2 dst=10.0.0.1 / udp sport=8 dport=5", ""},
		{"eth / arp op=request spa=10.0.0.1 tpa=10.0.0.2", "eth / arp op=reply spa=10.0.0.3 tpa=10.0.0.1", ""},
		{"ip src=10.0.0.1 dst=10.9.9.9 / tcp sport=5 dport=7 flags=syn", "ip src=10.0.0.9 dst=10.0.0.1 / icmp type=exceeded / ip src=10.0.0.1 dst=10.9.9.9 ttl=0 / tcp sport=5 dport=7 flags=syn", "ICMP error"},
		{"ip src=10.0.0.1 dst=10.9.9.9 / udp sport=5 dport=7", "ip src=10.0.0.2 dst=10.0.0.1 / icmp type=unreachable code=3 / ip src=10.0.0.1 dst=10.9.9.8 / udp sport=5 dport=7", ""},
		{"ip src=10.0.0.1 dst=10.9.9.9 / udp sport=5 dport=7", "ip src=10.0.0.2 dst=10.0.0.1 / icmp type=echo / ip src=10.0.0.1 dst=10.9.9.9 / udp sport=5 dport=7", ""},
	}
	for _, tt := range tests {
		sent, s := scanned(t, tt.sent)
		got, g := scanned(t, tt.got)
		if kind := Answers(sent, s, got, g); kind != tt.want {
			t.Errorf("%s\n  %s\n  is %q, want %q", tt.sent, tt.got, kind, tt.want)
		}
	}
}

func scanned(t *testing.T, line string) ([]byte, *Headers) {
	t.Helper()
	s, err := ParseLine(line)
	if err != nil {
		t.Fatal(err)
	}
	s.Complete(false)
	frame, made, err := Build(s)
	if err != nil {
		t.Fatal(err)
	}
	h := new(Headers)
	Scan(made.Link(), frame, len(frame), h)
	return frame, h
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte{0x45}, []byte{0x45})
	f.Fuzz(func(_ *testing.T, sent, got []byte) {
		for _, link := range []LinkType{LinkRaw, LinkEthernet} {
			var s, g Headers
			Scan(link, sent, len(sent), &s)
			Scan(link, got, len(got), &g)
			Answers(sent, &s, got, &g)
		}
	})
}
