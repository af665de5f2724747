package foreign

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"wirelab/firewall"
	"wirelab/firewall/export"
	"wirelab/firewall/simulate"
)

// question returns some packet.
func question(r *rand.Rand) firewall.Question {
	v4 := []string{"10.0.0.1", "10.64.37.9", "10.64.37.66", "192.0.2.7", "203.0.113.9", "198.51.100.7", "10.1.2.3"}
	v6 := []string{"2001:db8:1::9", "fe80::1", "2001:db8:bad::1", "2001:db8::5"}
	from := v4
	if r.IntN(3) == 0 {
		from = v6
	}
	q := firewall.Question{
		Source: netip.MustParseAddr(from[r.IntN(len(from))]), Destination: netip.MustParseAddr(from[r.IntN(len(from))]),
		SourcePort: 40000, DestinationPort: []uint16{22, 23, 53, 80, 443, 8005, 8010, 12345, 5011, 9100}[r.IntN(10)],
		Protocol: []uint8{protocolTCP, protocolTCP, protocolUDP, protocolICMP, 47}[r.IntN(5)],
		In:       []string{"eth0", "wan0", "lan0", "guest0", "lo"}[r.IntN(5)],
	}
	if r.IntN(3) == 0 {
		q.Out = []string{"wan0", "lan0"}[r.IntN(2)]
	}
	switch q.Protocol {
	case protocolTCP:
		q.Flags = []uint8{2, 2, 16, 18, 4, 0}[r.IntN(6)]
	case protocolICMP:
		q.Type = []uint8{8, 0, 3, 128, 135, 134}[r.IntN(6)]
		if q.Source.Is6() {
			q.Protocol = protocolICMPv6
		}
	}
	return q
}

// An example written as a policy again, or for iptables and read back, decides as it did.
func TestExamplesComeBack(t *testing.T) {
	files, err := filepath.Glob("../../examples/firewall/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range files {
		program := fromFile(t, name)
		again, left := Policy(Result{Programs: []*firewall.Program{program}}, name)
		if len(left) > 0 {
			t.Errorf("%s: %v", name, left)
		}
		var both []Result
		for _, family := range []firewall.Family{firewall.IPv4, firewall.IPv6} {
			text, err := export.IPTables(program, family)
			if err != nil {
				t.Fatal(err)
			}
			both = append(both, IPTables("exported", text, family))
		}
		joined, err := Join(both)
		if err != nil {
			t.Fatal(err)
		}
		imported, left := Policy(joined, name)
		if len(left) > 0 {
			t.Errorf("%s: %v", name, left)
		}
		alike(t, r, program, map[string]*firewall.Program{"written again": compiled(t, again), "by iptables": compiled(t, imported)})
	}
}

func fromFile(t *testing.T, name string) *firewall.Program {
	t.Helper()
	dir, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return compiledAs(t, filepath.Join(dir, filepath.Base(name)), text)
}

func alike(t *testing.T, r *rand.Rand, program *firewall.Program, others map[string]*firewall.Program) {
	t.Helper()
	s := simulate.New(simulate.Host{}, program)
	wrong := 0
	for how, other := range others {
		o := simulate.New(simulate.Host{}, other)
		for range 3000 {
			q := question(r)
			if a, b := s.Ask(&q), o.Ask(&q); a.Verdict != b.Verdict || a.Reply != b.Reply {
				t.Errorf("%s: %s: %s; %s", how, fmt.Sprint(&q), a, b)
				if wrong++; wrong > 5 {
					return
				}
			}
		}
	}
}
