package packet

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

func build(t *testing.T, line string) ([]byte, *Template) {
	t.Helper()
	s, err := ParseLine(line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	frame, template, err := Build(s)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return frame, template
}

func TestIssue(t *testing.T) {
	frame, _ := build(t, "ip src=192.0.2.1 dst=192.0.2.35 id=0 flags=0 / udp sport=40000 dport=9 / text hello --patch ip+6=2000")
	if got, want := hex.EncodeToString(frame), "45000021000020004011f6a7c0000201c00002239c400009000d9b9368656c6c6f"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// lines are packets of every layer.
var lines = []string{
	"ip src=192.0.2.1 dst=192.0.2.35 id=0 / udp sport=40000 dport=9 / text hello",
	"ip dst=127.0.0.1 ttl=3 / tcp dport=12345 flags=syn opts=mss:1460,sackok",
	"tcp flags=SA opts=mss:1460,sackok,ts:1/2,nop,wscale:7",
	"tcp opts=sack:1-2/3-4,99:0102,raw:01 / text x",
	"eth / vlan id=5 prio=3 / vlan id=7 / ip / icmp id=7 seq=1 / text ping",
	"arp op=reply sha=02:00:00:00:00:01 spa=192.0.2.1 tha=02:00:00:00:00:02 tpa=192.0.2.2",
	"ip opts=rr:0.0.0.0/0.0.0.0,eol / udp / zero 4",
	"ip opts=lsrr:192.0.2.9/192.0.2.10 / udp / text x",
	"ip flags=mf frag=0 / udp / zero 8",
	"ip frag=100 / text fragment",
	"ip6 dst=2001:db8::1 / tcp dport=80 flags=syn",
	"ip6 / hop opts=ra:0 / routing type=0 segleft=1 addrs=2001:db8::5 / fragment / dest opts=limit:4 / udp / text six",
	"ip6 / routing type=4 segleft=1 addrs=2001:db8::5,2001:db8::6 / udp",
	"icmp6 type=ns target=fe80::1 opts=slla:02:00:00:00:00:01",
	"icmp6 type=na target=fe80::1 r=1 opts=tlla:02:00:00:00:00:01",
	"icmp6 type=ra flags=m opts=prefix:2001:db8::/64,mtu:1500,rdnss:600/2001:db8::53",
	"icmp6 type=redirect target=fe80::1 dst=2001:db8::1",
	"icmp6 type=mld-query group=ff02::1",
	"icmp6 type=too-big mtu=1280 / ip6 src=2001:db8::1 / udp len=100 csum=1",
	"icmp6 id=3 seq=4 / text hello",
	"icmp type=unreachable code=3 / ip / udp / text quoted",
	"icmp type=timestamp id=1 originate=100",
	"ip / ip / udp / text inner",
	"ip / ip6 / udp / text inner",
	"gre / ip / udp / text inner",
	"gre csum=auto key=5 seq=6 / ip / icmp",
	"vxlan vni=77 / eth / ip / tcp / text deep",
	"stamp seq=3 time=0x0102030405060708",
	"stamp-reply seq=3",
	"ntp transmit=0xe000000000000000",
	"dns q=example.com",
	"dns id=2 q=version.bind/CH/TXT,example.com/ANY/ANY ns=example.com/NONE/A/0/192.0.2.1 ar=./CLASS4096/OPT/0/",
	"dns qr=1 q=example.com/AAAA an=example.com/AAAA/300/2001:db8::1,example.com/TXT/5/hello ar=./TYPE41/0/",
	"eth / pppoe session=5 / ip / udp / text ppp",
	"sll / ip / udp / text cooked",
	"sll2 / ip6 / udp / text cooked",
	"loop / ip / udp / text loop",
	"udp / struct seq:32=7 kind:4=3 rest:4 temp:16=auto+2 / text tail",
	"udp / counter 4 / random 12",
	"eth / ip / udp / text short / trailer 00000000000000000000",
	"eth type=0x0010 / text 0123456789abcdef",
}

// oddLines are packets that some reader complains about.
var oddLines = []string{
	"ip dst=127.0.0.1 / udp dport=12345 csum=bad / text hello",
	"ip len=auto+4 csum=0x1234 / tcp hdrlen=15 / hex deadbeef",
	"ip opts=lsrr:192.0.2.9/192.0.2.10@12 / tcp",
	"icmp type=redirect gateway=192.0.2.254",
	"hex 0102030405",
	"udp len=4 / text hello",
	"udp sport=53 dport=9 / hex 00",
	"tcp hdrlen=4 / text hello",
	"ip ver=5 / udp",
	"ip hdrlen=3 / udp",
}

func TestSpecOfBuilds(t *testing.T) {
	for _, line := range slices.Concat(lines, oddLines) {
		frame, template := build(t, line)
		var h Headers
		Scan(template.Link(), frame, len(frame), &h)
		s := SpecOf(frame, &h)
		cli := s.CLI()
		again, _ := build(t, cli)
		if hex.EncodeToString(again) != hex.EncodeToString(frame) {
			t.Errorf("%s\n is %x\nread as %s\n is %x", line, frame, cli, again)
		}

	}
}

// Classes other than IN are described, not only copied.
func TestClassesOfRecords(t *testing.T) {
	line := "q=version.bind/CH/TXT,a.example/ANY/ANY an=a.example/HS/TXT/5/x/y/z ns=a.example/NONE/A/0/192.0.2.1 ar=./CLASS4096/OPT/0/"
	frame, template := build(t, "dns "+line)
	var h Headers
	Scan(template.Link(), frame, len(frame), &h)
	if got := SpecOf(frame, &h).CLI(); !strings.Contains(got, strings.Replace(strings.Replace(line, "version.bind/", "version.bind./", 1), "a.example/", "a.example./", -1)) {
		t.Errorf("read as %s", got)
	}
	for _, wrong := range []string{"dns q=a/IN/A/B", "dns q=a/CLASS/A", "dns q=a/CLASS65536/A", "dns an=a/XX/A/0/1.2.3.4"} {
		if _, err := ParseLine(wrong); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
}

// Set fills in what the user has left open, and nothing else.
func TestSet(t *testing.T) {
	s, err := ParseLine("ip ttl=3 / udp")
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"192.0.2.1", "192.0.2.2"} {
		if err := s.Set(IPv4, "src", value, ByDevice); err != nil {
			t.Error(err)
		}
	}
	if err := s.Set(IPv4, "ttl", "9", ByDevice); err != nil {
		t.Error(err)
	}
	if got := s.CLI(); got != "ip ttl=3 src=192.0.2.1 / udp" {
		t.Error(got)
	}
	for _, wrong := range []struct {
		layer       Layer
		name, value string
	}{{TCP, "sport", "1"}, {UDP, "ttl", "1"}, {UDP, "sport", "65536"}} {
		if err := s.Set(wrong.layer, wrong.name, wrong.value, ByDevice); err == nil {
			t.Errorf("%v %s=%s is taken", wrong.layer, wrong.name, wrong.value)
		}
	}
}
