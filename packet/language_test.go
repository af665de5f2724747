package packet

import (
	"strings"
	"testing"

	"wirelab/internal/setting"
)

func TestMistakes(t *testing.T) {
	tests := []struct{ line, want string }{
		{"", "position 1: a packet is expected, such as ip dst"},
		{"tpc dport=80", `position 1: there is no layer "tpc"; did you mean tcp?`},
		{"tcp dprot=80", `position 5: there is no field of tcp "dprot"; did you mean dport?`},
		{"ip / tcp dport=80 flags=sny", `position 25: there is no flag "sny"; did you mean syn?`},
		{"tcp dport=http0", `position 11: there is no value of dport "http0"; did you mean http?`},
		{"tcp dport=65536", "position 11: dport has 16 bits: at most 65535"},
		{"ip dst=1.2.3", "position 8: dst: an IPv4 address is expected"},
		{"ip dst=::1", "position 8: dst: an IPv4 address is expected"},
		{"ip ttl=bad", "position 8: ttl is not computed"},
		{"udp csum=auto*2", "position 10: auto, auto+N or auto-N is expected"},
		{"udp sport=inc:9-3", "position 15: the range ends before it begins"},
		{"udp sport=list:1,x", "position 18: sport: a number"},
		{"tcp dport=80 tcp", "position 14: tcp is a layer: put a / before it"},
		{"tcp opts=mss:x", "position 14: a number up to 65535 is expected"},
		{"tcp opts=sackok,mms:5", `position 17: there is no option "mms"; did you mean mss?`},
		{"ip /", "position 5: a layer is expected beside the /"},
		{"ip / / udp", "position 6: a layer is expected beside the /"},
		{"ip src=inc:10.0.0.0/8 / udp / / tcp", "position 31: a layer is expected beside the /"},
		{"/ udp", "position 1: a layer is expected beside the /"},
		{"udp dport", "position 5: a value is expected: dport=VALUE"},
		{"tcp opts", "position 5: a value is expected: opts=VALUE"},
		{"icmp6 target=::1", "position 7: icmp6 has no target unless it has type=ns or type=na or type=redirect"},
		{"icmp6 type=list:ns,echo", "position 7: type cannot vary: which fields icmp6 has depends on it"},
		{"udp sport=1 sport=2", "position 13: sport is set twice"},
		{"hex abc", "position 5: bytes in hexadecimal"},
		{"text 'abc", "position 6: the quote is not closed"},
		{`text a\q`, `position 7: \n, \r, \t`},
		{"zero -1", "position 6: a length in bytes is expected"},
		{"trailer 00 / ip", "position 1: a trailer is the last layer"},
		{"ip / udp --patch ip+99=00", "position 18: the patch ends at byte 100, and the packet has 28"},
		{"udp --patch tcp+1=00", "position 13: the packet has no layer tcp"},
		{"udp --patch udp+1=0", "position 13: a patch is LAYER+OFFSET=HEX"},
		{"dns q=a/B/C", "position 7: NAME/TYPE is expected"},
		{"struct a:4=1", "position 8: the fields of a structure fill whole bytes; these have 4 bits"},
		{"udp / zero 65508", "the len of ip would be 65536"},
		{"ip / udp len=auto / zero 65528", "position 6: the len of udp would be 65536"},
	}
	for _, tt := range tests {
		s, err := ParseLine(tt.line)
		if err == nil {
			_, _, err = Build(s)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %s", tt.line, err, tt.want)
		}
	}
}

func TestMistakesInYAML(t *testing.T) {
	tests := []struct{ text, want string }{
		{"layers:\n  - tpc: {dport: 80}\n", `p.yaml:2:5: there is no layer "tpc"; did you mean tcp?`},
		{"layers:\n  - tcp: {dprot: 80}\n", `p.yaml:2:11: there is no field of tcp "dprot"; did you mean dport?`},
		{"layers:\n  - tcp: {dport: x}\n", `p.yaml:2:18: layers.tcp.dport: dport: a number`},
		{"layers:\n  - tcp: {flags: [syn, fni]}\n", `there is no flag "fni"; did you mean fin?`},
		{"layers: tcp dprot=80\n", `p.yaml:1:13: layers: there is no field of tcp "dprot"; did you mean dport?`},
		{"layer: tcp\n", `p.yaml:1:1: there is no key "layer"; did you mean layers?`},
		{"layers: [udp]\nmtu: x\n", `p.yaml:2:6: mtu: mtu is a number`},
	}
	for _, tt := range tests {
		v, errs := setting.Read("p.yaml", []byte(tt.text))
		if errs != nil {
			t.Fatal(errs)
		}
		s, err := FromValue(v)
		if err == nil {
			_, _, err = Build(s)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
}
