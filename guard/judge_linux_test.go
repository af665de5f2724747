package guard

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/sys/session"
)

func TestJudge(t *testing.T) {
	const changed = time.Hour
	shell := session.Process{PID: 30, Program: "bash", Started: changed + 2*time.Second, Terminal: 136 << 8, Audit: session.NoAudit}
	login := session.Process{PID: 20, Program: "sshd-session", Started: changed + time.Second, Audit: session.NoAudit}
	cron := session.Process{PID: 9, Program: "cron", Audit: session.NoAudit}
	remote := evidence{
		chain: []session.Process{shell, login}, remote: true, login: login, changed: changed, audit: session.NoAudit,
		connection: session.Connection{Peer: netip.MustParseAddrPort("198.51.100.7:40000")},
		own:        []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fe80::1")},
	}
	tests := []struct {
		name   string
		change func(*evidence)
		want   string // in the refusal; "" passes
	}{
		{"new login", func(*evidence) {}, ""},
		{"old session", func(e *evidence) { e.login.Started = changed - time.Minute }, "began before the change"},
		{"same tick", func(e *evidence) { e.login.Started = changed }, "began before the change"},
		{"loopback", func(e *evidence) { e.connection.Peer = netip.MustParseAddrPort("127.0.0.1:5") }, "an address of this machine"},
		{"own address", func(e *evidence) { e.connection.Peer = netip.MustParseAddrPort("192.0.2.1:5") }, "an address of this machine"},
		{"own link-local address", func(e *evidence) { e.connection.Peer = netip.MustParseAddrPort("[fe80::1%eth0]:5") }, "an address of this machine"},
		{"same audit session", func(e *evidence) { e.audit, e.chain[0].Audit = 7, 7 }, "audit session 7"},
		{"another audit session", func(e *evidence) { e.audit, e.chain[0].Audit = 7, 8 }, ""},
		{"tmux", func(e *evidence) { e.remote, e.chain[1].Program = false, "tmux: server" }, "a child of tmux: server"},
		{"cron", func(e *evidence) { e.remote, e.chain = false, []session.Process{cron} }, "a child of cron"},
		{"console", func(e *evidence) { e.remote, e.chain[0].Terminal = false, 4<<8|1 }, ""},
		{"serial console", func(e *evidence) { e.remote, e.chain[0].Terminal = false, 4<<8|64 }, ""},
		{"console in an old login", func(e *evidence) { e.chain[0].Terminal, e.login.Started = 4<<8|1, 0 }, "began before"},
		{"nobody", func(e *evidence) { e.chain = nil }, "no ancestors"},
	}
	for _, tt := range tests {
		e := remote
		e.chain = append([]session.Process{}, remote.chain...)
		tt.change(&e)
		from, err := e.judge()
		switch {
		case tt.want == "" && (err != nil || from == ""):
			t.Errorf("%s: %q, %v", tt.name, from, err)
		case tt.want != "" && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestConfirm confirms as a login from another machine does, and kills the guard at
// each step of it.
func TestConfirm(t *testing.T) {
	address, login := otherMachine(t)
	tests := []struct{ killAt, want string }{{"", "new"}, {"guard-verify", "old"}}
	for _, tt := range tests { // no subtests: the namespace is this goroutine's
		file, g := setUp(t)
		exe, _ := os.Executable()
		g.Command = []string{exe, "hold", file, tt.killAt}
		p, err := g.Apply(t.Context(), fileChange(file, "", time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if out, err := runRole(t, "confirm", g.Dir); err == nil || !strings.Contains(out, "not confirmed") {
			t.Errorf("from no login: %v, %s", err, out)
		}
		time.Sleep(20 * time.Millisecond) // processes are dated in steps of 10 ms
		out, err := exec.Command(login, "login", address, exe, "confirm", g.Dir).CombinedOutput()
		if (err == nil) != (tt.killAt == "") {
			t.Errorf("%v: %s", err, out)
		}
		waitUnlocked(t, g)
		if _, err := g.Resolve(t.Context()); err != nil {
			t.Error(err)
		}
		waitFor(t, file, tt.want)
		if o, ok := g.Last(); !ok || o.ID != p.ID {
			t.Errorf("%+v", o)
		}
	}
}

// TestConfirmOfWhatIsGone: what was changed is no longer there when it is confirmed.
func TestConfirmOfWhatIsGone(t *testing.T) {
	t.Parallel()
	address, login := otherMachine(t)
	file, g := setUp(t)
	if _, err := g.Apply(t.Context(), fileChange(file, "", 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("lost"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	exe, _ := os.Executable()
	out, err := exec.Command(login, "login", address, exe, "confirm", g.Dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), `"lost" instead of "new"`) {
		t.Errorf("%v: %s", err, out)
	}
	waitFor(t, file, "old")
	waitSettled(t, g)
}

// otherMachine puts the calling goroutine into a network namespace that ends with
// it, beside another one that listens on TCP, and returns its address and a program
// called sshd that connects to it.
func otherMachine(t *testing.T) (address, login string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		t.Skip("unshare:", err)
	}
	pid := strconv.Itoa(os.Getpid())
	name, near, far := "wlguard"+pid, "wlg"+pid, "wlh"+pid
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	run("link", "set", "lo", "up")
	run("netns", "add", name)
	t.Cleanup(func() { run("netns", "delete", name) })
	run("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
	run("address", "add", "10.213.7.1/30", "dev", near)
	run("link", "set", near, "up")
	run("-n", name, "address", "add", "10.213.7.2/30", "dev", far)
	run("-n", name, "link", "set", far, "up")
	// cat keeps each connection open.
	server := exec.Command("ip", "netns", "exec", name, "socat", "tcp-listen:2222,fork,reuseaddr", "exec:cat")
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	for range 200 {
		conn, err := net.Dial("tcp", "10.213.7.2:2222")
		if err == nil {
			conn.Close()
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	exe, _ := os.Executable()
	login = filepath.Join(t.TempDir(), "sshd")
	if err := os.Link(exe, login); err != nil {
		text, err := os.ReadFile(exe)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(login, text, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return "10.213.7.2:2222", login
}
