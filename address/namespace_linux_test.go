package address

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inNamespace puts the calling goroutine into a network namespace that ends with it,
// with a loopback and the veth pairs a–b and c–d. Subtests would be outside of it.
func inNamespace(t testing.TB) Machine {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		t.Skip("network namespace:", err)
	}
	_ = writeSysctl("net/ipv6/conf/default/accept_dad", "0") // does not take effect everywhere
	ip(t, "link set lo up",
		"link add name a type veth peer name b", "link set dev a up", "link set dev b up",
		"link add name c type veth peer name d", "link set dev c up", "link set dev d up")
	for _, link := range []string{"a", "b", "c", "d", "default"} {
		_ = writeSysctl("net/ipv6/conf/"+link+"/accept_dad", "0")
	}
	for range 200 { // until each link has its own address
		if strings.Count(shown(t, "-o -6 address show scope link"), "fe80::") == 4 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return Machine{ResolvConf: filepath.Join(t.TempDir(), "resolv.conf")}
}

// ip runs commands of ip(8).
func ip(t testing.TB, commands ...string) {
	t.Helper()
	for _, c := range commands {
		if out, err := exec.Command("ip", strings.Fields(c)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", c, err, out)
		}
	}
}

// shown returns what a command of ip(8) prints.
func shown(t testing.TB, args string) string {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(out), " tentative", "")), "\n")
	if strings.Contains(args, "route") {
		slices.Sort(lines)                                     // IPv6 routes come in the order in which they were made
		lines = slices.DeleteFunc(lines, func(l string) bool { // they come by themselves, and later
			return strings.HasPrefix(l, "fe80::") || strings.HasPrefix(l, "local ") || strings.HasPrefix(l, "multicast ")
		})
	}
	return strings.Join(lines, "\n")
}

// mustPlan returns the change that a text asks for.
func mustPlan(t testing.TB, m Machine, text string) *Change {
	t.Helper()
	c, errs := read(t, text)
	if errs != nil {
		t.Fatal(errs)
	}
	now, err := m.Read()
	if err != nil {
		t.Fatal(err)
	}
	change, errs := c.Change(m, now)
	if errs != nil {
		t.Fatal(errs)
	}
	return change
}

// mustRefuse expects that a text cannot be planned here, and why.
func mustRefuse(t testing.TB, m Machine, text, want string) {
	t.Helper()
	c, _ := read(t, text)
	now, err := m.Read()
	if err != nil {
		t.Fatal(err)
	}
	if _, errs := c.Change(m, now); errs == nil || !strings.Contains(errs.Error(), want) {
		t.Errorf("%s: %v, want %q", text, errs, want)
	}
}

// mustApply carries out what a text asks for, after which there is nothing to do. It
// returns the snapshot of before.
func mustApply(t testing.TB, m Machine, text string) []byte {
	t.Helper()
	change := mustPlan(t, m, text)
	if err := m.Apply(t.Context(), change); err != nil {
		t.Fatalf("%v\nof\n%s", err, listed(change))
	}
	if again := mustPlan(t, m, text); len(again.Steps()) > 0 {
		t.Errorf("a second plan is not empty:\n%s", listed(again))
	}
	before, err := change.Before.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return before
}

func listed(c *Change) string {
	var b strings.Builder
	for _, s := range c.Steps() {
		fmt.Fprintf(&b, "%s %s\n", s.Text, s.Place)
	}
	return b.String()
}

func mustRestore(t testing.TB, m Machine, snapshot []byte) {
	t.Helper()
	if err := m.Restore(t.Context(), snapshot); err != nil {
		t.Fatal(err)
	}
	if err := m.Verify(t.Context(), snapshot); err != nil {
		t.Fatal(err)
	}
}

func run(program, args string) (string, error) {
	out, err := exec.Command(program, strings.Fields(args)...).CombinedOutput()
	return string(out), err
}

func contains(t testing.TB, text string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in\n%s", w, text)
		}
	}
}
