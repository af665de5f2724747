package firewall

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wirelab/internal/setting"
)

// parse reads the section in a file that holds it alone.
func parse(t testing.TB, text string) (*Policy, setting.Errors) {
	t.Helper()
	file, errs := setting.Read("wirelab.yaml", []byte(text))
	if errs != nil {
		t.Fatal(errs)
	}
	section, _ := file.Get("firewall")
	return Parse(section)
}

func TestExampleCompiles(t *testing.T) {
	p, errs := parse(t, Section().Example)
	if errs != nil {
		t.Fatal(errs)
	}
	program, errs := p.Compile()
	if errs != nil {
		t.Fatal(errs)
	}
	if program.Set("office_4") == nil || program.Chain("input").Policy != Drop || program.Chain("output") != nil {
		t.Errorf("%+v", program)
	}
}

func TestMistakes(t *testing.T) {
	tests := []struct{ rule, want string }{
		{"acept ssh", `wirelab.yaml:3:7: firewall.in: "acept" is unknown; did you mean accept?`},
		{"accept shs", `3:14: firewall.in: "shs" is unknown; did you mean ssh?`},
		{"accept tcp/99999", `3:14: firewall.in: "99999" is not a port`},
		{"accept ssh from offcie", `did you mean office?`},
		{"accept ssh from 10.0.0.0/33", `3:23: firewall.in: "10.0.0.0/33" is not a prefix`},
		{"accept ssh limit 6/fortnight", `3:24: firewall.in: "6/fortnight" is not a rate`},
		{"accept ssh log \"x", `3:22: firewall.in: the closing quote is missing`},
		{"accept ssh from", `expected an address, a prefix, a range or the name of a net at the end`},
		{"jump nowhere", `no chain "nowhere"`},
		{"accept icmp/8 from 2001:db8::1", `no packet can match`},
		{"masquerade", `belongs under "nat:"`},
		{"accept ssh with tcp-reset", `"with" belongs to reject`},
		{"reject udp/53 with tcp-reset", `answers tcp alone`},
		{"accept ssh on eth0 on eth1", `"on" stands twice`},
		{"accept ssh out eth0", `not known by which interface`},
		{"accept ssh from example.org", `not looked up`},
	}
	for _, tt := range tests {
		file, _ := setting.Read("wirelab.yaml", []byte("firewall:\n  in:\n    - "+tt.rule+"\n  nets: {office: [10.0.0.0/8]}\n"))
		section, _ := file.Get("firewall")
		errs := check(section)
		if errs == nil || !strings.Contains(errs.Error(), tt.want) || !strings.Contains(errs.Error(), setting.Quote(tt.rule)) {
			t.Errorf("%s: %v, want %s", tt.rule, errs, tt.want)
		}
	}
}

func TestMistakesOfNAT(t *testing.T) {
	for rule, want := range map[string]string{
		"masquerade out eth0":               "",
		"masquerade tcp/80 -> :1024-2047":   "",
		"redirect tcp/81 -> :8081":          "",
		"snat from 10.0.0.0/8 -> 192.0.2.1": "",
		"forward tcp/80 -> 192.168.1.1:80":  "",
		"dnat tcp/80 -> :8080":              "",
		"masquerade -> 192.0.2.1":           "snat takes one",
		"redirect tcp/81":                   "a port of this host",
		"redirect tcp/81 -> 192.0.2.1:8081": "a port of this host",
		"snat from 10.0.0.0/8":              "expected where to",
		"dnat tcp/80":                       "expected where to",
		"dnat -> 192.0.2.1:80":              "needs a protocol with ports",
		"dnat icmp/8 -> 192.0.2.1:80":       "needs a protocol with ports",
	} {
		file, _ := setting.Read("wirelab.yaml", []byte("firewall:\n  nat:\n    - "+rule+"\n"))
		section, _ := file.Get("firewall")
		if errs := check(section); want == "" && errs != nil || want != "" && (errs == nil || !strings.Contains(errs.Error(), want)) {
			t.Errorf("%s: %v, want %q", rule, errs, want)
		}
	}
}

func TestNetsFromFiles(t *testing.T) {
	dir := t.TempDir()
	check := func(content []byte, want string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "nets.txt"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		file, _ := setting.Read(filepath.Join(dir, "wirelab.yaml"), []byte("firewall:\n  nets: {some: [file nets.txt]}\n  in: [accept from some]\n"))
		section, _ := file.Get("firewall")
		p, errs := Parse(section)
		if want != "" {
			if errs == nil || !strings.Contains(errs.Error(), want) {
				t.Errorf("%v, want %q", errs, want)
			}
			return
		}
		if errs != nil {
			t.Fatal(errs)
		}
		program, _ := p.Compile()
		if set := program.Set("some_4"); set == nil || len(set.Elements) != 2 {
			t.Errorf("set %+v", set)
		}
	}
	check([]byte("# mine\n10.0.0.0/8\n\n192.0.2.1 ; why\n"), "")
	check([]byte("10.0.0.0/8\nexample.org\n"), "nets.txt:2:1: ")
	check(make([]byte, maxNetFile+1), "is larger than")
}

// Of thousands of bad lines each is told, with its place, and soon; and a word without
// end is told in short.
func TestEveryMistakeIsReported(t *testing.T) {
	const lines = 5000
	bad := []string{"accept shs", "accept ssh from 10.0.0.0/33", "accept ssh limit 6/fortnight", "drop tcp/" + strings.Repeat("x", 5000)}
	var b strings.Builder
	b.WriteString("firewall:\n  in:\n")
	for i := range lines {
		b.WriteString("    - " + bad[i%len(bad)] + "\n")
	}
	begun := time.Now()
	_, errs := parse(t, b.String())
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	told := map[int]bool{}
	for _, e := range errs {
		told[e.Place.Line] = true
		if len(e.Error()) > 400 {
			t.Fatalf("%d characters: %.500s", len(e.Error()), e.Error())
		}
	}
	for i := range lines {
		if !told[i+3] {
			t.Fatalf("%d lines are told, but not line %d: %s", len(told), i+3, bad[i%len(bad)])
		}
	}
}

// What is right is taken, and becomes as many rules of the kernel as it has to.
func TestRulesOfTheKernel(t *testing.T) {
	tests := []struct {
		list, rule string
		want       int
	}{
		{"in", "accept", 1},
		{"in", "accept tcp/22", 1},
		{"in", "accept tcp/22, udp/53", 2},
		{"in", "accept icmp, icmp/8", 2}, // a type does not narrow what comes before it
		{"in", "accept icmp/8, icmp/13", 1},
		{"in", "accept icmp/8, icmp/0", 1},
		{"in", "accept to local", 1},
		{"in", "accept from 10.0.0.0/8", 1},
		{"in", "accept from azAZ09_-", 2}, // one for each family
		{"in", "accept to local from azAZ09_-", 2},
		{"in", "accept from not 10.0.0.0/8", 2},
		{"in", "accept on eth*, wg0", 2},
		{"in", "accept limit 5/second per source", 2},
		{"in", "reject udp/53 with port-unreachable", 1},
		{"in", "reject with host-unreachable", 1},
		{"in", "reject tcp/53 with tcp-reset", 1},
		{"nat", "dnat on eth1 -> 10.64.37.9", 1},
		{"nat", "dnat tcp/80 on eth1 -> 10.64.37.9:81", 1},
		{"nat", "masquerade out eth1", 1},
	}
	for _, tt := range tests {
		p, errs := parse(t, "firewall:\n  implicit: none\n  nets: {azAZ09_-: [10.0.0.0/8, \"fd00::/8\"]}\n  policy: {in: accept, forward: accept}\n  "+
			tt.list+":\n    - '"+tt.rule+"'\n  expect: [accept ping 10.0.0.1, drop tcp 10.0.0.1 -> :1]\n")
		if errs != nil {
			t.Errorf("%s: %v", tt.rule, errs)
			continue
		}
		program, errs := p.Compile()
		count := 0
		for i := range program.Chains {
			count += len(program.Chains[i].Rules)
		}
		if errs != nil || count != tt.want || len(p.Expect) != 2 {
			t.Errorf("%s: %d rules, want %d; %d expectations; %d mistakes", tt.rule, count, tt.want, len(p.Expect), len(errs))
		}
	}
}
