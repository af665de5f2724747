package trial

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wirelab/firewall"
	"wirelab/firewall/export"
	"wirelab/firewall/firewalltest"
	"wirelab/firewall/kernel"
	"wirelab/firewall/simulate"
	"wirelab/internal/setting"
)

var (
	proofPackets  = flag.Int("proof.packets", 50_000, "packets that TestProof tries")
	proofPolicies = flag.Int("proof.policies", 250, "policies that TestProof tries them on")
	proofSeed     = flag.Uint64("proof.seed", 1, "the seed of the first policy")
)

func loadNetlink(p *firewall.Program) error {
	k, err := kernel.Open()
	if err != nil {
		return err
	}
	defer k.Close()
	plan, err := k.Plan(p)
	if err != nil {
		return err
	}
	if err := k.Apply(plan); err != nil {
		return err
	}
	again, err := k.Plan(p)
	if err == nil && !again.Empty() {
		err = fmt.Errorf("%d changes after it was applied, such as %+v", len(again.Changes), again.Changes[0])
	}
	return err
}

func loadNFT(p *firewall.Program) error {
	command := exec.Command("nft", "-f", "-")
	command.Stdin = bytes.NewReader(export.NFT(p))
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s\n%s", err, out, export.NFT(p))
	}
	return nil
}

// errNoWords reports a policy that an engine cannot express.
var errNoWords = errors.New("it has no words for the policy")

// loadLegacy loads the program into iptables' old engine, which is not nftables.
func loadLegacy(p *firewall.Program) error {
	for family, restore := range map[firewall.Family]string{firewall.IPv4: "iptables-legacy-restore", firewall.IPv6: "ip6tables-legacy-restore"} {
		text, err := export.IPTables(p, family)
		if err != nil {
			return fmt.Errorf("%w: %w", errNoWords, err)
		}
		// A table that is not in the text would stay as it was.
		for table, chains := range map[string]string{"*nat\n": "", "*filter\n": ":INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n"} {
			if !bytes.Contains(text, []byte(table)) {
				text = append(text, table+chains+"COMMIT\n"...)
			}
		}
		command := exec.Command(restore, "-w")
		command.Stdin = bytes.NewReader(text)
		if out, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s\n%s", restore, err, out, text)
		}
	}
	return nil
}

func compile(text string) (*firewall.Program, setting.Errors) {
	_, program, errs := firewalltest.Read("wirelab.yaml", []byte(text))
	return program, errs
}

// proofHost is what a simulator knows of the host that mustNew makes.
func proofHost() simulate.Host {
	p := netip.MustParsePrefix
	return simulate.Host{
		Interfaces: []simulate.Interface{
			{Name: "lo", Prefixes: []netip.Prefix{p("127.0.0.1/8"), p("::1/128")}},
			{Name: "eth0", Prefixes: []netip.Prefix{p("10.64.37.35/24"), p("fd64::35/64")}},
			{Name: "eth1", Prefixes: []netip.Prefix{p("192.0.2.1/24")}},
		},
		Routes: []simulate.Route{{To: p("0.0.0.0/0"), Out: "eth1"}, {To: p("::/0"), Out: "eth1"}},
	}
}

// Random packets on random policies: the simulator says what the kernel does, and
// so does every other way of loading the same program.
func TestProof(t *testing.T) {
	const workers = 4 // most of the time the kernel waits for its own grace periods
	var proof proof
	var working sync.WaitGroup
	started := time.Now()
	for first := range workers {
		engines := proofEngines(t)
		working.Go(func() {
			for n := first; n < *proofPolicies; n += workers {
				if err := proof.policy(engines, *proofSeed+uint64(n)); err != nil {
					t.Error(err)
					return
				}
				if policies, packets := proof.policyDone(); policies%500 == 0 {
					t.Logf("%d of %d policies, %d packets in %v", policies, *proofPolicies, packets, time.Since(started).Round(time.Second))
				}
			}
		})
	}
	working.Wait()
	for _, said := range proof.wrong {
		t.Error(said)
	}
	t.Logf("%d packets tried on %d policies in %v, %d disagreements; not expressible: %v",
		proof.tried, *proofPolicies, time.Since(started).Round(time.Millisecond), proof.disagreed, proof.skipped)
}

// The policies to begin with decide alike in every way of loading them.
func TestExamplesDecideAlike(t *testing.T) {
	files, err := filepath.Glob("../../examples/firewall/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	limits := regexp.MustCompile(`limit \S+( burst \d+)?`)
	var proof proof
	engines := proofEngines(t)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = limits.ReplaceAll(text, []byte("limit 10000/second burst 10000")) // what is beyond a limit hangs on time
		_, program, errs := firewalltest.Read(file, text)
		if errs != nil {
			t.Fatal(errs)
		}
		g := newGenerator(12)
		packets := make([]Packet, 1000)
		for i := range packets {
			packets[i] = g.packet()
		}
		if err := proof.try(engines, program, packets, file, string(text)); err != nil {
			t.Error(err)
		}
	}
	if proof.disagreed > 0 || len(proof.skipped) > 0 {
		t.Errorf("%d disagreements, such as %v; not expressible: %v", proof.disagreed, proof.wrong, proof.skipped)
	}
}

// proof counts what was tried.
type proof struct {
	sync.Mutex
	policies         int
	tried, disagreed int      // packets
	wrong            []string // the first of them
	skipped          map[string]int
}

// An engine decides about packets in one way of loading a program.
type engine struct {
	name  string
	load  func(*firewall.Program) error
	every int // of how many policies it takes one
	host  *Host
}

// proofEngines returns the engines, each with a host of its own. Those that need
// another program are left out where there is none.
func proofEngines(t *testing.T) []engine {
	t.Helper()
	engines := []engine{{"netlink", loadNetlink, 1, mustNew(t)}}
	if _, err := exec.LookPath("nft"); err == nil {
		engines = append(engines, engine{"nft", loadNFT, 4, mustNew(t)})
	}
	if _, err := exec.LookPath("iptables-legacy-restore"); err == nil {
		engines = append(engines, engine{"iptables-legacy", loadLegacy, 4, mustNew(t)})
	}
	return engines
}

// policy tries one policy on all engines whose turn it is.
func (p *proof) policy(engines []engine, seed uint64) error {
	g := newGenerator(seed)
	program, text, err := possible(g.policy())
	if err != nil {
		return err
	}
	packets := make([]Packet, *proofPackets / *proofPolicies)
	for i := range packets {
		packets[i] = g.packet()
	}
	engines = slices.DeleteFunc(slices.Clone(engines), func(e engine) bool { return seed%uint64(e.every) != 0 })
	return p.try(engines, program, packets, fmt.Sprintf("seed %d", seed), text)
}

// try gives the packets to each engine that has words for the program.
func (p *proof) try(engines []engine, program *firewall.Program, packets []Packet, name, text string) error {
	simulator := simulate.New(proofHost(), program)
	for _, e := range engines {
		if err := e.host.Do(func() error { return e.load(program) }); errors.Is(err, errNoWords) {
			p.skip(e.name)
			continue
		} else if err != nil {
			return fmt.Errorf("%s, %s: %w\n%s", name, e.name, err, text)
		}
		outcomes, err := e.host.Try(packets)
		if err != nil {
			return err
		}
		for k := range packets {
			p.note(disagreement(simulator, &packets[k], outcomes[k]), func(said string) string {
				return fmt.Sprintf("%s, %s, %+v: %s\n%s", name, e.name, packets[k], said, text)
			})
		}
	}
	return nil
}

// policyDone returns how many policies and packets have been tried by now.
func (p *proof) policyDone() (policies, packets int) {
	p.Lock()
	defer p.Unlock()
	p.policies++
	return p.policies, p.tried
}

func (p *proof) skip(engine string) {
	p.Lock()
	defer p.Unlock()
	if p.skipped == nil {
		p.skipped = map[string]int{}
	}
	p.skipped[engine]++
}

func (p *proof) note(said string, describe func(string) string) {
	p.Lock()
	defer p.Unlock()
	p.tried++
	if said == "" {
		return
	}
	if p.disagreed++; len(p.wrong) < 5 {
		p.wrong = append(p.wrong, describe(said))
	}
}

// possible takes out the rules that no packet can match, and compiles the rest.
func possible(text string) (*firewall.Program, string, error) {
	for {
		program, errs := compile(text)
		if errs == nil {
			return program, text, nil
		}
		lines := strings.Split(text, "\n")
		for _, err := range errs {
			if !strings.Contains(err.Error(), "no packet can match") {
				return nil, text, fmt.Errorf("%w\n%s", err, text)
			}
			lines[err.Place.Line-1] = ""
		}
		text = strings.Join(lines, "\n")
	}
}

// disagreement says how simulator and kernel differ, "" if they do not.
func disagreement(s *simulate.Simulator, p *Packet, o Outcome) string {
	a := s.Ask(p.question())
	switch several := p.Destination.IsMulticast() || p.Destination == addr("255.255.255.255") || p.Destination == addr("10.64.37.255"); {
	case several && (a.Path == firewall.Forward || a.Destination.IsValid()):
		return "" // the kernel drops most of what several hosts get and NAT turns aside
	case (a.Verdict == firewall.Accept) != o.Accepted:
		return fmt.Sprintf("simulator: %s; kernel: accepted %t", a, o.Accepted)
	case o.Reply != a.Reply:
		return fmt.Sprintf("simulator: %s; kernel answers %q", a, o.Reply)
	case a.Destination.IsValid() && o.Accepted && a.Destination != o.Destination:
		return fmt.Sprintf("simulator sends it to %s, the kernel to %s", a.Destination, o.Destination)
	case a.Source.IsValid() && o.Accepted && a.Source != o.Source.Addr():
		return fmt.Sprintf("simulator: from %s, kernel: from %s", a.Source, o.Source)
	}
	return ""
}
