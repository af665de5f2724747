package guarded_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/sys/netns"
)

// A remoteHost is a network namespace with an SSH server, and another one from which
// people log in.
type remoteHost struct {
	t            *testing.T
	dir          string
	server, user string // names of the namespaces
}

const hostAddress = "10.213.1.1"

// newRemoteHost starts it. The program wirelab is this test binary.
func newRemoteHost(t *testing.T) *remoteHost {
	t.Helper()
	for _, program := range []string{"/usr/sbin/sshd", "ssh", "ssh-keygen", "ip", "tmux", "nft"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	t.Parallel() // they mostly wait
	id := fmt.Sprintf("%d-%s", os.Getpid(), strings.ToLower(t.Name()[len("Test"):]))
	h := &remoteHost{t: t, dir: t.TempDir(), server: "wlsshs-" + id, user: "wlsshu-" + id}
	for _, name := range []string{h.server, h.user} {
		n, err := netns.Add(name)
		if err != nil {
			t.Skip(err)
		}
		n.Close()
		t.Cleanup(func() { _ = netns.Delete(name) })
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h.must("cp", exe, h.file("wirelab"))
	h.must("ip", "-n", h.server, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", h.user)
	h.must("ip", "-n", h.server, "link", "set", "lo", "up")
	h.must("ip", "-n", h.server, "link", "set", "eth0", "up")
	h.must("ip", "-n", h.user, "link", "set", "eth0", "up")
	h.must("ip", "-n", h.server, "address", "add", hostAddress+"/24", "dev", "eth0")
	h.must("ip", "-n", h.user, "address", "add", "10.213.1.2/24", "dev", "eth0")
	h.startServer()
	_, state, _ := strings.Cut(h.must("ip", "netns", "exec", h.server, h.file("wirelab"), "address", "install", "--print"), "--state ")
	state, _, _ = strings.Cut(state, "\n")
	t.Cleanup(func() {
		if strings.HasPrefix(state, "/run/wirelab/netns-") {
			_ = os.RemoveAll(state)
		}
	})
	return h
}

func (h *remoteHost) file(name string) string { return filepath.Join(h.dir, name) }

func (h *remoteHost) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(h.file(name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *remoteHost) must(args ...string) string {
	h.t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		h.t.Fatalf("%v: %v: %s", args, err, out)
	}
	return string(out)
}

func (h *remoteHost) startServer() {
	h.t.Helper()
	for _, key := range []string{"host", "user"} {
		h.must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", h.file(key))
	}
	h.write("sshd_config", strings.NewReplacer("DIR", h.dir).Replace(`Port 22
HostKey DIR/host
AuthorizedKeysFile DIR/user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
AcceptEnv WIRELAB_*
`))
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		h.t.Fatal(err)
	}
	sshd := exec.Command("ip", "netns", "exec", h.server, "/usr/sbin/sshd", "-D", "-e", "-f", h.file("sshd_config"))
	sshd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	log, err := os.Create(h.file("sshd.log"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer log.Close()
	sshd.Stdout, sshd.Stderr = log, log
	if err := sshd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = sshd.Process.Kill(); _ = sshd.Wait() })
	for range 100 {
		if h.reachable() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	text, _ := os.ReadFile(h.file("sshd.log"))
	h.t.Skipf("no login by ssh: %s", text)
}

// options are those of every ssh; more of them come before the host.
func (h *remoteHost) options(more ...string) []string {
	return append([]string{
		"-F", "none", "-i", h.file("user"), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
		"-o", "BatchMode=yes", "-o", "ConnectTimeout=1",
	}, more...)
}

// ssh runs a command on the host, from the other machine.
func (h *remoteHost) ssh(command string, more ...string) (string, error) {
	args := append([]string{"netns", "exec", h.user, "ssh"}, h.options(more...)...)
	out, err := exec.Command("ip", append(args, "root@"+hostAddress, "cd "+h.dir+" && PATH=$PWD:$PATH && "+command)...).CombinedOutput()
	return string(out), err
}

// reachable reports whether somebody new gets in, within two seconds.
func (h *remoteHost) reachable() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	args := append([]string{"netns", "exec", h.user, "ssh"}, h.options("-S", "none", "root@"+hostAddress, "true")...)
	return exec.CommandContext(ctx, "ip", args...).Run() == nil
}

// waitReachable waits until a new login is possible, or is not.
func (h *remoteHost) waitReachable(want bool) {
	h.t.Helper()
	const within = 30 * time.Second
	for until := time.Now().Add(within); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if h.reachable() == want {
			return
		}
	}
	text, _ := os.ReadFile(h.file("apply.out"))
	h.t.Fatalf("after %v it is still so that reachable is %t: %s", within, !want, text)
}

// refused expects a command to end with status 1, and why.
func (h *remoteHost) refused(what, out string, err error, why string) {
	h.t.Helper()
	exit, ok := err.(*exec.ExitError)
	if !ok || exit.ExitCode() != 1 || !strings.Contains(out, why) {
		h.t.Errorf("%s: %v: %s; want status 1 and %q", what, err, out, why)
	}
}

// written waits for the status of a command that writes it into NAME.rc, and what it
// said into NAME.out.
func (h *remoteHost) written(name string) (status, said string) {
	for range 100 {
		text, _ := os.ReadFile(h.file(name + ".rc"))
		if status = strings.TrimSpace(string(text)); status != "" {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	text, _ := os.ReadFile(h.file(name + ".out"))
	return status, string(text)
}

// TestConfirmOverSSH tries the confirmations that prove nothing, and one that does.
func TestConfirmOverSSH(t *testing.T) {
	h := newRemoteHost(t)
	h.write("wirelab.yaml", "addresses:\n  eth0: {addresses: [10.213.1.9/24]}\n")
	master := h.file("master")
	if out, err := h.ssh("true", "-M", "-S", master, "-o", "ControlPersist=60"); err != nil {
		t.Fatal(err, out)
	}
	t.Cleanup(func() { _, _ = h.ssh("true", "-S", master, "-O", "exit") })
	tmux := "tmux -L " + filepath.Base(h.server) + " "
	if out, err := h.ssh(tmux+"new-session -d", "-S", master); err != nil {
		t.Fatal(err, out)
	}
	t.Cleanup(func() { _ = exec.Command("tmux", "-L", filepath.Base(h.server), "kill-server").Run() })
	out, err := h.ssh("wirelab address apply", "-S", master)
	if err != nil || !strings.Contains(out, "within 1m0s, from a new login: wirelab address confirm") {
		t.Fatalf("apply from a remote session: %v: %s", err, out)
	}
	out, err = h.ssh("wirelab address confirm", "-S", master)
	h.refused("confirm from the same ControlMaster", out, err, "this session began before the change")
	_, _ = h.ssh(tmux+"send-keys 'cd "+h.dir+"; ./wirelab address confirm >tmux.out 2>&1; echo $? >tmux.rc' Enter", "-S", master)
	if rc, said := h.written("tmux"); rc != "1" || !strings.Contains(said, "a child of tmux") {
		t.Errorf("confirm from tmux: status %q: %s", rc, said)
	}
	// What cron starts has a shell above it, and no login.
	cron := "./wirelab address confirm >cron.out 2>&1; echo $? >cron.rc"
	if out, err := h.ssh("env -i setsid --fork /bin/sh -c '"+cron+"'", "-S", master); err != nil {
		t.Fatal(err, out)
	}
	if rc, said := h.written("cron"); rc != "1" || !strings.Contains(said, "neither a console nor a session of sshd") {
		t.Errorf("confirm from cron: status %q: %s", rc, said)
	}
	out, err = h.ssh("ssh "+strings.Join(h.options(), " ")+" root@"+hostAddress+" "+h.file("wirelab")+" address confirm", "-S", master)
	h.refused("confirm from ssh OWN-ADDRESS", out, err, "an address of this machine itself")
	out, err = h.ssh("wirelab address rollback 1", "-S", master)
	h.refused("rollback to a number", out, err, "a change waits")
	sudo := "sudo "
	if _, err := exec.LookPath("sudo"); err != nil {
		sudo = ""
	}
	out, err = h.ssh(sudo+"env -i "+h.file("wirelab")+" address confirm", "-S", "none")
	if err != nil || !strings.Contains(out, "confirmed: add 10.213.1.9/24 to eth0") {
		t.Errorf("confirm from a new login: %v: %s", err, out)
	}
	if out, err := h.ssh("wirelab address confirm", "-S", "none"); err == nil || !strings.Contains(out, "no change waits") {
		t.Errorf("confirm again: %v: %s", err, out)
	}
	if out := h.must("ip", "-n", h.server, "address", "show", "dev", "eth0"); !strings.Contains(out, "10.213.1.9/24") {
		t.Errorf("it did not stay: %s", out)
	}
}

// TestLockedOut takes away the address that people log in to, and the way out. They are
// back at the deadline, though all of the session is killed that made the change.
func TestLockedOut(t *testing.T) {
	h := newRemoteHost(t)
	h.must("ip", "-n", h.server, "route", "add", "default", "via", "10.213.1.2")
	h.write("wirelab.yaml", "addresses:\n  eth0: {exclusive: true, addresses: [10.213.9.9/24], routes: [default via 10.213.9.1]}\n")
	type result struct {
		out string
		err error
	}
	ended := make(chan result, 1)
	go func() {
		out, err := h.ssh("{ wirelab address apply --confirm 8s --wait >apply.out 2>&1 & } ; sleep 2; ip route >route.out; kill -9 $! $PPID; kill -9 -$$", "-S", "none")
		ended <- result{out, err}
	}()
	h.waitReachable(false)
	h.waitReachable(true)
	if then, _ := os.ReadFile(h.file("route.out")); !strings.Contains(string(then), "default via 10.213.9.1") {
		t.Errorf("the wrong way out was not there: %s", then)
	}
	if now := h.must("ip", "-n", h.server, "route"); !strings.Contains(now, "default via 10.213.1.2") || strings.Contains(now, "10.213.9") {
		t.Errorf("the way out is not back: %s", now)
	}
	if r := <-ended; r.err == nil {
		t.Errorf("the session lived: %s", r.out)
	}
	if out, err := h.ssh("wirelab address confirm", "-S", "none"); err == nil || !strings.Contains(out, "was reverted") {
		t.Errorf("confirm afterwards: %v: %s", err, out)
	}
}

// TestForgottenSSH applies a policy that forgets SSH.
func TestForgottenSSH(t *testing.T) {
	h := newRemoteHost(t)
	h.write("wirelab.yaml", "firewall:\n  policy: {in: drop}\n  in: [accept ping]\n")
	out, err := h.ssh("wirelab firewall apply", "-S", "none")
	h.refused("apply", out, err, "refused, nothing was changed")
	h.refused("apply", out, err, `wirelab: protect "this SSH session" does not hold: tcp 10.213.1.2:`)
	for _, kill := range []string{"", "kill -9 $! $PPID; kill -9 -$$"} {
		_, _ = h.ssh("{ wirelab firewall apply --force --confirm 6s --wait >apply.out 2>&1 & } ; sleep 2; "+kill, "-S", "none")
		h.waitReachable(false)
		h.waitReachable(true)
	}
	if out := h.must("ip", "netns", "exec", h.server, "nft", "list", "ruleset"); strings.Contains(out, "wirelab") {
		t.Errorf("what was nothing is something now: %s", out)
	}
}

// TestBothAtOnce takes addresses and firewall back together.
func TestBothAtOnce(t *testing.T) {
	h := newRemoteHost(t)
	h.write("wirelab.yaml", "addresses:\n  eth0: {addresses: [10.213.1.9/24]}\nfirewall:\n  policy: {in: drop}\n  in: [accept ssh, accept ping]\n")
	out, err := h.ssh("wirelab apply", "-S", "none")
	if err != nil || !strings.Contains(out, "add 10.213.1.9/24 to eth0; firewall: ") {
		t.Fatalf("%v: %s", err, out)
	}
	now := func() string {
		return h.must("ip", "-n", h.server, "address", "show", "dev", "eth0") + h.must("ip", "netns", "exec", h.server, "nft", "list", "ruleset")
	}
	if s := now(); !strings.Contains(s, "10.213.1.9/24") || !strings.Contains(s, "table inet wirelab") {
		t.Errorf("not both: %s", s)
	}
	if out, err := h.ssh("wirelab firewall rollback", "-S", "none"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if s := now(); strings.Contains(s, "10.213.1.9/24") || strings.Contains(s, "table inet wirelab") {
		t.Errorf("not both back: %s", s)
	}
	_, _ = h.ssh("wirelab apply", "-S", "none")
	time.Sleep(20 * time.Millisecond)
	if out, err := h.ssh("wirelab firewall confirm && wirelab address rollback --list && wirelab address rollback --yes", "-S", "none"); err != nil || !strings.Contains(out, "before the first change") {
		t.Errorf("%v: %s", err, out)
	}
	if s := now(); strings.Contains(s, "10.213.1.9/24") || !strings.Contains(s, "table inet wirelab") {
		t.Errorf("addresses were to go back, and the firewall to stay: %s", s)
	}
	h.must("ip", "-n", h.server, "address", "add", "10.213.1.9/24", "dev", "eth0")
}
