package packet

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/internal/sys/netns"
	"wirelab/wire"
	"wirelab/wire/capfile"
)

// inPair runs f in a namespace with the pair va and vb; va has 10.99.0.1/24.
func inPair(t *testing.T, f func()) {
	t.Helper()
	require.Root(t)
	require.Program(t, "ip")
	n, err := netns.New()
	require.Supported(t, err)
	defer n.Close()
	err = n.Do(func() error {
		for _, line := range []string{
			"link add name va type veth peer name vb", "link set lo up", "link set va up", "link set vb up",
			"address add 10.99.0.1/24 dev va",
		} {
			for _, name := range []string{"va", "vb"} { // IPv6 would talk by itself
				_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
			}
			if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
				return fmt.Errorf("ip %s: %v: %s", line, err, out)
			}
		}
		f()
		return nil
	})
	if err != nil && !t.Failed() {
		t.Fatal(err)
	}
}

// resets returns how many resets the kernel has sent in this namespace.
func resets(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "Tcp:") {
			continue
		}
		if names == nil {
			names = strings.Fields(line)
			continue
		}
		for i, value := range strings.Fields(line) {
			if names[i] == "OutRsts" {
				return value
			}
		}
	}
	t.Fatal("no OutRsts")
	return ""
}

// echo serves TCP on the loopback of this namespace.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(c, c)
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func words(line string) []string { return strings.Fields(line) }

func TestSendShowsAnswersOnce(t *testing.T) {
	inPair(t, func() {
		port := echo(t)
		for line, want := range map[string]string{
			"ip dst=127.0.0.1 ttl=3 / tcp dport=" + port + " flags=syn": "SYN-ACK after ",
			"ip dst=127.0.0.1 / tcp dport=1 flags=syn":                  "RST after ",
			"ip dst=127.0.0.1 / udp dport=9 / text hello":               "ICMP error after ",
			"ip dst=127.0.0.1 / icmp type=echo id=7 / text hello":       "echo reply after ",
			"ip6 dst=::1 / icmp6 type=echo id=7":                        "echo reply after ",
			"ip6 dst=::1 / udp dport=9":                                 "ICMP error after ",
		} {
			out, complaints, status := run(t, append([]string{"send"}, words(line)...)...)
			if status != 0 || strings.Count(out, "answer  ") != 1 || !strings.Contains(out, want) || !strings.Contains(out, "(stamps of the kernel)") {
				t.Errorf("%s: status %d\n%s%s", line, status, out, complaints)
			}
			if !strings.Contains(out, "Internet Protocol") {
				t.Errorf("%s: the answer is not explained:\n%s", line, out)
			}
		}
	})
}

func TestSendThroughPacketSocket(t *testing.T) {
	inPair(t, func() {
		// Nobody has 10.99.0.2, and vb does not answer.
		_, complaints, status := run(t, "send", "-q", "--wait", "50ms", "--iface", "va", "arp", "tpa=10.99.0.2")
		if status != 0 || !strings.Contains(complaints, "no answer within 50ms") {
			t.Errorf("status %d: %s", status, complaints)
		}
		_, complaints, status = run(t, append(words("send -q --wait 50ms --via packet eth dst=02:00:00:00:00:09 / ip dst=10.99.0.2 len=auto+4 / udp"), "--iface", "va")...)
		if status != 0 {
			t.Errorf("status %d: %s", status, complaints)
		}
	})
}

// A frame with a header of its own still has the address of its interface in IP.
func TestSendFromInterface(t *testing.T) {
	inPair(t, func() {
		for _, line := range []string{
			"send -q --wait 10ms --iface va eth dst=02:00:00:00:00:09 / ip dst=10.99.0.2 / udp",
			"send -q --wait 10ms --iface va eth dst=02:00:00:00:00:09 / ip dst=192.0.2.2 / ip src=10.1.1.1 dst=10.2.2.2 / udp",
		} {
			if out, complaints, status := run(t, words(line)...); status != 0 || !strings.Contains(out, "10.99.0.1") {
				t.Errorf("%s: status %d\n%s%s", line, status, out, complaints)
			}
		}
	})
}

func TestSendRefuses(t *testing.T) {
	inPair(t, func() {
		for line, want := range map[string]struct {
			status int
			text   string
		}{
			"ip dst=127.0.0.1 len=auto+4 / udp":     {2, "--via packet"},
			"ip dst=127.0.0.1 id=0 / udp":           {2, "--via packet"},
			"ip dst=127.0.0.1 csum=bad / udp":       {2, "--via packet"},
			"ip dst=8.8.8.8 / udp":                  {2, "--allow-public"},
			"--allow-public ip dst=8.8.8.8 / udp":   {1, "unreachable"},
			"--iface va ip dst=8.8.8.8 / udp":       {2, "--allow-public"},
			"eth / ip / udp":                        {2, "--iface is missing"},
			"--via live ip dst=127.0.0.1 / udp":     {2, "raw or packet"},
			"--via packet ip dst=127.0.0.1 / udp":   {3, "route_localnet"},
			"--iface nosuch ip dst=127.0.0.1 / udp": {2, "ip link"},
			"--handshake ip dst=127.0.0.1 / udp":    {2, "TCP packet"},
		} {
			_, complaints, status := run(t, append([]string{"send"}, words(line)...)...)
			if status != want.status || !strings.Contains(complaints, want.text) {
				t.Errorf("%s: status %d, want %d with %q: %s", line, status, want.status, want.text, complaints)
			}
		}
	})
}

// The kernel sends no reset, and nothing is left of what held it off.
func TestHandshake(t *testing.T) {
	inPair(t, func() {
		port := echo(t)
		before := resets(t)
		out, complaints, status := run(t, append(words("send -o json --handshake ip dst=127.0.0.1 ttl=7 / tcp opts=mss:1400 dport="+port), "/", "text", "hello")...)
		var r handshakeReport
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatal(err, out, complaints)
		}
		if status != 0 || !r.Established || !r.Closed || r.Sent != 5 || string(r.Received) != "hello" || len(r.Steps) < 9 {
			t.Errorf("status %d: %+v\n%s", status, r, complaints)
		}
		if !strings.Contains(r.Steps[0].Hex, "02040578") || !strings.HasPrefix(r.Steps[0].Hex[16:], "07") {
			t.Errorf("the SYN lacks what was described: %s", r.Steps[0].Hex)
		}
		if len(r.Steps) > 1 && (!strings.Contains(r.Steps[1].Summary, "TCP syn,ack seq ") || len(r.Steps[1].Hex) < 2*40) {
			t.Errorf("the SYN-ACK is shown as %+v", r.Steps[1])
		}
		if after := resets(t); after != before {
			t.Errorf("resets: %s before, %s after", before, after)
		}
		out, complaints, status = run(t, words("send --handshake ip dst=127.0.0.1 / tcp dport=1")...)
		if status != 1 || !strings.Contains(complaints, "reset") || !strings.Contains(out, "RST: it refuses") {
			t.Errorf("status %d\n%s%s", status, out, complaints)
		}
	})
}

// A handshake that is killed in its middle leaves no listener and no rule behind. The
// connection that the peer still has is no obstacle to the next one from the same port.
func TestHandshakeKilled(t *testing.T) {
	require.Program(t, "nft")
	inPair(t, func() {
		port := echo(t)
		silent, err := wire.HoldPort("tcp", netip.MustParseAddrPort("127.0.0.1:0"))
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		before := kept(t)
		killHandshake(t, "SYN: we ask", "sport=40001", fmt.Sprint("dport=", silent.Port))
		killHandshake(t, "ACK: we have it", "sport=40002", "dport="+port)
		if after := kept(t); after != before {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
		out, complaints, status := run(t, words("send --handshake ip dst=127.0.0.1 / tcp sport=40002 dport="+port+" / text hello")...)
		if status != 0 || strings.Count(out, "RST: that one is gone") != 1 || !strings.Contains(out, "sent 5 bytes, received 5 bytes") {
			t.Errorf("status %d\n%s%s", status, out, complaints)
		}
	})
}

// killHandshake begins a handshake in a process of its own and kills that once it has
// said something.
func killHandshake(t *testing.T, said string, fields ...string) {
	t.Helper()
	args := append(words("packet send --wait 1m --handshake ip dst=127.0.0.1 / tcp"), fields...)
	cmd := exec.Command("wirelab", append(args, "/", "text", "hello")...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), said) {
	}
	if held := kept(t); !strings.Contains(held, ":"+fields[0][len("sport="):]) {
		t.Errorf("nothing holds the source port:\n%s", held)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // killed, as it should be
	if err := lines.Err(); err != nil || lines.Text() == "" {
		t.Errorf("it ended before %q: %v", said, err)
	}
}

// kept returns the listening sockets and the firewall of this namespace.
func kept(t *testing.T) string {
	t.Helper()
	var all []byte
	for _, command := range []string{"ss -Hltn", "nft list ruleset"} {
		out, err := exec.Command(words(command)[0], words(command)[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
		all = append(all, out...)
	}
	return string(all)
}

func TestFloodReports(t *testing.T) {
	inPair(t, func() {
		line := "flood --iface va eth dst=02:00:00:00:00:09 / ip src=inc:10.64.37.1-10.64.37.254 dst=10.64.37.35 / udp sport=rand:1024-65535 dport=9 --rate max --count 20k -o json"
		out, complaints, status := run(t, words(line)...)
		var r deliveryReport
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatal(err, out, complaints)
		}
		if status != 0 || r.Asked != 20_000 || r.Accepted != 20_000 || r.Interface != 20_000 || r.Peer == nil || r.Peer.Received != 20_000 || r.Lost != 0 || r.Seed == nil {
			t.Errorf("status %d: %s", status, out)
		}
		out, complaints, status = run(t, append(words(line), "--via", "live")...)
		if status != 3 || out != "" || strings.Count(complaints, "\n") != 1 || !strings.Contains(complaints, "GRO") {
			t.Errorf("status %d: %s%s", status, out, complaints)
		}
		if _, complaints, status = run(t, words("flood --iface va eth dst=02:00:00:00:00:09 / ip dst=inc:10.0.0.1-11.0.0.255 / udp --rate max --count 100M")...); status != 2 || !strings.Contains(complaints, "from 10.0.0.1 to 11.0.0.255 is a public address") {
			t.Errorf("status %d: %s", status, complaints)
		}
		out, complaints, status = run(t, words("flood ip dst=127.0.0.1 / udp dport=9 --rate 1000 --duration 100ms -o json")...)
		if err := json.Unmarshal([]byte(out), &r); err != nil || status != 0 || r.Interrupted || r.Asked != r.Accepted || r.Asked == 0 || r.Asked > 5000 {
			t.Errorf("status %d: %s%s", status, out, complaints)
		}
		out, _, status = run(t, words("flood ip dst=127.0.0.1 / udp dport=9 --rate 1000 --count 100")...)
		if status != 0 || !strings.Contains(out, "by way of   raw") || !strings.Contains(out, "accepted    100 by the kernel") {
			t.Errorf("status %d: %s", status, out)
		}
	})
}

// Several workers send what one would have sent, and the report names them.
func TestFloodOfWorkersReports(t *testing.T) {
	if runtime.NumCPU() < 2 {
		t.Skip("there is one processor")
	}
	inPair(t, func() {
		line := "flood --iface va eth dst=02:00:00:00:00:09 / ip src=inc:10.64.37.1-10.64.37.254 dst=10.64.37.35 / udp sport=rand:1024-65535 dport=9 --rate max --count 20k --workers 2"
		out, complaints, status := run(t, append(words(line), "-o", "json")...)
		var r deliveryReport
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatal(err, out, complaints)
		}
		if status != 0 || r.Via != "sendmmsg" || r.Workers != 2 || r.Accepted != 20_000 || r.Interface != 20_000 || r.Peer == nil || r.Peer.Received != 20_000 || r.Lost != 0 {
			t.Errorf("status %d: %s", status, out)
		}
		if out, complaints, status = run(t, words(line)...); status != 0 || !strings.Contains(out, "by way of   sendmmsg, 2 workers; not live") {
			t.Errorf("status %d: %s%s", status, out, complaints)
		}
		if _, complaints, status = run(t, append(words(line), "--via", "xdp")...); status != 3 || !strings.Contains(complaints, "2 workers need as many queues, and va has 1: ethtool -L va rx 2 tx 2") {
			t.Errorf("status %d: %s", status, complaints)
		}
	})
}

// What is replayed is captured as it was.
func TestCaptureAndReplay(t *testing.T) {
	inPair(t, func() {
		dir := t.TempDir()
		three := filepath.Join(dir, "three.pcapng")
		if _, complaints, status := run(t, words("build eth dst=02:00:00:00:00:09 / vlan id=5 / ip dst=10.64.37.35 / udp sport=inc:1000-1002 / text hello --count 3 -w "+three)...); status != 0 {
			t.Fatal(complaints)
		}
		capture, err := wire.OpenCapture(wire.CaptureConfig{Device: mustFind(t, "vb"), Filter: "vlan 5 and udp src port 1001", Latency: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer capture.Close()
		out, complaints, status := run(t, "replay", three, "--iface", "va", "--fast", "--loop", "2", "--eth-src", "02:00:00:00:00:01")
		if status != 0 || !strings.Contains(out, "received    6 by the counter of vb") {
			t.Errorf("status %d: %s%s", status, out, complaints)
		}
		for range 2 {
			var f capfile.Frame
			ok, err := capture.Next(&f, 5*time.Second)
			if !ok || err != nil || string(f.Data[6:16]) != "\x02\x00\x00\x00\x00\x01\x81\x00\x00\x05" {
				t.Fatalf("%x, %v", f.Data, err)
			}
		}
		if _, complaints, status = run(t, "replay", three, "--iface", "lo"); status != 0 {
			t.Errorf("status %d: %s", status, complaints)
		}
	})
}

// Of a damaged capture all frames before the damage are sent, and its place is told.
func TestReplayDamaged(t *testing.T) {
	inPair(t, func() {
		file := filepath.Join(t.TempDir(), "cut.pcap")
		if _, complaints, status := run(t, words("build eth dst=02:00:00:00:00:09 / ip dst=10.64.37.35 / udp / text hello --count 3 -w "+file)...); status != 0 {
			t.Fatal(complaints)
		}
		whole, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(file, whole.Size()-1); err != nil {
			t.Fatal(err)
		}
		out, complaints, status := run(t, "replay", file, "--iface", "va", "--fast")
		if status != 1 || !strings.Contains(out, "received    2 by the counter of vb") || !strings.Contains(complaints, "cut.pcap: ") || !strings.Contains(complaints, "ends inside") {
			t.Errorf("status %d: %s%s", status, out, complaints)
		}
	})
}

// With --complete a checksum that was left to a device is computed; without it the frame
// is as it was captured.
func TestReplayCompletes(t *testing.T) {
	inPair(t, func() {
		dir := t.TempDir()
		capture, err := wire.OpenCapture(wire.CaptureConfig{Device: mustFind(t, "vb"), Latency: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer capture.Close()
		replayed := func(checksum, network string, flags ...string) string {
			file := filepath.Join(dir, "one.pcapng")
			line := "build eth dst=02:00:00:00:00:09 src=02:00:00:00:00:01 / " + network + " / udp sport=40000 dport=9" + checksum + " / text hello -w " + file
			if _, complaints, status := run(t, words(line)...); status != 0 {
				t.Fatal(complaints)
			}
			if _, complaints, status := run(t, append(words("replay "+file+" --iface va --fast"), flags...)...); status != 0 {
				t.Fatal(complaints)
			}
			var f capfile.Frame
			if ok, err := capture.Next(&f, 5*time.Second); !ok || err != nil {
				t.Fatal("no frame", err)
			}
			return fmt.Sprintf("%x", f.Data)
		}
		// The sums of the pseudo headers, not complemented.
		for network, sum := range map[string]string{"ip src=10.64.37.1 dst=10.64.37.35 id=1": "5ec2", "ip6 src=fd00::1 dst=fd00::2": "fa22"} {
			right := replayed("", network)
			if got := replayed(" csum=0x"+sum, network, "--complete"); got != right {
				t.Errorf("%s: completed\n%s, right\n%s", network, got, right)
			}
			if got := replayed(" csum=0x"+sum, network); got == right || !strings.Contains(got, sum+"68656c6c6f") {
				t.Errorf("%s: unchanged\n%s", network, got)
			}
		}
	})
}

func mustFind(t *testing.T, name string) wire.Device {
	t.Helper()
	d, err := wire.FindDevice(name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A capture ends by its count, its time, or with the context, and says what it lost.
func TestCaptureWrites(t *testing.T) {
	inPair(t, func() {
		path := filepath.Join(t.TempDir(), "a.pcapng")
		stop := make(chan struct{})
		conn, err := net.Dial("udp", "127.0.0.1:9")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var done sync.WaitGroup
		done.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
					_, _ = conn.Write([]byte("hello")) // refused every other time
				}
			}
		})
		_, complaints, status := run(t, "capture", "--iface", "lo", "-w", path, "--count", "3", "--comment", "a test", "udp", "dst", "port", "9")
		close(stop)
		done.Wait()
		if status != 0 || !strings.Contains(complaints, "3 frames written to") || !strings.Contains(complaints, "0 dropped") {
			t.Errorf("status %d: %s", status, complaints)
		}
		out, _, _ := run(t, "read", path, "--verify", "-o", "json")
		var r struct {
			Packets    int
			Checksums  map[string]map[string]int
			Dropped    *int
			Interfaces []struct{ Name, Filter string }
		}
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatal(err)
		}
		if r.Packets != 3 || r.Checksums["udp"]["partial"] != 3 || r.Dropped == nil || r.Interfaces[0].Name != "lo" || r.Interfaces[0].Filter != "udp dst port 9" {
			t.Errorf("%s", out)
		}
		_, complaints, status = run(t, "capture", "--iface", "vb", "--duration", "50ms")
		if status != 0 || !strings.Contains(complaints, "0 frames, 0 dropped") {
			t.Errorf("status %d: %s", status, complaints)
		}
	})
}
