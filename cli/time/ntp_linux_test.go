package time_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"wirelab/cli/clitest"
	"wirelab/clock/measure"
	"wirelab/internal/require"
)

// These tests set wirelab's clocks against chrony, ntpdig and tshark, in two network
// namespaces with a veth between them. Both have one clock: the true offset is 0.

// serverAddr is the address in namespace A, where servers are.
const serverAddr = "10.64.37.35"

// A timeLab is two namespaces, A for servers and B for clients.
type timeLab struct {
	t    *testing.T
	a, b string
	dir  string // mode 0700, as chronyd wants it
}

func newTimeLab(t *testing.T) *timeLab {
	t.Helper()
	require.Root(t)
	require.Program(t, "ip")
	id := fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano()%1e6)
	l := &timeLab{t: t, a: "time-a-" + id, b: "time-b-" + id, dir: t.TempDir()}
	if err := os.Chmod(l.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{l.a, l.b} {
		l.ip("netns", "add", name)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", name).Run() })
	}
	l.ip("link", "add", "va", "netns", l.a, "type", "veth", "peer", "name", "vb", "netns", l.b)
	l.ip("-n", l.a, "address", "add", serverAddr+"/24", "dev", "va")
	l.ip("-n", l.b, "address", "add", "10.64.37.34/24", "dev", "vb")
	for _, link := range [][2]string{{l.a, "va"}, {l.b, "vb"}, {l.a, "lo"}, {l.b, "lo"}} {
		l.ip("-n", link[0], "link", "set", link[1], "up")
	}
	return l
}

func (l *timeLab) ip(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %v: %v\n%s", args, err, out)
	}
}

// in returns a command of a namespace.
func (l *timeLab) in(namespace, program string, args ...string) *exec.Cmd {
	l.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", namespace, require.Program(l.t, program)}, args...)...)
	cmd.Dir = l.dir
	return cmd
}

// start runs a command until the test ends.
func (l *timeLab) start(cmd *exec.Cmd) {
	l.t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		timer := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		timer.Stop()
		if l.t.Failed() {
			l.t.Logf("%s:\n%s", cmd, &out)
		}
	})
}

// serveNTP runs wirelab serve ntp in A, until the test ends.
func (l *timeLab) serveNTP(port int, args ...string) {
	l.t.Helper()
	ready := filepath.Join(l.dir, fmt.Sprintf("ready-%d", port))
	cmd := l.in(l.a, "wirelab", append([]string{"serve", "ntp", "--bind", serverAddr, "--port", strconv.Itoa(port), "--ready-file", ready}, args...)...)
	cmd.Env = clitest.Env(l.t)
	l.start(cmd)
	l.await(ready)
}

func (l *timeLab) await(file string) {
	l.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			return
		}
		if time.Now().After(end) {
			l.t.Fatalf("no %s", file)
		}
	}
}

// chronyServes runs chronyd in A, until the test ends. It never touches the clock.
func (l *timeLab) chronyServes() {
	l.t.Helper()
	pid := filepath.Join(l.dir, "server.pid")
	l.start(l.in(l.a, "chronyd", "-x", "-d", "-u", "root", "-f", "/dev/null",
		"local stratum 1", "allow all", "bindcmdaddress /", "cmdport 0", "pidfile "+pid))
	l.await(pid)
}

// chronyAsks has chronyd in B ask the server, and returns by how much it says the clock is wrong.
func (l *timeLab) chronyAsks(name string, seconds int, options string, directives ...string) (wrong float64, ok bool) {
	l.t.Helper()
	args := append([]string{"-Q", "-u", "root", "-f", "/dev/null", "-t", strconv.Itoa(seconds), "server " + serverAddr + " " + options,
		"pidfile " + filepath.Join(l.dir, name+".pid"), "bindcmdaddress /", "cmdport 0"}, directives...)
	out, err := l.in(l.b, "chronyd", args...).CombinedOutput()
	m := regexp.MustCompile(`wrong by (-?[0-9.]+) seconds`).FindStringSubmatch(string(out))
	if m == nil {
		l.t.Logf("%s: %v\n%s", name, err, out)
		return 0, false
	}
	wrong, _ = strconv.ParseFloat(m[1], 64)
	return wrong, err == nil
}

func TestChronyTakesTheTime(t *testing.T) {
	t.Parallel()
	l := newTimeLab(t)
	require.Program(t, "chronyd")
	cert := filepath.Join(l.dir, "cert.pem")
	l.serveNTP(123, "--local-stratum", "1", "--nts", "--nts-cert-out", cert)
	other := filepath.Join(l.dir, "other.pem")
	if out, err := exec.Command(require.Program(t, "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-keyout", filepath.Join(l.dir, "key.pem"), "-out", other, "-subj", "/CN=other", "-addext", "subjectAltName=IP:"+serverAddr).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// Of the interleaved mode chronyd takes four requests, two seconds apart, and one pause more for NTS.
	t.Run("group", func(t *testing.T) {
		for _, tc := range []struct {
			name, options string
			directives    []string
			want          bool
		}{
			{"plain", "iburst xleave", nil, true},
			{"nts", "iburst xleave nts", []string{"ntstrustedcerts " + cert, "nosystemcert"}, true},
			{"wrong certificate", "iburst nts", []string{"ntstrustedcerts " + other, "nosystemcert"}, false},
		} {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				seconds := 20
				if !tc.want {
					seconds = 8
				}
				if wrong, ok := l.chronyAsks(tc.name[:3], seconds, tc.options, tc.directives...); ok != tc.want || wrong > 100e-6 || wrong < -100e-6 {
					t.Errorf("wrong by %v, %t", wrong, ok)
				}
			})
		}
		t.Run("ntpdig", func(t *testing.T) {
			t.Parallel()
			out, err := l.in(l.b, "ntpdig", "-j", "-t", "3", serverAddr).CombinedOutput()
			if err != nil || !strings.Contains(string(out), `"stratum":1,`) {
				t.Errorf("%v\n%s", err, out)
			}
		})
		t.Run("wirelab with NTS", func(t *testing.T) {
			t.Parallel()
			h := l.measure(serverAddr, "--nts", "--nts-ca", cert, "--count", "10", "--interval", "10ms")
			checkZero(t, h, measure.Interleaved)
			if out, err := l.in(l.b, "wirelab", "time", "measure", serverAddr, "--nts", "--nts-ca", other).CombinedOutput(); err == nil ||
				!strings.Contains(string(out), "signed by nobody who is trusted here") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	})
}

func TestNobodyTakesTheTimeOfAServerThatDoesNotVouch(t *testing.T) {
	t.Parallel()
	l := newTimeLab(t)
	l.serveNTP(123)
	out, err := l.in(l.b, "ntpdig", "-j", "-t", "3", serverAddr).CombinedOutput()
	if strings.Contains(string(out), `"offset"`) {
		t.Errorf("%v\n%s", err, out)
	}
}

// measure runs wirelab time measure in B.
func (l *timeLab) measure(args ...string) *measure.Report {
	l.t.Helper()
	cmd := l.in(l.b, "wirelab", append([]string{"time", "measure", "-o", "json", "--timeout", "4s"}, args...)...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		l.t.Fatalf("%s: %v\n%s", cmd, err, exit.Stderr)
	}
	var r measure.Report
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return &r
}

// checkZero checks that every sample's bound holds for the true offset, and that all stamps are the kernel's.
func checkZero(t *testing.T, r *measure.Report, mode string) {
	t.Helper()
	if r.Mode != mode || r.Source != "kernel" || len(r.Samples) != r.Taken || r.Taken == 0 {
		t.Errorf("mode %s, source %s, %d of %d samples", r.Mode, r.Source, len(r.Samples), r.Taken)
	}
	for _, s := range r.Samples {
		if max(s.Offset, -s.Offset) > s.Bound || s.Source != "kernel" {
			t.Errorf("%+v", s)
		}
	}
}

func TestMeasureChrony(t *testing.T) {
	t.Parallel()
	l := newTimeLab(t)
	l.chronyServes()
	r := l.measure(serverAddr+":123", "--protocol", "ntp", "--count", "600", "--interval", "16ms")
	checkZero(t, r, measure.Interleaved)
	if len(r.Samples) != 600 {
		t.Errorf("%d samples of %d requests", len(r.Samples), r.Sent)
	}
	r = l.measure(serverAddr+":123", "--protocol", "ntp", "--count", "20", "--interval", "10ms", "--basic")
	checkZero(t, r, measure.Basic)
}

// tshark finds nothing to object to in what wirelab's clients and servers send.
func TestTimeTrafficIsWellFormed(t *testing.T) {
	t.Parallel()
	l := newTimeLab(t)
	pcap := filepath.Join(l.dir, "time.pcap")
	cert := filepath.Join(l.dir, "cert.pem")
	l.serveNTP(12123, "--local-stratum", "3", "--nts", "--nts-cert-out", cert, "--rate", "100", "--burst", "30")
	ready := filepath.Join(l.dir, "udp")
	udp := l.in(l.a, "wirelab", "serve", "udp", "--bind", serverAddr, "--ready-file", ready)
	udp.Env = clitest.Env(t)
	l.start(udp)
	l.await(ready)
	dump := l.in(l.b, "tcpdump", "-i", "vb", "--immediate-mode", "-U", "-w", pcap, "udp")
	l.start(dump)
	l.await(pcap)
	l.measure(serverAddr+":12123", "--count", "5", "--interval", "10ms")
	l.measure(serverAddr+":12123", "--count", "3", "--interval", "10ms", "--basic")
	l.measure(serverAddr, "--nts", "--nts-ca", cert, "--count", "5", "--interval", "10ms")
	l.measure(serverAddr+":12345", "--count", "5", "--interval", "10ms")
	l.measure(serverAddr+":12345", "--count", "3", "--interval", "10ms", "--basic")
	const packets = 2 * (6 + 3 + 6 + 6 + 3)
	var out []byte
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		out = tshark(t, pcap, "ntp || twamp.test")
		if n := strings.Count(string(out), "\n"); n >= packets {
			break
		} else if time.Now().After(end) {
			t.Fatalf("tshark sees %d packets of %d:\n%s", n, packets, out)
		}
	}
	if bad := tshark(t, pcap, "_ws.expert || _ws.malformed"); len(bad) > 0 {
		t.Errorf("%s", bad)
	}
}

func tshark(t *testing.T, pcap, filter string) []byte {
	t.Helper()
	cmd := exec.Command(require.Program(t, "tshark"), "-r", pcap, "-d", "udp.port==12123,ntp", "-d", "udp.port==12345,twamp.test", "-Y", filter)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A server that keeps its clock in step with one of stratum 1 says stratum 2, and a client
// takes its time. Whoever would follow a server that follows its own host is told.
func TestAServerTellsWhomItFollows(t *testing.T) {
	t.Parallel()
	l := newTimeLab(t)
	require.Program(t, "chronyd")
	l.serveNTP(1123, "--local-stratum", "1")
	config, ready := filepath.Join(l.dir, "wirelab.yaml"), filepath.Join(l.dir, "up")
	text := "server: {enabled: false, bind: " + serverAddr + ", udp: {enabled: false}, ntp: {enabled: true, port: 123}}\n" +
		"time: {enabled: true, servers: ['" + serverAddr + ":1123'], max_poll: 1s}\nlogs: {dir: ''}\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	up := l.in(l.a, "wirelab", "up", "--config", config, "--ready-file", ready)
	up.Env = clitest.Env(t)
	l.start(up)
	l.await(ready)
	var out []byte
	for end := time.Now().Add(20 * time.Second); !strings.Contains(string(out), `"stratum":2,`); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not become stratum 2: %s", out)
		}
		out, _ = l.in(l.b, "ntpdig", "-j", "-t", "3", serverAddr).CombinedOutput()
	}
	says := l.measure(serverAddr+":123", "--protocol", "ntp", "--count", "3", "--interval", "10ms").Clock
	if says == nil || says.Reference != serverAddr || says.RootDelay <= 0 || says.RootDispersion <= 0 || says.RootDispersion > int64(time.Second) {
		t.Errorf("%+v", says)
	}
	if wrong, ok := l.chronyAsks("client", 20, "iburst"); !ok || wrong > 1e-3 || wrong < -1e-3 {
		t.Errorf("wrong by %v, %t", wrong, ok)
	}
	loop := l.in(l.a, "wirelab", "time", "sync", serverAddr+":123", "--min-poll", "125ms")
	loop.Env = clitest.Env(t)
	said := filepath.Join(l.dir, "loop")
	file, err := os.Create(said)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	loop.Stdout = file
	if err := loop.Start(); err != nil {
		t.Fatal(err)
	}
	defer loop.Wait()
	defer loop.Process.Signal(os.Interrupt)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if text, _ := os.ReadFile(said); strings.Contains(string(text), "follows this host") {
			return
		} else if time.Now().After(end) {
			t.Fatalf("%s", text)
		}
	}
}
