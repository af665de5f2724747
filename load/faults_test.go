package load

import (
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wirelab/internal/require"
)

// killedServer returns the address of an echo server that, once it has answered so
// many messages of size bytes, ends with all its connections, as a killed process does.
func killedServer(t *testing.T, size, messages int) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	var mutex sync.Mutex
	var conns []net.Conn
	left := messages
	answered := func() (more bool) {
		mutex.Lock()
		defer mutex.Unlock()
		if left--; left > 0 {
			return true
		}
		l.Close()
		for _, c := range conns {
			c.Close()
		}
		return false
	}
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mutex.Lock()
			conns = append(conns, c)
			mutex.Unlock()
			running.Go(func() {
				m := make([]byte, size)
				for {
					if _, err := io.ReadFull(c, m); err != nil {
						return
					}
					if _, err := c.Write(m); err != nil || !answered() {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// A server that is killed ends every client with an error, in every mode; the
// messages that it did not answer are lost, and those that never left not sent.
func TestServerKilledDuringARun(t *testing.T) {
	t.Parallel()
	tests := map[string]Config{
		"closed loop": {Clients: 20, Messages: 1000},
		"duration":    {Clients: 20, Duration: time.Hour},
		"open loop":   {Clients: 20, Messages: 1000, Rate: 20_000},
		"ramp":        {Clients: 20, Duration: time.Hour, Rate: 20_000, Ramp: time.Minute},
		"churn":       {Clients: 20, Messages: 1000, Reconnect: 3},
		"open churn":  {Clients: 20, Duration: time.Hour, Rate: 20_000, Reconnect: 3},
	}
	for name, cfg := range tests {
		t.Run(name, func(t *testing.T) {
			cfg.Target, cfg.FailFast = killedServer(t, 64, 200), true
			r := mustRun(t, cfg)
			if r.Received == 0 || r.Received >= r.Messages && cfg.Messages > 0 || r.Verify() == nil || r.Interrupted || r.Mismatched != 0 {
				t.Errorf("%v: %+v", r.Verify(), r)
			}
			var failures uint64
			for kind, n := range r.Errors {
				failures += n
				if !strings.Contains("connection reset, closed by the server, connection refused", kind) {
					t.Errorf("%d %s", n, kind)
				}
			}
			if failures != 20 {
				t.Errorf("%d of 20 clients failed: %v", failures, r.Errors)
			}
		})
	}
}

func TestFloodOfAServerThatIsKilled(t *testing.T) {
	r := mustRun(t, Config{Target: killedServer(t, 64, 50), Clients: 5, Duration: time.Hour, Flood: true})
	if r.Verify() == nil || r.Interrupted || r.failures() != 5 {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
}

// A target that resets some connections leaves the others alone.
func TestOpenLoopTargetResetsSome(t *testing.T) {
	t.Parallel()
	var mutex sync.Mutex
	accepted := 0
	addr := serveStream(t, func(c *net.TCPConn) {
		mutex.Lock()
		accepted++
		resets := accepted%2 == 0
		mutex.Unlock()
		if resets {
			io.ReadFull(c, make([]byte, 64*3))
			c.SetLinger(0)
			return
		}
		echo(c)
	})
	// Half a second, so that the resets come long before the last messages are due.
	r := mustRun(t, Config{Target: addr, Clients: 10, Messages: 50, Rate: 1000, FailFast: true})
	if r.Received != 250 || r.Messages != 500 || !strings.Contains(r.Verify().Error(), "not sent") {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
	wantErrors(t, r, map[string]uint64{"connection reset": 5})
}

// Ports run out in a network namespace of its own, in which there are but ten:
// clients beyond say so, sources help.
func TestPortsRunOut(t *testing.T) {
	const inside = "WIRELAB_TEST_FEW_PORTS"
	if os.Getenv(inside) == "" {
		require.Root(t)
		script := `ip link set lo up && echo 40000 40009 >/proc/sys/net/ipv4/ip_local_port_range && exec "$0" -test.run '^TestPortsRunOut$'`
		require.Program(t, "ip")
		cmd := exec.Command(require.Program(t, "unshare"), "--net", "sh", "-c", script, os.Args[0])
		cmd.Env = append(os.Environ(), inside+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	addr := serveStream(t, echo)
	r := mustRun(t, Config{Target: addr, Clients: 15, Messages: 2})
	if free := r.Connected; free == 0 || free > 10 || r.Verified() != 2*free || r.Errors["no local port left"] != 15-free {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
	sources, err := ParseSources("127.0.0.2-127.0.0.9")
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"tcp", "udp"} {
		if network == "udp" {
			addr = serveDatagrams(t, func(_ int, d []byte) [][]byte { return once(d) })
		}
		r = mustRun(t, Config{Network: network, Target: addr, Clients: 40, Messages: 2, Sources: sources})
		if err := r.Verify(); err != nil || r.Connected != 40 {
			t.Errorf("%v: %+v", err, r)
		}
	}
}

// slowSometimes serves connections of which every tenth answer comes late.
func slowSometimes(t *testing.T, late time.Duration) netip.AddrPort {
	var answers atomic.Uint64
	return serveStream(t, func(c *net.TCPConn) {
		buf := make([]byte, 64)
		for {
			if _, err := io.ReadFull(c, buf); err != nil {
				return
			}
			if answers.Add(1)%10 == 0 {
				time.Sleep(late)
			}
			if _, err := c.Write(buf); err != nil {
				return
			}
		}
	})
}

// One answer that comes too late costs a connection, and not the rest of the run.
func TestClientsGoOnAfterASlowAnswer(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0, 500} {
		cfg := Config{Target: slowSometimes(t, 150*time.Millisecond), Clients: 4, Duration: time.Second, Rate: rate, Timeout: 50 * time.Millisecond}
		r := mustRun(t, cfg)
		if r.Retries < 4 || r.Connections != r.Retries+4 || r.Received < 50 || r.Lost != r.Errors["no answer in time"] && rate == 0 || r.ElapsedS < 0.9 || r.Verify() == nil {
			t.Errorf("rate %v: %v: %+v", rate, r.Verify(), r)
		}
		cfg.FailFast = true
		if r := mustRun(t, cfg); r.Retries != 0 || r.Connections != 4 || r.ElapsedS < 0.9 && rate == 0 {
			t.Errorf("rate %v, failing fast: %+v", rate, r)
		}
	}
}

// A server that is gone for good ends the run, a moment later.
func TestClientsGiveUpOnAServerThatIsGone(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	r := mustRun(t, Config{Target: killedServer(t, 64, 20), Clients: 3, Duration: time.Hour})
	if took := time.Since(begun); took < 4*time.Second {
		t.Errorf("after %v, in which its pauses did not grow", took)
	}
	if r.Received == 0 || r.Retries != 3*mostFailures || r.Verify() == nil || r.Interrupted {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
}
