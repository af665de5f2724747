package throughput

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/load"
	"wirelab/server"
	"wirelab/server/tcp"
	"wirelab/server/tcp/handlers"
)

func TestMain(m *testing.M) { os.Exit(require.NoLeaksInPackage(m, os.Stderr)) }

// serve runs a server with that handler for the time of a test.
func serve(t *testing.T, handler, engine string, secured *tls.Config) netip.AddrPort {
	t.Helper()
	for _, kind := range handlers.All() {
		if kind.Name != handler {
			continue
		}
		s, err := tcp.Listen(tcp.Config{
			Addr: netip.MustParseAddrPort("127.0.0.1:0"), Engine: engine, Handler: kind.New(1000, nil), Buffer: kind.Buffer, TLS: secured,
		})
		require.Supported(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		return s.Addr()
	}
	t.Fatalf("no handler %s", handler)
	return netip.AddrPort{}
}

func directions() []Direction { return []Direction{Up, Down, Both} }

// Both ends count the same under every engine, and the intervals add up to it.
func TestBothEndsAgree(t *testing.T) {
	for _, engine := range tcp.Engines() {
		for _, direction := range directions() {
			t.Run(engine.Name+"/"+string(direction), func(t *testing.T) {
				require.Supported(t, engine.Check())
				t.Parallel()
				var told Interval
				r, err := Run(t.Context(), Config{
					Target: serve(t, "throughput", engine.Name, nil), Direction: direction, Clients: 3, Duration: 150 * time.Millisecond,
					Interval: 50 * time.Millisecond,
					Report: func(i Interval) {
						if i.FromS != told.ToS {
							t.Errorf("an interval begins at %v, the one before ended at %v", i.FromS, told.ToS)
						}
						told.ToS, told.Sent, told.Received = i.ToS, told.Sent+i.Sent, told.Received+i.Received
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				check(t, r, told)
			})
		}
	}
}

// check compares a report with what was told of its intervals.
func check(t *testing.T, r *Report, told Interval) {
	t.Helper()
	if err := r.Verify(); err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	if (r.Up != nil) != (r.Direction != Down) || (r.Down != nil) != (r.Direction != Up) {
		t.Fatalf("%+v", r)
	}
	var sent, received uint64
	if r.Up != nil {
		sent = r.Up.SentBytes
	}
	if r.Down != nil {
		received = r.Down.ReceivedBytes
	}
	if told.Sent != sent || told.Received != received || told.ToS != r.ElapsedS || len(r.Over) == 0 {
		t.Errorf("%d intervals with %+v, in all %d sent and %d received in %v s", len(r.Over), told, sent, received, r.ElapsedS)
	}
	if want := r.Clients * map[Direction]int{Up: 1, Down: 1, Both: 2}[r.Direction]; len(r.Streams) != want || r.ElapsedS < r.DurationS {
		t.Errorf("%d connections, %v s", len(r.Streams), r.ElapsedS)
	}
}

func TestOverTLS(t *testing.T) {
	secured, err := server.GenerateTLS()
	if err != nil {
		t.Fatal(err)
	}
	for _, direction := range directions() {
		r, err := Run(t.Context(), Config{
			Target: serve(t, "throughput", "goroutine", secured), Direction: direction, Duration: 100 * time.Millisecond,
			TLS: &tls.Config{InsecureSkipVerify: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Verify(); err != nil || !r.TLS {
			t.Errorf("%v: %+v", err, r)
		}
	}
	_, err = Run(t.Context(), Config{
		Target: serve(t, "throughput", "goroutine", secured), Direction: Up, Duration: time.Second, TLS: &tls.Config{ServerName: "localhost"},
	})
	if err == nil {
		t.Error("a certificate that nobody vouches for was taken")
	}
}

// What is no throughput server is told at once, not after the run.
func TestOtherServers(t *testing.T) {
	for _, handler := range []string{"echo", "discard", "chargen", "daytime"} {
		begun := time.Now()
		_, err := Run(t.Context(), Config{
			Target: serve(t, handler, "epoll", nil), Direction: Up, Duration: time.Hour, Timeout: 200 * time.Millisecond,
		})
		if !errors.Is(err, errServer) || time.Since(begun) > 10*time.Second {
			t.Errorf("%s: %v", handler, err)
		}
	}
}

func TestInterrupted(t *testing.T) {
	for _, engine := range []string{"goroutine", "epoll"} {
		for _, direction := range directions() {
			ctx, cancel := context.WithCancel(t.Context())
			begun := time.Now()
			r, err := Run(ctx, Config{
				Target: serve(t, "throughput", engine, nil), Direction: direction, Duration: time.Hour,
				Progress: func(uint64) { cancel() },
			})
			if err != nil || !r.Interrupted || r.Verify() != nil || time.Since(begun) > 10*time.Second {
				t.Errorf("%s, %s: %v: %+v", engine, direction, err, r)
			}
			cancel()
		}
	}
}

func TestConfigErrors(t *testing.T) {
	good := Config{Target: netip.MustParseAddrPort("127.0.0.1:9"), Direction: Up, Duration: time.Second}
	for name, change := range map[string]func(*Config){
		"target":   func(c *Config) { c.Target = netip.AddrPort{} },
		"clients":  func(c *Config) { c.Clients = MaxClients + 1 },
		"size":     func(c *Config) { c.Block = -1 },
		"duration": func(c *Config) { c.Duration = 0 },
		"timeout":  func(c *Config) { c.Timeout = -1 },
		"interval": func(c *Config) { c.Interval = time.Microsecond },
	} {
		cfg := good
		change(&cfg)
		if _, err := Run(t.Context(), cfg); !errors.Is(err, load.ErrConfig) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzLastWord(f *testing.F) {
	f.Add([]byte("up                      7\n"), true)
	f.Add([]byte("down                    7\n"), false)
	f.Add([]byte("down 99999999999999999999\n"), false)
	f.Fuzz(func(t *testing.T, line []byte, up bool) {
		direction := Down
		if up {
			direction = Up
		}
		if n, err := parseLastWord(line, direction); err != nil && n != 0 || err == nil && len(line) != lastWord {
			t.Errorf("%q: %d, %v", line, n, err)
		}
	})
}
