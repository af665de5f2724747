package address

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wirelab/internal/netlink"
	"wirelab/internal/sys"
)

func TestMistakesHere(t *testing.T) {
	m := inNamespace(t)
	ip(t, "address add 10.1.0.1/24 dev a", "link add name w type veth peer name x netns "+otherNamespace(t))
	if err := writeSysctl("net/ipv6/conf/c/disable_ipv6", "1"); err != nil {
		t.Fatal(err)
	}
	ip(t, "link set dev d mtu 1000")
	if err := os.Symlink("/run/systemd/resolve/stub-resolv.conf", m.ResolvConf); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ text, want string }{
		{`eth9: {mtu: 1400}`, "wirelab.yaml:2:3: addresses: link eth9 does not exist"},
		{`aa: {mtu: 1400}`, "is a meant?"},
		{`a: {routes: [default via 10.9.0.1]}`, "gateway 10.9.0.1 is in no network of link a"},
		{`b: {routes: [default via 10.1.0.9]}`, "gateway 10.1.0.9 is in no network of link b"},
		{`a: {exclusive: true, routes: [default via 10.1.0.9]}`, "in no network of link a"},
		{`b: {addresses: [10.1.0.7/24]}`, "10.1.0.0/24 is the network of link a already"},
		{`a: {mtu: 65536}`, "link a takes from 68 to 65535"},
		{`c: {addresses: ["fd00::1/64"]}`, "IPv6 is turned off on link c: sysctl net.ipv6.conf.c.disable_ipv6=0"},
		{`d: {addresses: ["fd00::1/64"]}`, "IPv6 needs an MTU of 1280, and link d has 1000"},
		{`a: {bridge: []}`, "link a exists, but as a veth"},
		{`a: {veth: c}`, "link a exists, but as a veth with the other end b"},
		{`lo: {state: absent}`, "link lo is hardware, which cannot be made again"},
		{`w: {state: absent}`, "with its other end in another network namespace, which cannot be made again"},
		{`v5: {vlan: 5, over: eth9}`, "over eth9, which does not exist"},
		{`a: {routes: [10.8.0.0/16 via 10.1.0.9 src 10.2.0.2]}`, "src 10.2.0.2 is no address of this machine"},
		{`rules: [on eth9 table 5]`, "link eth9 does not exist"},
		{`dns: [10.1.0.9]`, "resolv.conf is written by /run/systemd/resolve/stub-resolv.conf"},
	}
	now, err := m.Read()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		c, errs := read(t, tt.text)
		if errs != nil {
			t.Errorf("%s: %v", tt.text, errs)
			continue
		}
		if _, errs := c.Change(m, now); errs == nil || !strings.Contains(errs.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.text, errs, tt.want)
		}
	}
}

// otherNamespace returns the pid of a process in a network namespace of its own.
func otherNamespace(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return fmt.Sprint(cmd.Process.Pid)
}

// TestMissingKernelFeature: not every kernel has VLAN devices.
func TestMissingKernelFeature(t *testing.T) {
	m := inNamespace(t)
	before := ipState(t)
	change := mustPlan(t, m, "a: {mtu: 1400}\nv5: {vlan: 5, over: a, addresses: [10.5.0.1/24]}")
	err := m.Apply(t.Context(), change)
	if err == nil {
		contains(t, shown(t, "-d link show dev v5"), "vlan protocol 802.1Q id 5")
	} else if !errors.Is(err, sys.ErrUnsupported) || !strings.Contains(err.Error(), "this kernel has no vlan links") {
		t.Error(err)
	}
	snapshot, _ := change.Before.Snapshot()
	mustRestore(t, m, snapshot)
	if now := ipState(t); strings.Join(now, "\n") != strings.Join(before, "\n") {
		t.Errorf("afterwards\n%s", strings.Join(now, "\n"))
	}
}

func TestNotPermitted(t *testing.T) {
	m := inNamespace(t)
	change := mustPlan(t, m, "a: {addresses: [10.5.0.1/24]}")
	if err := syscall.Setresuid(-1, 65534, -1); err != nil { // this thread ends with the test... and all others
		t.Skip(err)
	}
	err := m.Apply(t.Context(), change)
	if err2 := syscall.Setresuid(-1, 0, -1); err2 != nil {
		t.Fatal(err2)
	}
	if !errors.Is(err, sys.ErrNotPermitted) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Error(err)
	}
}

const allKinds = `
a: {exclusive: true, mtu: 1300, mac: "02:00:00:00:00:09", addresses: [10.1.0.2/24, 10.1.0.3/24, "fd00:1::2/64"], routes: [default via 10.1.0.254, "default via fd00:1::fe"]}
c: {state: down}
d: {mtu: 1000}
br0: {bridge: [b, v1], addresses: [10.3.0.1/24]}
v0: {veth: v1}
vx: {vxlan: 7, remote: 10.1.0.9}
forward: true
rules: [from 10.1.0.0/24 table 50]
dns: [10.1.0.53]
`

// TestDiesBetweenSteps carries out only the first steps of a change, as a process
// that is killed does, and expects the way back from each of them.
func TestDiesBetweenSteps(t *testing.T) {
	m := inNamespace(t)
	ip(t, "address add 10.1.0.1/24 dev a", "address add 10.1.0.2/24 dev a", "-6 address add fd00:1::1/64 dev a", "address add 10.2.0.1/24 dev c", "-6 address add fd00:4::1/64 dev d",
		"route add default via 10.1.0.253", "-6 route add default via fd00:1::fd", "route add 10.9.0.0/16 via 10.2.0.9")
	before := ipState(t)
	for done := 0; ; done++ {
		change := mustPlan(t, m, allKinds)
		todo := change.Steps()
		if done > len(todo) {
			break
		}
		runSteps(t, m, todo[:done])
		if done > 0 && done < len(todo) && strings.Join(ipState(t), "\n") == strings.Join(before, "\n") && todo[done-1].verb != verbWrite && todo[done-1].phase != phaseDown {
			t.Errorf("step %d (%s) has changed nothing", done, todo[done-1].Text)
		}
		snapshot, err := change.Before.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		mustRestore(t, m, snapshot)
		if now := ipState(t); strings.Join(now, "\n") != strings.Join(before, "\n") {
			t.Fatalf("after %d steps, the last one %q:\n%s\nbefore\n%s", done, todo[max(done-1, 0)].Text, strings.Join(now, "\n"), strings.Join(before, "\n"))
		}
	}
}

func runSteps(t *testing.T, m Machine, todo []Step) {
	t.Helper()
	c, err := netlink.Dial(unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := &runner{machine: m, conn: c}
	if err := r.run(t.Context(), todo); err != nil {
		t.Fatal(err)
	}
}

// TestSessionSurvives removes the first of three addresses under a TCP session
// through one of the others.
func TestSessionSurvives(t *testing.T) {
	m := inNamespace(t)
	ip(t, "address add 10.1.0.1/24 dev a", "address add 10.1.0.2/24 dev a", "address add 10.1.0.3/24 dev a")
	l, err := net.Listen("tcp", "10.1.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(10, 1, 0, 3)}} // not the first one, which goes
	client, err := dialer.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	stop := make(chan struct{})
	echoed := make(chan int)
	go func() {
		n, buf := 0, make([]byte, 1)
		for {
			select {
			case <-stop:
				echoed <- n
				return
			default:
			}
			_ = server.SetReadDeadline(time.Now().Add(20 * time.Second)) // what was lost meanwhile is sent again, later each time
			if _, err := client.Write([]byte{1}); err != nil {
				echoed <- -1
				return
			}
			if _, err := server.Read(buf); err != nil {
				echoed <- -1
				return
			}
			n++
		}
	}()
	time.Sleep(20 * time.Millisecond)
	before := mustApply(t, m, "a: {exclusive: true, addresses: [10.1.0.2/24, 10.1.0.3/24]}")
	time.Sleep(20 * time.Millisecond)
	mustRestore(t, m, before)
	time.Sleep(20 * time.Millisecond)
	close(stop)
	if n := <-echoed; n < 10 {
		t.Errorf("the session died, or came to %d bytes only", n)
	}
}

// TestChurn plans while another process adds and removes addresses and routes.
func TestChurn(t *testing.T) {
	m := inNamespace(t)
	const text = `a: {addresses: [10.1.0.1/24, "fd00:1::1/64"], routes: [default via 10.1.0.9]}`
	mustApply(t, m, text)
	var batch strings.Builder
	for i := range 200 {
		fmt.Fprintf(&batch, "address add 10.50.%d.1/24 dev c\nroute add 10.60.%d.0/24 dev c\n", i, i)
	}
	batch.WriteString("address flush dev c\n")
	ctx, cancel := context.WithCancel(t.Context())
	churn := exec.CommandContext(ctx, "sh", "-c", "while :; do ip -batch - <<'END'\n"+batch.String()+"END\ndone")
	churn.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	churn.Cancel = func() error { return syscall.Kill(-churn.Process.Pid, syscall.SIGKILL) }
	if err := churn.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = churn.Wait() }()
	for range 100 {
		if change := mustPlan(t, m, text); len(change.Steps()) > 0 {
			t.Fatalf("while others churn:\n%s", listed(change))
		}
	}
}

func TestAddressLost(t *testing.T) {
	m := inNamespace(t)
	change := mustPlan(t, m, "a: {addresses: [10.1.0.1/24, 10.1.0.2/24]}")
	before, _ := change.Before.Snapshot()
	if err := m.Apply(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	after, err := m.Again(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Verify(t.Context(), after); err != nil {
		t.Errorf("nothing is lost, but: %v", err)
	}
	ip(t, "address delete 10.1.0.2/24 dev a")
	if err := m.Verify(t.Context(), after); err == nil || !strings.Contains(err.Error(), "10.1.0.2/24 to a") {
		t.Error(err)
	}
	mustRestore(t, m, before)
}

// TestRouterRoute turns forwarding on where the default route comes from router
// advertisements, which the kernel would then delete.
func TestRouterRoute(t *testing.T) {
	m := inNamespace(t)
	ip(t, "-6 address add fd00:1::1/64 dev a", "-6 route add default via fe80::99 dev a proto ra metric 100 expires 600")
	before := mustApply(t, m, "forward: true\na: {}")
	contains(t, shown(t, "-6 route"), "default via fe80::99 dev a proto ra")
	if v, _, _ := readSysctl("net/ipv6/conf/all/forwarding"); v != "1" {
		t.Error("no forwarding")
	}
	if v, _, _ := readSysctl("net/ipv6/conf/a/accept_ra"); v != "2" {
		t.Errorf("accept_ra is %s", v)
	}
	mustRestore(t, m, before)
	contains(t, shown(t, "-6 route"), "default via fe80::99 dev a proto ra")
	if v, _, _ := readSysctl("net/ipv6/conf/a/accept_ra"); v != "1" {
		t.Errorf("accept_ra is %s afterwards", v)
	}
}

func TestSnapshotsAreChecked(t *testing.T) {
	m := Machine{}
	for _, text := range []string{"", "{}", `{"schema":"wirelab.address.snapshot/9"}`} {
		if err := m.Restore(t.Context(), []byte(text)); !errors.Is(err, errSnapshot) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAddressThatExpires(t *testing.T) {
	m := inNamespace(t)
	ip(t, "address add 10.1.0.1/24 dev a valid_lft 500 preferred_lft 400", "-6 address add fd00:1::1/64 dev a valid_lft 500 preferred_lft 400")
	before := mustApply(t, m, `a: {addresses: [10.1.0.1/24, "fd00:1::1/64"]}`)
	if now := shown(t, "address show dev a"); strings.Contains(now, "sec") {
		t.Errorf("it still expires:\n%s", now)
	}
	mustRestore(t, m, before)
	if now := shown(t, "address show dev a"); strings.Count(now, "valid_lft 500sec preferred_lft 400sec")+strings.Count(now, "valid_lft 499sec preferred_lft 399sec") != 2 {
		t.Errorf("it no longer expires:\n%s", now)
	}
}

// What belongs to a link that was pulled out while a change waited keeps nothing else from
// coming back, and the change from being confirmed.
func TestLinkPulledOut(t *testing.T) {
	m := inNamespace(t)
	ip(t, "link add m0 link c type macvlan", "link set m0 up", "address add 10.5.0.1/24 dev m0", "route add 10.6.0.0/16 via 10.5.0.9", "address add 10.1.0.1/24 dev a", "route add default via 10.1.0.9")
	before := mustApply(t, m, "m0: {exclusive: true, addresses: [10.5.0.7/24]}\na: {state: down}")
	after, err := m.Again(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	ip(t, "link delete m0")
	if err := m.Verify(t.Context(), after); err == nil || !strings.Contains(err.Error(), "m0") {
		t.Errorf("confirmed: %v", err)
	}
	mustRestore(t, m, before)
	contains(t, shown(t, "route"), "default via 10.1.0.9 dev a")
}

// The way back goes on behind a step that cannot be made.
func TestRestoreGoesOn(t *testing.T) {
	m := inNamespace(t)
	ip(t, "address add 10.1.0.1/24 dev a", "route add default via 10.1.0.9", "address add 10.2.0.1/24 dev c", "route add 10.6.0.0/16 via 10.2.0.9")
	before := mustApply(t, m, "a: {state: down}\nc: {state: down}")
	ip(t, "link set c down", "link set c name e", "link set e up") // and veth c cannot be made
	if err := m.Restore(t.Context(), before); err == nil || !strings.Contains(err.Error(), "create veth c") {
		t.Error(err)
	}
	contains(t, shown(t, "route"), "default via 10.1.0.9 dev a")
}

// What goes with a link is said, and comes back with it.
func TestDependentsGoAndComeBack(t *testing.T) {
	m := inNamespace(t)
	ip(t, "link add br0 type bridge stp_state 1 forward_delay 900", "link set br0 up", "link set c master br0", "address add 10.2.0.1/24 dev br0", "route add 10.8.0.0/16 via 10.2.0.9",
		"address add 10.1.0.1/24 dev a", "address add 10.4.0.1/24 dev b", "route add 10.9.0.0/16 via 10.4.0.9",
		"link add vx type vxlan id 5 dev a dstport 4789 remote 10.1.0.9", "link set vx up", "address add 10.3.0.1/24 dev vx")
	_ = writeSysctl("net/ipv4/conf/b/rp_filter", "2")
	_ = writeSysctl("net/ipv6/conf/br0/accept_ra", "0")
	before, routes := slices.Sorted(slices.Values(ipState(t))), shown(t, "route") // links made again come last
	change := mustPlan(t, m, "br0: {state: absent}\na: {state: absent}")
	contains(t, listed(change), "take c out of bridge br0", "delete bridge br0", "delete vxlan vx: network 5", "delete veth a, with the other end b")
	mustRestore(t, m, mustApply(t, m, "br0: {state: absent}\na: {state: absent}"))
	if now := slices.Sorted(slices.Values(ipState(t))); strings.Join(now, "\n") != strings.Join(before, "\n") {
		t.Errorf("afterwards\n%s\nbefore\n%s", strings.Join(now, "\n"), strings.Join(before, "\n"))
	}
	if now := shown(t, "route"); now != routes {
		t.Errorf("afterwards\n%s\nbefore\n%s", now, routes)
	}
	contains(t, shown(t, "-d link show br0"), "stp_state 1", "forward_delay 900")
	for key, want := range map[string]string{"net/ipv4/conf/b/rp_filter": "2", "net/ipv6/conf/br0/accept_ra": "0"} {
		if got, _, _ := readSysctl(key); got != want {
			t.Errorf("%s is %s", key, got)
		}
	}
	ip(t, "link add m0 link d type macvlan")
	for text, want := range map[string]string{
		"d: {state: absent}":         "link m0 is a macvlan, which cannot be made again",
		"a: {state: absent}\nb: {}":  "link b goes with a, which is to be absent",
		"a: {state: absent}\nvx: {}": "link vx goes with a, which is to be absent",
	} {
		mustRefuse(t, m, text, want)
	}
}

// Settings that the kernel changes or forgets come back too.
func TestSettingsComeBack(t *testing.T) {
	m := inNamespace(t)
	set := map[string]string{
		"net/ipv4/conf/all/accept_redirects": "0", "net/ipv4/conf/default/forwarding": "1", "net/ipv6/conf/a/accept_ra": "0",
		"net/ipv6/conf/a/use_tempaddr": "2", "net/ipv6/conf/c/disable_ipv6": "1",
	}
	for key, value := range set {
		if err := writeSysctl(key, value); err != nil {
			t.Fatal(err)
		}
	}
	mustRestore(t, m, mustApply(t, m, "forward: true\na: {mtu: 1000}\nc: {mtu: 1000}"))
	for key, want := range set {
		if got, _, _ := readSysctl(key); got != want {
			t.Errorf("%s is %s, and was %s", key, got, want)
		}
	}
}

// An address of others whose time is over while a change waits is no reason not to confirm.
func TestOthersAddressExpires(t *testing.T) {
	m := inNamespace(t)
	ip(t, "address add 10.1.0.7/24 dev a valid_lft 500 preferred_lft 400", "-6 address add fd00:1::7/64 dev a valid_lft 500 preferred_lft 400")
	before := mustApply(t, m, "a: {mtu: 1400}")
	after, err := m.Again(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	ip(t, "address delete 10.1.0.7/24 dev a", "-6 address delete fd00:1::7/64 dev a")
	if err := m.Verify(t.Context(), after); err != nil {
		t.Error(err)
	}
}
