package session

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestAncestry(t *testing.T) {
	chain, err := Ancestry(os.Getpid())
	if err != nil || len(chain) < 1 || chain[0].PID != os.Getpid() || chain[0].Parent != os.Getppid() {
		t.Fatalf("%+v, %v", chain, err)
	}
	if age := Boottime() - chain[0].Started; age < 0 || age > time.Hour {
		t.Errorf("this process is %v old", age)
	}
	if _, err := Read(1 << 22); err == nil {
		t.Error("a process that cannot be was read")
	}
}

func TestParseStat(t *testing.T) {
	const rest = " S 12 34 34 1025 34 4194560 1 0 0 0 0 0 0 0 20 0 1 0 250 1 1 1"
	p, err := parseStat("77 (a) b (c)" + rest)
	want := Process{PID: 77, Parent: 12, Program: "a) b (c", Started: 2500 * time.Millisecond, Terminal: 1025}
	if err != nil || p != want {
		t.Errorf("%+v, %v", p, err)
	}
	if !p.Terminal.Console() || Terminal(136<<8|3).Console() || Terminal(0).Console() {
		t.Error("consoles are not told from other terminals")
	}
}

func FuzzParseStat(f *testing.F) {
	text, _ := os.ReadFile("/proc/self/stat")
	f.Add(string(text))
	f.Add("1 (")
	f.Add(")1(")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = parseStat(text) })
}

func TestFirstConnection(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := FirstConnection(os.Getpid()); !ok || c.Peer != l.Addr().(*net.TCPAddr).AddrPort() {
			t.Errorf("%v, %v, want the peer %v", c, ok, l.Addr())
		}
		conn.Close()
	}
	if a, ok := parseEndpoint("0100007F:0016"); !ok || a != netip.MustParseAddrPort("127.0.0.1:22") {
		t.Error(a, ok)
	}
}

func FuzzReadConnections(f *testing.F) {
	f.Add("  0: 0100007F:0016 0200007F:C000 01 0:0 0:0 0 0 0 99 1\n")
	f.Add("  0: 00000000000000000000000001000000:0016 x 01 0 0 0 0 0 99\n")
	f.Fuzz(func(_ *testing.T, table string) {
		readConnections(strings.NewReader(table), map[string]Connection{})
	})
}

func TestKill(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	if err := Kill(cmd.Process.Pid, 5*time.Second); err != nil {
		t.Error(err)
	}
	<-done
	if err := Kill(cmd.Process.Pid, time.Second); err != nil {
		t.Errorf("killing what is gone: %v", err)
	}
}

func TestHierarchyName(t *testing.T) {
	for options, want := range map[string]string{
		"rw,cpu,cpuacct": "cpu,cpuacct", "rw,xattr,name=systemd": "name=systemd", "rw,xattr,release_agent=/x,name=systemd": "name=systemd", "rw": "",
	} {
		if got := hierarchyName(options); got != want {
			t.Errorf("%s: %q", options, got)
		}
	}
	if mounts, err := cgroupMounts(); err != nil || len(mounts) == 0 {
		t.Errorf("%v, %v", mounts, err)
	}
}
