package load

import (
	"errors"
	"math"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/sys"
	"wirelab/internal/sys/process"
)

func TestRunRejectsWhatMakesNoSense(t *testing.T) {
	good := func() Config {
		return Config{
			Network: "tcp", Target: netip.MustParseAddrPort("127.0.0.1:1"), Clients: 1, Messages: 1, Payload: mustParse(t, "seq", 0),
		}
	}
	tests := []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Network = "sctp" }, "neither"},
		{func(c *Config) { c.Target = netip.AddrPort{} }, "target"},
		{func(c *Config) { c.Target = netip.MustParseAddrPort("127.0.0.1:0") }, "target"},
		{func(c *Config) { c.Clients = 0 }, "clients"},
		{func(c *Config) { c.Clients = -1 }, "clients"},
		{func(c *Config) { c.Clients = MaxClients + 1 }, "clients"},
		{func(c *Config) { c.Messages = math.MaxUint64 }, "messages"},
		{func(c *Config) { c.Messages = 0 }, "when to end"},
		{func(c *Config) { c.Duration = -1 }, "duration"},
		{func(c *Config) { c.Timeout = time.Microsecond }, "timeout"},
		{func(c *Config) { c.Timeout = 2 * time.Hour }, "timeout"},
		{func(c *Config) { c.Clients, c.Loops = 5000, 2000 }, "loops"},
		{func(c *Config) { c.Loops = -1 }, "loops"},
		{func(c *Config) { c.Payload = nil }, "payload"},
		{func(c *Config) { c.Targets = []netip.AddrPort{{}} }, "target"},
		{func(c *Config) { c.Targets = make([]netip.AddrPort, MaxTargets+1) }, "target"},
		{func(c *Config) {
			c.Sources = Sources{first: netip.MustParseAddr("::1"), last: netip.MustParseAddr("::1")}
		}, "family"},
		{func(c *Config) { c.Rate = -1 }, "rate"},
		{func(c *Config) { c.Rate = math.NaN() }, "rate"},
		{func(c *Config) { c.Rate = math.Inf(1) }, "rate"},
		{func(c *Config) { c.Rate = 1e-9 }, "rate"},
		{func(c *Config) { c.Ramp = -1 }, "ramp"},
		{func(c *Config) { c.Ramp, c.Duration = time.Hour, time.Minute }, "ramp of 1h0m0s"},
		{func(c *Config) { c.Outstanding = -1 }, "outstanding"},
		{func(c *Config) { c.Outstanding = MaxOutstanding + 1 }, "outstanding"},
		{func(c *Config) { c.Network, c.Rate = "udp", 50_000 }, "131072 outstanding messages, not 281250: use more clients or a shorter timeout"},
		{func(c *Config) { c.Network, c.Rate, c.Payload = "udp", 1, mustParse(t, "text:x", 0) }, "told apart"},
		{func(c *Config) { c.Network, c.Rate, c.Payload = "udp", 1, mustParse(t, "seq", 21) }, "told apart"},
		{func(c *Config) { c.Network, c.Rate, c.Payload = "udp", 1, mustParse(t, "random:1", 7) }, "told apart"},
		{func(c *Config) { c.Network, c.Flood = "udp", true }, "--fast"},
		{func(c *Config) { c.Flood, c.Rate = true, 1 }, "flood has no rate"},
		{func(c *Config) { c.Flood, c.Payload = true, mustParse(t, "time", 0) }, "time"},
		{func(c *Config) { c.Flood, c.Reconnect = true, 1 }, "reconnect"},
		{func(c *Config) { c.Network, c.Reconnect = "udp", 1 }, "reconnect"},
		{func(c *Config) { c.Reconnect = math.MaxUint64 }, "reconnect"},
		{func(c *Config) { c.Network, c.Payload = "udp", mustParse(t, "seq", MaxDatagram+1) }, "datagram"},
	}
	for _, test := range tests {
		cfg := good()
		test.change(&cfg)
		report, err := Run(t.Context(), cfg)
		if report != nil || !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: error %v, want one with %q", cfg, err, test.want)
		}
	}
}

// Go is to run one goroutine more than there are loops, of which there are no more
// for that.
func TestFixLoops(t *testing.T) {
	away, here := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("127.0.0.1:1")
	cores := runtime.GOMAXPROCS(0)
	tests := []struct {
		cfg               Config
		loops, processors int
	}{
		{Config{Target: away, Clients: 1000}, cores, cores + 1},
		{Config{Targets: []netip.AddrPort{here, away}, Clients: 1000}, cores, cores + 1},
		{Config{Target: here, Clients: 1000}, max(cores/2, 1), max(cores/2, 1) + 1},
		{Config{Target: here, Clients: 3, Loops: 7}, 7, 4},
		{Config{Target: here, Clients: 1}, max(cores/2, 1), 2},
		{Config{Target: here, Clients: 1 << 20, Loops: 1 << 20}, 1 << 20, maxLoops + 1}, // which Run refuses
		{Config{Target: here, Clients: -1, Loops: -1}, -1, 2},
	}
	for _, tt := range tests {
		cfg := tt.cfg
		if processors := cfg.FixLoops(); processors != tt.processors || cfg.Loops != tt.loops {
			t.Errorf("%+v: %d loops, %d processors", tt, cfg.Loops, processors)
		}
	}
}

// One lost datagram is awaited for the timeout, and holds back none of those that are
// due until then.
func TestOutstandingIsEnough(t *testing.T) {
	tests := []struct {
		network string
		rate    float64
		clients int
		timeout time.Duration
		want    int
	}{
		{"tcp", 0, 1, time.Second, 1},
		{"tcp", 10, 1, time.Second, leastOutstanding},
		{"tcp", 10_000, 1, time.Second, 22_500},
		{"tcp", 1e6, 1, time.Second, MaxOutstanding}, // 1,125,000 would do, which is not refused
		{"udp", 10, 1, time.Second, leastOutstanding},
		{"udp", 8000, 2, time.Second, 9000},
		{"udp", 20_000, 1, 5 * time.Second, MaxOutstanding}, // 112,500 would do
		{"udp", 50_000, 3, 5 * time.Second, MaxOutstanding},
		{"udp", 50_000, 2, 5 * time.Second, 140_625}, // too many, which is refused
	}
	for _, tt := range tests {
		c := Config{Network: tt.network, Rate: tt.rate, Clients: tt.clients, Timeout: tt.timeout}
		if got := c.enoughOutstanding(); got != tt.want {
			t.Errorf("%+v: %d", tt, got)
		}
		if c.Rate = c.mostRate(); tt.network == "udp" && c.enoughOutstanding() != MaxOutstanding {
			t.Errorf("at the highest rate, %v: %d", c.Rate, c.enoughOutstanding())
		}
	}
}

// What a client may await takes memory only once it does.
func TestOutstandingTakesNoMemoryBeforehand(t *testing.T) {
	cfg, err := (Config{
		Network: "tcp", Target: netip.MustParseAddrPort("127.0.0.1:1"), Clients: 3, Loops: 1, Messages: 1, Rate: MaxRate, Payload: mustParse(t, "seq", 0),
	}).withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	r := newRun(cfg)
	defer r.close()
	if err := r.open(); err != nil {
		t.Fatal(err)
	}
	for i := range r.loops[0].clients {
		if n := len(r.loops[0].clients[i].window.slots); cfg.Outstanding != MaxOutstanding || n != 1 {
			t.Errorf("%d slots for %d outstanding messages", n, cfg.Outstanding)
		}
	}
}

func TestRunMoreClientsThanDescriptors(t *testing.T) {
	limit, _, err := process.DescriptorLimit()
	if err != nil {
		t.Fatal(err)
	}
	if limit >= MaxClients {
		t.Skipf("%d descriptors are more than there may be clients", limit)
	}
	_, err = Run(t.Context(), Config{
		Network: "tcp", Target: netip.MustParseAddrPort("127.0.0.1:1"), Clients: limit, Messages: 1, Payload: mustParse(t, "seq", 0),
	})
	var descriptors *DescriptorError
	if !errors.As(err, &descriptors) || descriptors.Limit != limit || !errors.Is(err, sys.ErrNotPermitted) || !strings.Contains(err.Error(), "ulimit") {
		t.Errorf("error %v", err)
	}
}

func TestErrorKinds(t *testing.T) {
	tests := map[error]string{
		syscall.ECONNREFUSED:  "connection refused",
		syscall.EPIPE:         "connection reset",
		syscall.EADDRNOTAVAIL: "no local port left",
		syscall.EMFILE:        "no descriptor left",
		syscall.EXDEV:         "invalid cross-device link",
		errors.New("other"):   "other",
	}
	for err, want := range tests {
		if got := sys.ErrorName(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
