package load

import (
	"crypto/tls"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/internal/sys/socket"
	"wirelab/server"
	"wirelab/server/tcp"
	"wirelab/server/tcp/handlers"
)

// The parts of a run add up to its report, whatever it does.
func TestPartsAddUp(t *testing.T) {
	for name, cfg := range map[string]Config{
		"closed": {Target: serveStream(t, echo)},
		"open":   {Target: serveStream(t, echo), Rate: 3000},
		"udp":    {Network: "udp", Target: serveDatagrams(t, func(_ int, d []byte) [][]byte { return once(d) })},
		"flood":  {Target: serveStream(t, drainAll(new(atomic.Uint64))), Flood: true},
	} {
		t.Run(name, func(t *testing.T) {
			var sum Part
			parts := 0
			cfg.Clients, cfg.Loops, cfg.Duration, cfg.Interval = 4, 2, 330*time.Millisecond, 100*time.Millisecond
			cfg.Report = func(p Part) {
				if p.FromS != sum.ToS || p.ToS < p.FromS {
					t.Errorf("from %v to %v after %v", p.FromS, p.ToS, sum.ToS)
				}
				sum.Sent, sum.Received, sum.BytesSent, sum.BytesReceived = sum.Sent+p.Sent, sum.Received+p.Received, sum.BytesSent+p.BytesSent, sum.BytesReceived+p.BytesReceived
				sum.Errors, sum.ToS = sum.Errors+p.Errors, p.ToS
				parts++
				if p.Received > 0 && (p.LatencyUS == nil || p.LatencyUS.Samples != p.Received) {
					t.Errorf("%+v", p)
				}
			}
			r := mustRun(t, cfg)
			if sum.Sent != r.Sent || sum.Received != r.Received || sum.BytesSent != r.BytesSent || sum.BytesReceived != r.BytesReceived || sum.Errors != r.failures() {
				t.Errorf("%+v in parts: %+v", sum, r)
			}
			if parts < 3 || sum.ToS < 0.3 {
				t.Errorf("%d parts to %v s of %v", parts, sum.ToS, r.ElapsedS)
			}
		})
	}
}

// Each of several targets is told of, and all of them are all.
func TestTargetsAreTold(t *testing.T) {
	silent := func(c *net.TCPConn) { c.Close() }
	r := mustRun(t, Config{Targets: []netip.AddrPort{serveStream(t, echo), serveStream(t, silent), serveStream(t, echo)}, Clients: 7, Messages: 20, Loops: 2, FailFast: true})
	if len(r.PerTarget) != 3 {
		t.Fatalf("%+v", r.PerTarget)
	}
	var sent, received, lost, failures uint64
	for _, v := range r.PerTarget {
		sent, received, lost, failures = sent+v.Sent, received+v.Received, lost+v.Lost, failures+v.Errors
	}
	if sent != r.Sent || received != r.Received || lost != r.Lost || failures != r.failures() {
		t.Errorf("%d sent, %d received, %d lost, %d errors: %+v", sent, received, lost, failures, r)
	}
	first, dead := r.PerTarget[0], r.PerTarget[1]
	if first.Clients != 3 || first.Received != 60 || first.LatencyUS == nil || dead.Clients != 2 || dead.Received != 0 || dead.LatencyUS != nil || dead.Errors == 0 {
		t.Errorf("%+v", r.PerTarget)
	}
}

func TestPercentilesAndDoubts(t *testing.T) {
	r := mustRun(t, Config{Target: serveStream(t, echo), Clients: 2, Messages: 100, Percentiles: []float64{75, 99.99}})
	q := r.LatencyUS
	if len(q.Chosen) != 2 || q.Chosen[0].US < q.P50 || q.Chosen[0].US > q.P90 || q.Chosen[1].US < q.P999 || q.P95 < q.P90 || q.Samples != 200 {
		t.Errorf("%+v", q)
	}
	if len(r.Doubts) != 3 || r.Doubts[0].Percent != 99 || r.Doubts[0].Needs != 1000 || r.Doubts[2].Needs != 100_000 {
		t.Errorf("%+v", r.Doubts)
	}
	var counted uint64
	for _, b := range r.Histogram {
		counted += b.Count
	}
	if counted != 200 {
		t.Errorf("%d in %+v", counted, r.Histogram)
	}
}

// serveTLS runs a server over TLS, under the engine that can.
func serveTLS(t *testing.T, handler int) netip.AddrPort {
	t.Helper()
	secured, err := server.GenerateTLS()
	if err != nil {
		t.Fatal(err)
	}
	s, err := tcp.Listen(tcp.Config{
		Addr: netip.MustParseAddrPort("127.0.0.1:0"), Engine: "goroutine", TLS: secured, Handler: handlers.All()[handler].New(1000, nil),
	})
	require.Supported(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context()) }()
	t.Cleanup(func() { <-done })
	return s.Addr()
}

func TestOverTLS(t *testing.T) {
	echoing, discarding := serveTLS(t, 0), serveTLS(t, 1)
	any := &tls.Config{InsecureSkipVerify: true}
	for name, cfg := range map[string]Config{
		"closed":    {Target: echoing, Messages: 50},
		"large":     {Target: echoing, Messages: 3, Payload: mustParse(t, "random:1", 1<<20)},
		"open":      {Target: echoing, Rate: 2000, Duration: 200 * time.Millisecond},
		"reconnect": {Target: echoing, Messages: 6, Reconnect: 2},
		"flood":     {Target: discarding, Flood: true, Messages: 50, Payload: mustParse(t, "pattern", 100_000)},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.TLS, cfg.Clients, cfg.Loops = any, 5, 2
			r := mustRun(t, cfg)
			if err := r.Verify(); err != nil || !r.TLS || r.Connected != 5 {
				t.Errorf("%v: %+v", err, r)
			}
		})
	}
	for name, cfg := range map[string]Config{
		"TLS: its certificate is signed by nobody": {Target: echoing, TLS: &tls.Config{ServerName: "localhost"}},
		"does not speak": {Target: serveStream(t, func(c *net.TCPConn) { c.Write([]byte("hello, who are you?\n")); echo(c) }), TLS: any},
		"timed out":      {Target: serveStream(t, drainAll(new(atomic.Uint64))), TLS: any, Timeout: 100 * time.Millisecond},
	} {
		cfg.Clients, cfg.Messages = 2, 1
		r := mustRun(t, cfg)
		if r.Verify() == nil || r.Connected != 0 || len(r.Errors) != 1 {
			t.Errorf("%s: %+v", name, r)
		}
		for kind := range r.Errors {
			if !strings.Contains(kind, name) {
				t.Errorf("%q, want %q", kind, name)
			}
		}
	}
}

// What a person wants of sockets is set on those of clients, of both networks.
func TestSocketOptions(t *testing.T) {
	for network, target := range map[string]netip.AddrPort{
		"tcp": serveStream(t, echo), "udp": serveDatagrams(t, func(_ int, d []byte) [][]byte { return once(d) }),
	} {
		cfg, err := (Config{
			Network: network, Target: target, Clients: 1, Messages: 1, Payload: mustParse(t, "seq", 64),
			Socket: socket.Options{DSCP: 46, SendBuffer: 64 << 10, Nagle: true},
		}).withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		r := newRun(cfg)
		var seen []string
		r.cfg.Begin = func() {
			fd := r.loops[0].clients[0].fd
			for _, o := range [][2]int{{syscall.IPPROTO_IP, syscall.IP_TOS}, {syscall.SOL_SOCKET, syscall.SO_SNDBUF}, {syscall.IPPROTO_TCP, syscall.TCP_NODELAY}} {
				if v, err := syscall.GetsockoptInt(fd, o[0], o[1]); err == nil {
					seen = append(seen, strconv.Itoa(v))
				}
			}
		}
		if err := r.open(); err != nil {
			t.Fatal(err)
		}
		if err := r.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.close()
		want := "184 131072"
		if network == "tcp" {
			want += " 0"
		}
		if got := strings.Join(seen, " "); got != want {
			t.Errorf("%s: %s, want %s", network, got, want)
		}
	}
}
