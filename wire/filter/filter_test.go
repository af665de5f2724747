package filter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"wirelab/internal/require"
)

// filters go with every link type that tcpdump knows them for.
var filters = []string{
	"", "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "pim", "ah", "esp", "vrrp",
	"host 10.0.0.1", "src host 10.0.0.1", "dst host 10.0.0.2", "src or dst host 10.0.0.1", "src and dst host 10.0.0.1",
	"src 10.0.0.1", "dst 10.0.0.2 or 10.0.0.3", "ip host 10.0.0.1", "arp host 10.0.0.1", "host 2001:db8::1", "src host 2001:db8::1",
	"ip6 dst host 2001:db8::2", "net 10.0.0.0/24", "net 10", "src net 10.0", "net 10.0.0.0 mask 255.255.255.0", "dst net 10.0.1.0/25",
	"net 2001:db8::/32", "src net 2001:db8::/127", "port 80", "tcp port 80", "udp dst port 53", "src port 1234", "src or dst port 80",
	"src and dst port 80", "port 80 or 53", "tcp port (80 or 443)", "portrange 50-90", "udp src portrange 1000-2000", "port http", "port domain",
	"dst port ssh", "ip proto 6", `ip proto \udp`, `ip6 proto \tcp`, "ip6 proto 44", "proto 17", "proto 89",
	"less 60", "greater 100", "len > 64", "len = 60", "len - 4 > 60", "len % 2 = 0", "ip multicast", "ip6 multicast",
	"ip[0] & 0xf != 5", "ip[6:2] & 0x1fff = 0", "ip[8] < 64", "ip[2:2] > 50", "ip[12:4] = 0x0a000001", "ip6[7] = 64", "ip6[6] = 6",
	"tcp[13] & 2 != 0", "tcp[13] = 2", "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn", "tcp[tcpflags] = tcp-syn or tcp[0:2] = 80",
	"tcp[2:2] = 80", "udp[4:2] > 20", "udp[8:4] = 0x01020304", "icmp[icmptype] = icmp-echo", "icmp[0] = 8 or icmp[0] = 0", "icmp[icmptype] != icmp-echoreply",
	"icmp6[icmp6type] = icmp6-echo", "icmp6[0] = 135", "arp[6:2] = 1", "ip[ip[0] & 0xf] > 10", "tcp[(tcp[12] & 0xf0) >> 2] = 0x47",
	"tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420", "ip[8] = ip[9] + 58", "ip[2:2] - ((ip[0] & 0xf) << 2) > 20", "tcp[0:2] > tcp[2:2]",
	"(ip[0] & 0xf) * 4 > 20", "(len > 60) and (tcp or udp)", "ip[1] ^ 0xff = 0xff", "ip[8] / 2 = 32", "ip[8] - 1 >= 63", "ip[8] << 31 = 0", "1 << 31 > len",
	"not ip", "not tcp and not udp", "not port 80", "! host 10.0.0.1", "tcp and not port 22", "tcp port 80 and host 10.0.0.1",
	"ip or ip6 and tcp", "arp or tcp port 80 and host 10.0.0.1", "(arp or tcp) and host 10.0.0.1", "not (tcp or udp)", "not host 10.0.0.1 and 10.0.0.2",
	"host 10.0.0.1 && tcp || udp", "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
	"host 10.0.0.1 and host 10.0.0.2", "src host 10.0.0.1 and dst port 80", "icmp or icmp6", "udp port 53 or tcp port 53 or icmp",
	"port not 80", "tcp port ! 80 or 443", "host not 10.0.0.1 and 10.0.0.2", "src net not 10.0.0.0/24", "udp port not (53 or not 80)",
	"link[1] = 0", "tcp src port 80 and tcp dst port 1234", "ip and not (src net 10.0.0.0/24 and dst net 10.0.1.0/24)",
}

// ethernetFilters need Ethernet.
var ethernetFilters = []string{
	"ether host 02:00:00:00:00:01", "ether src 02:00:00:00:00:01", "ether dst 02-00-00-00-00-02", "ether dst 0200.0000.0002", "ether broadcast", "broadcast",
	"ether multicast", "multicast", "not broadcast and not multicast", "ether proto 0x88cc", `ether proto \ip`, `ether proto \arp`, "ether[0] & 1 = 0", "ether[12:2] = 0x800",
	"vlan", "vlan 5", "not vlan", "vlan and ip", "vlan 5 and tcp port 80", "vlan and vlan", "vlan 5 and vlan 6 and ip", "vlan and host 10.0.0.1",
	"ip or vlan and udp", "vlan and (tcp or udp)", "mpls", "mpls 100", "mpls and ip", "mpls 100 and mpls 200 and host 10.0.0.1", "pppoed", "pppoes", "pppoes 7 and ip", "pppoes and tcp port 80",
	"atalk", "aarp", "decnet", "iso", "clnp", "esis", "isis", "stp", "ipx", "netbeui", "lat", "moprc", "mopdl",
}

type random struct{ *rand.Rand }

func pick[T any](r random, of ...T) T { return of[r.IntN(len(of))] }

func (r random) transport(protocol byte) []byte {
	ports := func() uint16 { return pick[uint16](r, 80, 53, 22, 443, 1234, 60000) }
	b := make([]byte, 20+r.IntN(30))
	binary.BigEndian.PutUint16(b, ports())
	binary.BigEndian.PutUint16(b[2:], ports())
	switch protocol {
	case 6:
		b[12], b[13] = pick[byte](r, 0x50, 0x60, 0x80, 0xf0), pick[byte](r, 2, 0x12, 0x10, 0x18, 4, 1)
		if b[12] == 0x50 && len(b) >= 24 {
			copy(b[20:], "GET ")
		}
	case 17:
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
		copy(b[8:], []byte{1, 2, 3, 4})
	default:
		b[0] = pick[byte](r, 8, 0, 128, 129, 135, 3)
	}
	return b
}

func (r random) ip4() []byte {
	protocol := pick[byte](r, 6, 6, 17, 17, 1, 2, 132, 103, 50, 51, 112, 89)
	words := pick(r, 5, 5, 5, 6, 15)
	h := make([]byte, 4*words)
	h[0], h[1], h[8], h[9] = 0x40|byte(words), pick[byte](r, 0, 0, 8), pick[byte](r, 64, 128, 1, 255), protocol
	binary.BigEndian.PutUint16(h[6:], pick[uint16](r, 0, 0, 0, 0x4000, 0x2000, 0x2005, 0x0100))
	copy(h[12:], pick(r, []byte{10, 0, 0, 1}, []byte{10, 0, 0, 2}, []byte{10, 0, 1, 3}, []byte{192, 0, 2, 1}))
	copy(h[16:], pick(r, []byte{10, 0, 0, 1}, []byte{10, 0, 0, 2}, []byte{10, 0, 1, 3}, []byte{224, 0, 0, 1}, []byte{10, 0, 0, 3}))
	b := append(h, r.transport(protocol)...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

func (r random) ip6() []byte {
	protocol := pick[byte](r, 6, 17, 58, 44, 132, 50)
	h := make([]byte, 40)
	h[0], h[6], h[7] = 0x60, protocol, pick[byte](r, 64, 255)
	copy(h[8:], []byte{0x20, 1, 0xd, 0xb8})
	copy(h[24:], pick(r, []byte{0x20, 1, 0xd, 0xb8}, []byte{0xff, 2}))
	h[23], h[39] = pick[byte](r, 1, 2), pick[byte](r, 1, 2)
	if protocol == 44 {
		protocol = pick[byte](r, 6, 17, 58)
		return append(append(h, protocol, 0, 0, 1, 0, 0, 0, 9), r.transport(protocol)...)
	}
	return append(h, r.transport(protocol)...)
}

func (r random) arp() []byte {
	b := []byte{0, 1, 8, 0, 6, 4, 0, pick[byte](r, 1, 2), 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2}
	b[17], b[27] = pick[byte](r, 1, 2, 3), pick[byte](r, 1, 2, 3)
	return b
}

// frame makes a frame of a link type.
func (r random) frame(link uint16) []byte {
	kind, payload := pick[uint16](r, 0x800, 0x800, 0x800, 0x86dd, 0x86dd, 0x806), []byte(nil)
	switch kind {
	case 0x800:
		payload = r.ip4()
	case 0x86dd:
		payload = r.ip6()
	case 0x806:
		if payload = r.arp(); r.IntN(4) == 0 {
			kind = 0x8035
		}
	}
	var b []byte
	switch link {
	case linkEthernet:
		b = r.ethernet(kind, payload)
	case linkSLL:
		b = append([]byte{0, pick[byte](r, 0, 4), 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, r.cooked(kind)...)
		b = append(b, payload...)
	case linkSLL2:
		b = append([]byte{byte(kind >> 8), byte(kind), 0, 0, 0, 0, 0, 3, 0, 1, pick[byte](r, 0, 4), 6, 2, 0, 0, 0, 0, 1, 0, 0}, payload...)
	case linkNull:
		b = append(map[uint16][]byte{0x800: {2, 0, 0, 0}, 0x86dd: {30, 0, 0, 0}, 0x806: {9, 0, 0, 0}, 0x8035: {9, 0, 0, 0}}[kind], payload...)
	case linkLoop:
		b = append(map[uint16][]byte{0x800: {0, 0, 0, 2}, 0x86dd: {0, 0, 0, 24}, 0x806: {0, 0, 0, 9}, 0x8035: {0, 0, 0, 9}}[kind], payload...)
	default:
		b = payload
	}
	if r.IntN(10) == 0 {
		b[r.IntN(len(b))] = byte(r.Uint32())
	}
	return b
}

// cooked is the protocol of a Linux cooked frame, and what 802.2 and 802.3 have behind it.
func (r random) cooked(kind uint16) string {
	if r.IntN(5) > 0 {
		return string([]byte{byte(kind >> 8), byte(kind)})
	}
	return pick(r, "\x00\x01\xff\xff", "\x00\x04\xe0\xe0\x03", "\x00\x04\xfe\xfe\x03\x81", "\x00\x04\x42\x42\x03", "\x00\x04\xf0\xf0",
		"\x81\x37", "\x80\x9b", "\x80\xf3", "\x00\x04\xaa\xaa\x03\x08\x00\x07\x80\x9b", "\x00\x04\xaa\xaa\x03\x00\x00\x00\x80\xf3",
		"\x00\x04\xaa\xaa\x03\x00\x00\x00\x81\x37")
}

func (r random) ethernet(kind uint16, payload []byte) []byte {
	b := []byte{2, 0, 0, 0, 0, pick[byte](r, 1, 2), 2, 0, 0, 0, 0, pick[byte](r, 1, 2)}
	switch r.IntN(8) {
	case 0:
		copy(b, "\xff\xff\xff\xff\xff\xff")
	case 1:
		b[0] = 1
	}
	for r.IntN(3) == 0 {
		b = append(b, pick(r, []byte{0x81, 0}, []byte{0x88, 0xa8})...)
		b = append(b, pick(r, []byte{0, 5}, []byte{0x20, 6})...)
	}
	switch r.IntN(10) {
	case 0:
		labels := pick(r, []byte{0, 6, 0x41, 64}, []byte{0, 6, 0x40, 64, 0, 0xc, 0x81, 64}, []byte{0, 6, 0x40, 64, 0, 6, 0x41, 64})
		return append(append(append(b, 0x88, 0x47), labels...), payload...)
	case 1:
		return append(append(b, 0x88, pick[byte](r, 0x63, 0x64), 0x11, 0, 0, pick[byte](r, 7, 8), 0, 99, 0, pick[byte](r, 0x21, 0x57)), payload...)
	case 2:
		other := pick(r, "\x88\xcc", "\x80\x9b", "\x80\xf3", "\x60\x03", "\x60\x04", "\x60\x02", "\x60\x01", "\x81\x37", "\x00\x40\xfe\xfe\x03\x81", "\x00\x40\xfe\xfe\x03\x82", "\x00\x40\xfe\xfe\x03\x83",
			"\x00\x40\x42\x42\x03", "\x00\x40\xe0\xe0\x03", "\x00\x40\xff\xff", "\x00\x40\xf0\xf0", "\x00\x40\xaa\xaa\x03\x08\x00\x07\x80\x9b", "\x00\x40\xaa\xaa\x03\x00\x00\x00\x81\x37")
		return append(append(b, other...), payload...)
	}
	return append(append(b, byte(kind>>8), byte(kind)), payload...)
}

// oracle is what tcpdump compiles for frames of a link type; nil if it refuses.
func oracle(t *testing.T, tcpdump, file, filter string) *bpf.VM {
	t.Helper()
	var complaint strings.Builder
	cmd := exec.Command(tcpdump, "-ddd", "-r", file, filter)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if strings.Contains(complaint.String(), "rejects all packets") {
		out, err = []byte("1\n6 0 0 0\n"), nil
	}
	if err != nil {
		t.Logf("tcpdump refuses %q: %s", filter, complaint.String())
		return nil
	}
	var raw []bpf.RawInstruction
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n")[1:] {
		var i bpf.RawInstruction
		if _, err := fmt.Sscan(line, &i.Op, &i.Jt, &i.Jf, &i.K); err != nil {
			t.Fatal(line, err)
		}
		raw = append(raw, i)
	}
	program, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatalf("%q: tcpdump's program is unknown to x/net/bpf", filter)
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(filter, err)
	}
	return vm
}

func emptyCapture(t *testing.T, link uint16) string {
	t.Helper()
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	for _, v := range []uint32{2 | 4<<16, 0, 0, 0x40000, uint32(link)} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	name := filepath.Join(t.TempDir(), "empty.pcap")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Every filter accepts the frames that tcpdump's program accepts.
func TestAgreesWithTcpdump(t *testing.T) {
	tcpdump := require.Program(t, "tcpdump")
	for _, link := range []uint16{linkEthernet, linkRaw, linkNull, linkLoop, linkSLL, linkSLL2, linkIPv4, linkIPv6} {
		t.Run(strconv.Itoa(int(link)), func(t *testing.T) {
			t.Parallel()
			r := random{rand.New(rand.NewPCG(uint64(link), 7))}
			frames := make([][]byte, 3000)
			for i := range frames {
				frames[i] = r.frame(link)
			}
			empty := emptyCapture(t, link)
			list := filters
			if link == linkEthernet {
				list = append(list[:len(list):len(list)], ethernetFilters...)
			}
			if link == linkSLL {
				list = append(list[:len(list):len(list)], "atalk", "aarp", "iso", "stp", "ipx", "netbeui", `ether proto \ipx`, "ether proto 1500")
			}
			for _, filter := range list {
				compare1(t, oracle(t, tcpdump, empty, filter), filter, link, frames)
			}
		})
	}
}

func compare1(t *testing.T, vm *bpf.VM, filter string, link uint16, frames [][]byte) {
	t.Helper()
	program, err := Compile(filter, Options{Link: link})
	if vm == nil || err != nil {
		if vm != nil || err == nil {
			t.Errorf("%q: tcpdump accepts: %t; we: %v", filter, vm != nil, err)
		}
		return
	}
	hits, wrong := 0, 0
	for _, frame := range frames {
		theirs, err := vm.Run(frame)
		if err != nil {
			t.Fatalf("%q: %v", filter, err)
		}
		if theirs != 0 {
			hits++
		}
		if ours := program.Match(frame, len(frame)); ours != (theirs != 0) {
			if wrong++; wrong == 1 {
				t.Errorf("%q: ours %t, tcpdump's %d for %x", filter, ours, theirs, frame)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%q: %d of %d frames differ", filter, wrong, len(frames))
	}
	if hits == 0 && link == linkEthernet {
		t.Errorf("%q matches no frame of the test", filter)
	}
}

func TestRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"hots 10.0.0.1":          `at "hots"`,
		"host":                   "at the end: expected an address",
		"host example.org":       "not looked up",
		"port 65536":             "at most 65535",
		"port nosuchservice":     "no known service",
		"portrange 1-70000":      "two ports",
		"portrange 70000-1":      "two ports",
		"portrange http":         "two ports",
		"tcp and":                "at the end",
		"(tcp":                   `expected ")"`,
		"tcp)":                   `"and", "or" or the end`,
		"ip[0:3] = 1":            "1, 2 or 4 bytes",
		"ip[0]":                  "expected one of",
		"len / 0 = 1":            "division by zero",
		"net 10.0.0.1/24":        "outside of its mask",
		"net 10.0.0.0/33":        "up to 32",
		"host 10.0.0.256":        "at most 255",
		"vlan 5000":              "up to 4095",
		"ip broadcast":           "netmask is not known",
		"protochain 6":           "loop",
		"gateway foo":            "names of hosts",
		"llc":                    "LLC",
		"arp port 80":            "no ports",
		"host 02:00:00:00:00:01": "ether host",
		"ether host 10.0.0.1":    "no IPv4 address",
		"§":                      "no word",
		"1 << 32 = len":          "more than 31",
		"inbound":                "do not say",
		"80":                     "expected an address",
	} {
		_, err := Compile(text, Options{Link: linkEthernet})
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
	if _, err := Compile(strings.Repeat("(", 10_000), Options{Link: 1}); err == nil {
		t.Error("10,000 parentheses")
	}
}

// Protocols that have no word of their own go by name after proto.
func TestProtocolNames(t *testing.T) {
	for name, number := range otherProtocols {
		named, err := Compile("ip proto "+name, Options{Link: linkEthernet})
		numbered, _ := Compile(fmt.Sprint("ip proto ", number), Options{Link: linkEthernet})
		if err != nil || !slices.Equal(named, numbered) {
			t.Errorf("%s is not %d: %v", name, number, err)
		}
	}
}

// A filter of several link types tells each frame by its own.
func TestLinks(t *testing.T) {
	links, err := NewLinks("tcp")
	if err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 40)
	raw[0], raw[9] = 0x45, 6
	ethernet := append([]byte{12: 8, 13: 0}, raw...)
	clone := links.Clone()
	for range 2 {
		for _, l := range []*Links{links, clone} {
			for link, frame := range map[uint16][]byte{linkRaw: raw, linkEthernet: ethernet} {
				if passed, err := l.Match(link, frame, len(frame)); !passed || err != nil {
					t.Errorf("link type %d: %t, %v", link, passed, err)
				}
			}
			if passed, _ := l.Match(linkRaw, ethernet, len(ethernet)); passed {
				t.Error("an Ethernet header is taken for IP")
			}
		}
	}
	vlan, err := NewLinks("vlan 5")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vlan.Match(linkRaw, raw, len(raw)); err == nil {
		t.Error("raw frames have VLAN tags")
	}
}

// Jumps further than a conditional jump reaches still arrive.
func TestLongPrograms(t *testing.T) {
	var hosts []string
	for i := range 250 {
		hosts = append(hosts, fmt.Sprintf("ip dst host 10.9.%d.1", i))
	}
	text := "tcp and (" + strings.Join(hosts, " or ") + ")"
	program, err := Compile(text, Options{Link: linkRaw})
	if err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, 40)
	frame[0], frame[9] = 0x45, 6
	for i, want := range map[byte]bool{0: true, 249: true, 250: false} {
		copy(frame[16:], []byte{10, 9, i, 1})
		if got := program.Match(frame, 40); got != want {
			t.Errorf("10.9.%d.1: %t", i, got)
		}
	}
	if _, err := Compile(strings.Repeat(text+" and ", 8)+"ip", Options{Link: linkRaw}); err == nil || !strings.Contains(err.Error(), "instructions") {
		t.Error(err)
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	program, err := Compile("tcp port 80 and host 10.0.0.1", Options{Link: linkEthernet})
	if err != nil {
		t.Fatal(err)
	}
	frame := random{rand.New(rand.NewPCG(1, 1))}.frame(linkEthernet)
	if n := testing.AllocsPerRun(100, func() { program.Match(frame, len(frame)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCompile(f *testing.F) {
	for _, text := range append(filters, ethernetFilters...) {
		f.Add(text, []byte("\x45\x00\x00\x14 and some bytes of a frame of no particular kind"))
	}
	f.Fuzz(func(t *testing.T, text string, frame []byte) {
		for _, options := range []Options{{Link: 1}, {Link: 101}, {Link: 1, Live: true}, {Link: 276}} {
			program, err := Compile(text, options)
			if err != nil {
				_ = err.Error()
				continue
			}
			program.Match(frame, len(frame))
			for at, i := range program {
				if i.Op&7 == classJump && (at+1+int(i.Jt) >= len(program) || at+1+int(i.Jf) >= len(program)) {
					t.Fatalf("%q: instruction %d jumps out of the program", text, at)
				}
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	program, _ := Compile("tcp port 80 and host 10.0.0.1", Options{Link: linkEthernet})
	r := random{rand.New(rand.NewPCG(1, 1))}
	frames := make([][]byte, 256)
	for i := range frames {
		frames[i] = r.frame(linkEthernet)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		frame := frames[i&255]
		program.Match(frame, len(frame))
	}
}
