package kernel

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wirelab/firewall"
	"wirelab/internal/netlink"
	"wirelab/internal/sys"
	"wirelab/internal/sys/netns"
)

// Docker's tables, about as it makes them, and one of each other family.
const dockerTables = `
table ip nat {
	chain DOCKER {
		iifname "docker0" counter packets 3 bytes 180 return
		iifname != "docker0" tcp dport 8080 counter packets 7 bytes 420 dnat to 172.17.0.2:80
	}
	chain PREROUTING {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local counter packets 9 bytes 540 jump DOCKER
	}
	chain POSTROUTING {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr 172.17.0.0/16 oifname != "docker0" counter masquerade
	}
}
table ip filter {
	set blocked {
		type ipv4_addr
		flags interval
		elements = { 10.0.0.0/8, 192.0.2.1 }
	}
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
		ip saddr @blocked drop
		ct state related,established counter packets 5 bytes 300 accept
		tcp dport { 80, 443, 8000-8010 } accept
	}
}
table bridge quiet {
	chain c {
		type filter hook input priority 0;
		ether type arp accept
	}
}
table arp quiet {
	chain c {
		type filter hook input priority 0;
		arp operation request accept
	}
}
table inet wirelab2 {
	chain input {
		type filter hook input priority 5;
	}
}
`

// discard sends a datagram of one byte to port 9 of the namespace's loopback.
func discard(t *testing.T, n *netns.Namespace) {
	t.Helper()
	if err := n.Do(func() error {
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		conn, err := net.Dial("udp", "127.0.0.1:9")
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte("x"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestTablesOfOthersStayAsTheyAre(t *testing.T) {
	n, k := namespace(t)
	if err := n.Do(func() error {
		command := exec.Command("nft", "-f", "-")
		command.Stdin = strings.NewReader(dockerTables)
		out, err := command.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	before := nft(t, n, "-a", "list", "ruleset")
	g := newGenerator(7)
	for range 3 {
		mustApply(t, k, g.next())
	}
	if err := k.Remove(g.program); err != nil {
		t.Fatal(err)
	}
	if after := nft(t, n, "-a", "list", "ruleset"); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

// All that nft can load reads back without an error, and what has no words is said.
func TestForeignTablesAreRead(t *testing.T) {
	n, k := namespace(t)
	nft(t, n, dockerTables)
	nft(t, n, "add rule ip filter FORWARD meta cpu 3 tcp dport 22 accept")
	all, err := k.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var forward *firewall.Chain
	for _, s := range all {
		if s.Program.Table == "filter" && s.Program.Family == firewall.IPv4 {
			forward = s.Program.Chain("FORWARD")
		}
	}
	if len(all) != 5 || forward == nil || len(forward.Rules) != 4 {
		t.Fatalf("%d tables, forward %+v", len(all), forward)
	}
	for i, rule := range forward.Rules {
		unknown := false
		for _, m := range rule.Matches {
			unknown = unknown || m.Unknown != ""
		}
		if unknown != (i == 3) {
			t.Errorf("rule %d: %+v", i, rule)
		}
	}
	if seen := forward.Rules[1].Seen; seen != (firewall.Traffic{Packets: 5, Bytes: 300}) {
		t.Errorf("counted %+v", seen)
	}
}

// A change of one rule of many leaves the counters of the others, and their handles.
func TestOtherCountersLiveOn(t *testing.T) {
	n, k := namespace(t)
	p := manyRules(10000)
	counted := p.Chains[0].Rules[7777]
	counted.Matches[1].From, counted.Matches[3].From = []byte{127, 0, 0, 1}, []byte{0, 9}
	counted.Matches[2].From = []byte{17}
	p.Rehash()
	mustApply(t, k, p)
	discard(t, n)
	p.Chains[0].Rules[5000].Verdict.Kind = firewall.Drop
	p.Rehash()
	plan := mustPlan(t, k, p)
	if len(plan.Changes) != 2 || plan.Kept != 9999 {
		t.Errorf("%d changes, %d rules kept", len(plan.Changes), plan.Kept)
	}
	if err := k.Apply(plan); err != nil {
		t.Fatal(err)
	}
	live, err := k.Read(p)
	if err != nil {
		t.Fatal(err)
	}
	if seen := live.Program.Chains[0].Rules[7777].Seen; seen.Packets != 1 {
		t.Errorf("the rule has counted %+v", seen)
	}
	if !reflect.DeepEqual(live.Program.Chains[0].Rules[5000].Verdict, p.Chains[0].Rules[5000].Verdict) {
		t.Error("the rule that was changed is not where it was")
	}
}

// Lines that move keep their rules; the plan says how many.
func TestMovedLines(t *testing.T) {
	_, k := namespace(t)
	p := newGenerator(3).next()
	mustApply(t, k, p)
	for i := range p.Chains {
		for j := range p.Chains[i].Rules {
			p.Chains[i].Rules[j].Place.Line += 10
		}
	}
	if plan := mustPlan(t, k, p); !plan.Empty() || plan.Moved == 0 || plan.Moved > plan.Kept {
		t.Errorf("%d changes, %d moved, %d kept", len(plan.Changes), plan.Moved, plan.Kept)
	}
}

func TestChangedSincePlan(t *testing.T) {
	n, k := namespace(t)
	g := newGenerator(5)
	mustApply(t, k, g.next())
	plan := mustPlan(t, k, g.next())
	nft(t, n, "add table inet other")
	before := nft(t, n, "list", "ruleset")
	if err := k.Apply(plan); !errors.Is(err, netlink.ErrChanged) {
		t.Errorf("error %v", err)
	}
	if nft(t, n, "list", "ruleset") != before {
		t.Error("something was altered")
	}
}

// What somebody else did to a rule is seen, though its comment still says ours.
func TestForeignHandsAreSeen(t *testing.T) {
	n, k := namespace(t)
	p := newGenerator(5).next()
	for _, command := range []string{
		"add rule inet wirelab in tcp dport 22 accept",
		"insert rule inet wirelab in accept",
		"add chain inet wirelab extra",
		"add set inet wirelab more { type ipv4_addr; }",
		"add element inet wirelab ports { 4242 }",
		"flush chain inet wirelab sub",
		"chain inet wirelab in { policy drop; }",
		"table inet wirelab { flags dormant; }",
	} {
		p.Chains[0].Policy = firewall.Accept
		mustApply(t, k, p)
		nft(t, n, command)
		live, err := k.Read(p)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(command, "flush") && len(p.Chains[3].Rules) == 0 {
			continue
		}
		if mustPlan(t, k, p).Empty() || Compare(live, p).Empty() {
			t.Errorf("nothing to do after %q", command)
		}
		mustApply(t, k, p)
		if plan := mustPlan(t, k, p); !plan.Empty() {
			t.Errorf("after %q and apply: %+v", command, plan.Changes[0])
		}
	}
}

func TestErrorsNameTheRule(t *testing.T) {
	_, k := namespace(t)
	p := newGenerator(1).next()
	p.Chains[0].Rules = append(p.Chains[0].Rules, firewall.Rule{
		Verdict: firewall.Verdict{Kind: firewall.Jump, Chain: "missing"}, Text: "jump missing", Place: g7(),
	})
	err := k.Apply(mustPlan(t, k, p))
	var failed *sys.OpError
	if !errors.As(err, &failed) || !strings.Contains(failed.Object, "wirelab.yaml:7:3") || !strings.Contains(failed.Object, "jump missing") {
		t.Errorf("error %v", err)
	}
	p.Chains[0].Rules[len(p.Chains[0].Rules)-1] = firewall.Rule{Matches: []firewall.Match{{Unknown: "meta cpu"}}}
	if err := k.Apply(mustPlan(t, k, p)); !errors.Is(err, ErrNotExpressible) {
		t.Errorf("error %v", err)
	}
	if live, err := k.Read(p); err != nil || live.Exists {
		t.Errorf("the table exists: %t, %v", live.Exists, err)
	}
}

// A kernel that lacks an expression of a rule says so in one line, and nothing is altered. A kernel
// without the module nft_reject_bridge has none for bridges.
func TestExpressionMissing(t *testing.T) {
	_, k := namespace(t)
	p := &firewall.Program{Family: unix.NFPROTO_BRIDGE, Table: "wirelab", Chains: []firewall.Chain{{Name: "input", Hook: firewall.Input, Policy: firewall.Accept}}}
	mustApply(t, k, p)
	was, err := k.Save(p)
	if err != nil {
		t.Fatal(err)
	}
	changed := *p
	changed.Chains = []firewall.Chain{p.Chains[0]}
	changed.Chains[0].Rules = []firewall.Rule{
		{Verdict: firewall.Verdict{Kind: firewall.Accept}, Text: "accept"},
		{Verdict: firewall.Verdict{Kind: firewall.Reject, Answer: firewall.Answer{Type: firewall.ICMPXAnswer}}, Text: "reject", Place: g7()},
	}
	err = k.Apply(mustPlan(t, k, &changed))
	if err == nil {
		t.Skip("this kernel has reject for bridges")
	}
	if want := "add rule of chain input (wirelab.yaml:7:3) reject: not supported here: this kernel lacks the expression reject"; err.Error() != want || !errors.Is(err, ErrNoExpression) || !errors.Is(err, sys.ErrUnsupported) {
		t.Errorf("error %v, not %s", err, want)
	}
	if err := k.Verify(p, was); err != nil {
		t.Error(err)
	}
}

var child = flag.Bool("kernel.child", false, "this is the process that a test has started")

// again starts the test again in a process with these attributes.
func again(t *testing.T, attributes *syscall.SysProcAttr) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "again")
	text, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = errors.Join(os.WriteFile(program, text, 0o755), os.Chmod(filepath.Dir(filepath.Dir(program)), 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "-test.run=^"+t.Name()+"$", "-kernel.child", "-test.v")
	command.SysProcAttr = attributes
	out, err := command.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
		t.Skip(err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v: %s", err, out)
	}
}

// In a user namespace without rights over the machine the buffers are bounded by
// net.core.wmem_max; 2,000 rules fit, and what does not says so in one line.
func TestUserNamespace(t *testing.T) {
	if !*child {
		self := func(id int) []syscall.SysProcIDMap {
			return []syscall.SysProcIDMap{{ContainerID: 0, HostID: id, Size: 1}}
		}
		again(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET, UidMappings: self(os.Getuid()), GidMappings: self(os.Getgid())})
		return
	}
	k, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, k, manyRules(2000))
	if plan := mustPlan(t, k, manyRules(2000)); !plan.Empty() {
		t.Errorf("%d changes", len(plan.Changes))
	}
	if err := k.Apply(mustPlan(t, k, manyRules(60000))); err != nil && (!errors.Is(err, netlink.ErrTooLarge) || strings.Contains(err.Error(), "\n")) {
		t.Errorf("error %v", err)
	}
}

func TestWithoutPrivilege(t *testing.T) {
	if !*child {
		if os.Getuid() != 0 {
			t.Skip("another user can be had as root alone")
		}
		again(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})
		return
	}
	k, err := Open()
	if err == nil {
		_, err = k.Plan(newGenerator(1).next())
	}
	if !errors.Is(err, sys.ErrNotPermitted) {
		t.Errorf("error %v", err)
	}
}

// A dump that another program interrupts again and again is still whole.
func TestReadUnderChurn(t *testing.T) {
	n, k := namespace(t)
	p := manyRules(200)
	mustApply(t, k, p)
	stop := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			case <-time.After(100 * time.Millisecond):
			}
			if err := n.Do(func() error {
				return exec.Command("nft", fmt.Sprintf("add table inet churn; add chain inet churn c%d", i)).Run()
			}); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 20 {
		if plan := mustPlan(t, k, p); !plan.Empty() {
			t.Errorf("%d changes", len(plan.Changes))
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func FuzzReadRule(f *testing.F) {
	p := newGenerator(2).next()
	for i := range p.Chains {
		for j := range p.Chains[i].Rules {
			w := newWriter(p)
			w.message(newRule, 0, object{})
			mark := w.Nest(1)
			w.rule(&p.Chains[i].Rules[j])
			w.End(mark)
			f.Add(append([]byte(nil), w.Since(mark)...))
		}
	}
	table := &State{Program: *p, index: indexSets(p.Sets)}
	for i := range p.Sets {
		table.sets = append(table.sets, define(&p.Sets[i]))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		reader := newRuleReader(&reader{fields: indexFields()}, table)
		rule, _ := reader.read(&listed{expressions: data, userData: data})
		if _, err := json.Marshal(rule); err != nil {
			t.Fatal(err)
		}
		(&signer{program: p}).signature(&rule)
	})
}

// What the kernel lists of a table, and what is said to be a snapshot of one, can be any bytes.
func FuzzListing(f *testing.F) {
	p := newGenerator(4).next()
	w := newWriter(p)
	w.whole()
	for m := range w.Messages().All() {
		var e netlink.Encoder
		e.Message(m.Kind, 0)
		e.Raw(m.Body)
		f.Add([]byte(e.Messages()))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &reader{fields: indexFields()}
		live := &State{Exists: true, Program: firewall.Program{Family: p.Family, Table: p.Table}}
		chain := firewall.Chain{Name: "input"}
		var set firewall.Set
		var is definition
		for m := range netlink.Messages(data).All() {
			switch m.Kind {
			case newSet:
				set, is, _ = readSet(m.Attributes(4))
			case newElement:
				set.Elements = joined(r.listedElements(netlink.Messages(data), &is), &set, &is)
				live.Program.Sets, live.sets = append(live.Program.Sets, set), append(live.sets, is)
			case newChain:
				chain, _ = readChain(p.Family, m.Attributes(4))
			case newRule:
				if l, err := list(m.Attributes(4)); err == nil {
					rule, sealed := newRuleReader(r, live).read(&l)
					chain.Rules, live.rules = append(chain.Rules, rule), [][]known{append(slices.Concat(live.rules...), known{l.handle, sealed})}
				}
			}
		}
		if live.Program.Chains = []firewall.Chain{chain}; len(chain.Rules) == 0 {
			live.rules = [][]known{nil}
		}
		live.index = indexSets(live.Program.Sets)
		if Compare(live, p).Empty() {
			t.Error("nothing to do")
		}
		if err := checkSnapshot(p, data); err == nil && !slices.Equal(lasting(data), lasting(data)) {
			t.Error("a snapshot differs from itself")
		}
	})
}
