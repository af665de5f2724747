package packet

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// more are packets that the golden file has beside the others: odd words of the
// language, and layers that few other tests have.
var more = []string{
	"tcp flags=SA seq=0xffffffff opts=mss:1460,nop,wscale:7,sackok,ts:1/2 / text 'two words'",
	"tcp flags=none opts=sack:1/2/3/4,fastopen:0102,30:aabb,eol / text a\" b \"c\\r\\n\\t\\\\",
	"ip tos=0xb9 frag=0x1fff flags=mf opts=rr:0.0.0.0,130:0102 / hex 00",
	"ip ttl=0 proto=99 / zero 3",
	"ip6 tc=3 flow=0x12345 hlim=1 / hop opts=limit:4,jumbo:70000,padn:2 / dest / udp",
	"ip6 / routing type=4 segleft=1 addrs=2001:db8::7,2001:db8::8 / fragment more=1 id=7 / hex 0102030405060708",
	"icmp type=unreachable code=4 mtu=1400 / ip / udp / hex 00",
	"icmp type=parameter pointer=20 / ip",
	"icmp type=timestamp-reply id=1 seq=2 originate=1 receive=2 transmit=3",
	"icmp type=77",
	"icmp6 type=too-big mtu=1280 / ip6 / udp",
	"icmp6 type=ra opts=prefix:2001:db8::/64,mtu:1500,slla:02:00:00:00:00:01",
	"icmp6 type=mld-report group=ff02::1",
	"icmp6 type=na r=1 target=fe80::1",
	"arp op=reply sha=02:00:00:00:00:01 spa=10.0.0.1",
	"arp op=7",
	"eth type=0x88cc / hex 0000",
	"udp csum=0 / time 8",
	"udp sport=inc:5 dport=list:7,9 len=auto-3 / counter 2 / text abc",
	"stamp-reply seq=9 / hex 0001",
	"ntp leap=1 mode=server stratum=2 poll=4 delay=0x00018000",
	"dns qr=1 rcode=3 q=a.example/MX an='a.example/MX/5/10 mx.example',a.example/NS/5/ns.example,a.example/CNAME/5/c.example",
	"gre key=5 seq=6 ack=7 ver=1 / ip / udp",
	"vlan id=4095 prio=7 dei=1 / vlan id=1 / ip / udp",
	"struct kind:4=auto+2 flag:1=1 rest:3 temp:16=rand:5-9 wide:64=7",
	"udp --patch udp+0=ffff --patch 0=46",
}

// TestGolden writes what is said of packets: their bytes, the line, the description read
// back, and each field with its value, meaning and who set it; and the catalog of layers.
func TestGolden(t *testing.T) {
	const file = "testdata/explained.txt"
	var got bytes.Buffer
	for _, line := range append(append(append([]string{}, lines...), oddLines...), more...) {
		s, err := ParseLine(line + " --seed 7")
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		frame, template, err := Build(s)
		if err != nil {
			fmt.Fprintf(&got, "\n%s\n  %v\n", line, err)
			continue
		}
		var h Headers
		Scan(template.Link(), frame, len(frame), &h)
		e := Explain(frame, &h, OffloadUnknown, template)
		fmt.Fprintf(&got, "\n%s\n  %s\n  %s\n  %s\n", line, hex.EncodeToString(frame), e.Summary, SpecOf(frame, &h).CLI())
		for _, l := range e.Layers {
			fmt.Fprintf(&got, "  %v at %d, %d bytes, added %t, quoted %t %s\n", l.Layer, l.Offset, l.Length, l.Added, l.Quoted, l.Fault)
			for _, f := range l.Fields {
				fmt.Fprintf(&got, "    %d.%d/%d %s %s=%s (%s) %v\n", f.Offset, f.Bit, f.Bits, f.Hex, f.Name, f.Value, f.Meaning, f.SetBy)
			}
			if c := l.Checksum; c != nil {
				fmt.Fprintf(&got, "    %v at %d: %s, right %s, sum %s, folded %s, complement %s; %s\n", c.Verdict, c.Offset, c.Found, c.Right, c.Sum, c.Folded, c.Complement, c.Why)
				for _, term := range c.Terms {
					fmt.Fprintf(&got, "      %s: %s = %s\n", term.Name, term.Words, term.Sum)
				}
			}
		}
	}
	for _, l := range Catalog() {
		fmt.Fprintf(&got, "\n%v: %s, %s; %s\n", l.Layer, l.Title, l.Source, l.Usage)
		for _, f := range l.Fields {
			fmt.Fprintf(&got, "  %+v\n", f)
		}
	}
	if os.Getenv("WIRELAB_UPDATE") != "" {
		if err := os.WriteFile(file, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("%s differs (WIRELAB_UPDATE=1 writes it anew):\n%s", file, d)
	}
}
