package packet

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wirelab/internal/require"
	"wirelab/wire/capfile"
)

// twins are packets as we and as scapy describe them.
var twins = [][2]string{
	{"ip src=192.0.2.1 dst=192.0.2.35 id=0 / udp sport=40000 dport=9 / text hello", "IP(src='192.0.2.1',dst='192.0.2.35',id=0)/UDP(sport=40000,dport=9)/b'hello'"},
	{"ip dst=192.0.2.35 ttl=3 tos=0x10 flags=df / tcp sport=1 dport=12345 seq=7 ack=8 win=100 flags=SA urg=5 / text x", "IP(src='127.0.0.1',dst='192.0.2.35',ttl=3,tos=16,flags='DF')/TCP(sport=1,dport=12345,seq=7,ack=8,window=100,flags='SA',urgptr=5)/b'x'"},
	{"ip dst=192.0.2.35 / tcp opts=mss:1460,sackok,ts:1/2,nop,wscale:7", "IP(src='127.0.0.1',dst='192.0.2.35')/TCP(sport=40000,window=64240,options=[('MSS',1460),('SAckOK',b''),('Timestamp',(1,2)),('NOP',None),('WScale',7)])"},
	{"ip dst=192.0.2.35 / tcp opts=sack:1-2/3-4,uto:5", "IP(src='127.0.0.1',dst='192.0.2.35')/TCP(sport=40000,window=64240,options=[('SAck',(1,2,3,4)),('UTO',5)])"},
	{"eth src=02:00:00:00:00:01 dst=02:00:00:00:00:02 / vlan id=5 prio=3 / vlan id=7 dei=1 / ip / icmp id=7 seq=1 / text ping", "Ether(src='02:00:00:00:00:01',dst='02:00:00:00:00:02')/Dot1Q(vlan=5,prio=3)/Dot1Q(vlan=7,**{dei:1})/IP(src='127.0.0.1')/ICMP(id=7,seq=1)/b'ping'"},
	{"eth src=02:00:00:00:00:01 / arp op=reply sha=02:00:00:00:00:01 spa=192.0.2.1 tha=02:00:00:00:00:02 tpa=192.0.2.2", "Ether(src='02:00:00:00:00:01',dst='ff:ff:ff:ff:ff:ff')/ARP(op=2,hwsrc='02:00:00:00:00:01',psrc='192.0.2.1',hwdst='02:00:00:00:00:02',pdst='192.0.2.2')"},
	{"ip opts=lsrr:192.0.2.9/192.0.2.10 / udp / text x", "IP(src='127.0.0.1',options=[IPOption_LSRR(pointer=4,routers=['192.0.2.9','192.0.2.10'])])/UDP(sport=40000,dport=9)/b'x'"},
	{"ip opts=ra:0 / icmp", "IP(src='127.0.0.1',options=[IPOption_Router_Alert()])/ICMP()"},
	{"ip flags=mf frag=2 / text 12345678", "IP(src='127.0.0.1',flags='MF',frag=2,proto=253)/b'12345678'"},
	{"ip6 dst=2001:db8::1 flow=0x12345 tc=0x20 hlim=9 / tcp dport=80", "IPv6(src='::1',dst='2001:db8::1',fl=0x12345,tc=32,hlim=9)/TCP(sport=40000,window=64240)"},
	{"ip6 / hop opts=ra:0 / udp / text six", "IPv6(src='::1',dst='::1')/IPv6ExtHdrHopByHop(options=[RouterAlert()])/UDP(sport=40000,dport=9)/b'six'"},
	{"ip6 / routing type=0 segleft=1 addrs=2001:db8::5,2001:db8::6 / udp / text six", "IPv6(src='::1',dst='::1')/IPv6ExtHdrRouting(segleft=1,addresses=['2001:db8::5','2001:db8::6'])/UDP(sport=40000,dport=9)/b'six'"},
	{"ip6 / fragment id=5 frag=3 more=1 / hex 0102030405060708", "IPv6(src='::1',dst='::1')/IPv6ExtHdrFragment(id=5,offset=3,m=1,nh=253)/bytes([1,2,3,4,5,6,7,8])"},
	{"ip6 / dest opts=padn:4 / udp", "IPv6(src='::1',dst='::1')/IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))])/UDP(sport=40000,dport=9)"},
	{"icmp6 type=ns target=fe80::1 opts=slla:02:00:00:00:00:01", "IPv6(src='::1',dst='::1',hlim=255)/ICMPv6ND_NS(tgt='fe80::1')/ICMPv6NDOptSrcLLAddr(lladdr='02:00:00:00:00:01')"},
	{"icmp6 type=na target=fe80::1 r=1 opts=tlla:02:00:00:00:00:01", "IPv6(src='::1',dst='::1',hlim=255)/ICMPv6ND_NA(tgt='fe80::1',R=1,S=1,O=1)/ICMPv6NDOptDstLLAddr(lladdr='02:00:00:00:00:01')"},
	{"icmp6 type=ra flags=m opts=prefix:2001:db8::/64/la/100/50,mtu:1500", "IPv6(src='::1',dst='::1',hlim=255)/ICMPv6ND_RA(chlim=64,M=1,prf=0,routerlifetime=1800)/ICMPv6NDOptPrefixInfo(prefix='2001:db8::',validlifetime=100,preferredlifetime=50)/ICMPv6NDOptMTU(mtu=1500)"},
	{"icmp6 id=3 seq=4 / text hello", "IPv6(src='::1',dst='::1')/ICMPv6EchoRequest(id=3,seq=4,data=b'hello')"},
	{"icmp6 type=too-big mtu=1280 / ip6 / udp", "IPv6(src='::1',dst='::1')/ICMPv6PacketTooBig(mtu=1280)/IPv6(src='::1',dst='::1')/UDP(sport=40000,dport=9)"},
	{"icmp type=unreachable code=3 / ip / udp / text quoted", "IP(src='127.0.0.1')/ICMP(type=3,code=3)/IP(src='127.0.0.1')/UDP(sport=40000,dport=9)/b'quoted'"},
	{"ip / ip / udp / text inner", "IP(src='127.0.0.1')/IP(src='127.0.0.1')/UDP(sport=40000,dport=9)/b'inner'"},
	{"gre key=5 seq=6 csum=auto / ip / udp / text inner", "IP(src='127.0.0.1')/GRE(chksum_present=1,key_present=1,seqnum_present=1,key=5,sequence_number=6)/IP(src='127.0.0.1')/UDP(sport=40000,dport=9)/b'inner'"},
	{"vxlan vni=77 / eth src=02:00:00:00:00:01 dst=02:00:00:00:00:02 / ip / tcp", "IP(src='127.0.0.1')/UDP(sport=40000,dport=4789)/VXLAN(vni=77,flags=8)/Ether(src='02:00:00:00:00:01',dst='02:00:00:00:00:02')/IP(src='127.0.0.1')/TCP(sport=40000,window=64240)"},
	{"ntp stratum=2 transmit=0xe000000000000000", "IP(src='127.0.0.1')/UDP(sport=40000,dport=123)/NTPHeader(leap=0,stratum=2,poll=6,precision=236,delay=0,dispersion=0,id='0.0.0.0',ref_id=bytes(4),recv=0,sent=0xe0000000,ref=0,orig=0)"},
	{"dns id=7 q=example.com/AAAA", "IP(src='127.0.0.1')/UDP(sport=40000,dport=53)/DNS(id=7,rd=1,qd=DNSQR(qname='example.com',qtype='AAAA'))"},
}

// TestScapy shows that scapy makes the same bytes of the same fields.
func TestScapy(t *testing.T) {
	python := require.Program(t, "/usr/bin/python3")
	var script strings.Builder
	script.WriteString("import logging; logging.disable(50)\nfrom scapy.all import *\nfrom scapy.contrib import *\n" +
		"dei = 'dei' if 'dei' in [f.name for f in Dot1Q.fields_desc] else 'id'\n")
	for _, twin := range twins {
		script.WriteString("print(raw(" + twin[1] + ").hex())\n")
	}
	cmd := exec.Command(python, "-")
	cmd.Stdin = strings.NewReader(script.String())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	theirs := strings.Fields(string(out))
	for i, twin := range twins {
		ours, _ := build(t, twin[0])
		if hex.EncodeToString(ours) != theirs[i] {
			t.Errorf("%s\n   ours %x\nscapy's %s", twin[0], ours, theirs[i])
		}
	}
}

// TestReaders shows that tshark and tcpdump read what we write without a complaint.
func TestReaders(t *testing.T) {
	tshark, tcpdump := require.Program(t, "tshark"), require.Program(t, "tcpdump")
	frames := make(map[LinkType][][]byte)
	names := make(map[LinkType][]string)
	random := anyPacket(false)
	all := slices.Clone(lines)
	for seed := range 200 {
		all = append(all, random.Example(seed))
	}
	for _, line := range all {
		frame, template := build(t, line)
		link := template.Link()
		frames[link], names[link] = append(frames[link], frame), append(names[link], line)
	}
	for link := range frames {
		path := filepath.Join(t.TempDir(), "frames.pcapng")
		writeCapture(t, path, link, frames[link])
		for _, line := range output(t, tshark, "-nr", path, "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
			"-Y", "_ws.malformed or _ws.expert.severity >= 6291456 or _ws.expert.group == 0x1000000", "-T", "fields", "-e", "frame.number", "-e", "_ws.expert.message") {
			var n int
			_, _ = fmt.Sscan(line, &n)
			t.Errorf("tshark, link type %d: %s: %q", link, line, names[link][n-1])
		}
		lines := output(t, tcpdump, "-nvvr", path)
		for _, line := range lines {
			for _, bad := range []string{"bad ", "truncated", "invalid", "wrong", "[|"} {
				if strings.Contains(line, bad) {
					t.Errorf("tcpdump, link type %d: %s", link, line)
				}
			}
		}
	}
}

func writeCapture(t *testing.T, path string, link LinkType, frames [][]byte) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := capfile.NewWriter(f, capfile.PcapNG, "")
	if err != nil {
		t.Fatal(err)
	}
	id, err := w.AddInterface(capfile.Interface{Link: capfile.LinkType(link)})
	if err != nil {
		t.Fatal(err)
	}
	for i, frame := range frames {
		err := w.WriteFrame(&capfile.Frame{Data: frame, Length: len(frame), Time: int64(i) * 1e9, Timed: true, Interface: id, Link: capfile.LinkType(link)}, "")
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}

func output(t *testing.T, program string, args ...string) []string {
	t.Helper()
	cmd := exec.Command(program, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", program, err, stderr.String())
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}
