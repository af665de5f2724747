package oneway

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/receiver"
	"wirelab/internal/require"
	"wirelab/load"
	"wirelab/load/delivery"
	"wirelab/load/payload"
	"wirelab/server/udp"
)

// serve runs a server for the time of a test and returns its address.
func serve(t testing.TB, responder udp.Responder, configure ...func(*udp.Config)) (addr netip.AddrPort, stop func()) {
	t.Helper()
	cfg := udp.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Handler: responder}
	for _, f := range configure {
		f(&cfg)
	}
	s, err := udp.Listen(cfg)
	require.Supported(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return s.Addr(), stop
}

// silent answers nothing.
type silent struct{}

func (silent) Respond(_ *udp.Datagram, out []byte) []byte { return out }

// echoing answers everything.
type echoing struct{}

func (echoing) Respond(d *udp.Datagram, out []byte) []byte { return append(out, d.Payload...) }

// busy takes its time, and answers nothing.
type busy struct{}

func (busy) Respond(_ *udp.Datagram, out []byte) []byte {
	for begun := time.Now(); time.Since(begun) < 20*time.Microsecond; {
	}
	return out
}

func mustParse(t testing.TB, spec string, size int) *payload.Payload {
	t.Helper()
	p, err := payload.Parse(spec, size)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustRun(t *testing.T, cfg Config) *Report {
	t.Helper()
	if cfg.Payload == nil {
		cfg.Payload = mustParse(t, "seq", 0)
	}
	r, err := Run(t.Context(), cfg)
	require.Supported(t, err)
	return r
}

// accounted checks that every datagram is accounted for.
func accounted(t *testing.T, r *Report) *delivery.Report {
	t.Helper()
	v := r.Receiver
	if v == nil {
		t.Fatalf("the receiver's counts are not known: %s", r.ReceiverUnknown)
	}
	if v.Distinct+v.DroppedByKernel+v.LostElsewhere != r.Sent || v.Surplus > 0 || v.Shared || r.Refused > 0 || len(r.Errors) > 0 {
		t.Errorf("%d sent: %+v, errors %v", r.Sent, v, r.Errors)
	}
	if err := r.Verify(); err != nil && !r.Interrupted {
		t.Error(err)
	}
	return v
}

func TestAccountsForEveryDatagram(t *testing.T) {
	require.NoLeaks(t)
	const messages = 3000
	for _, tc := range []struct {
		name         string
		withoutGSO   bool
		withoutGRO   bool
		batch, size  int
		senders      int
		servedSingly bool
	}{
		{name: "runs", senders: 1},
		{name: "several senders", senders: 3},
		{name: "no GSO", withoutGSO: true, senders: 1},
		{name: "server without GRO", senders: 1, servedSingly: true},
		{name: "one by one", withoutGSO: true, withoutGRO: true, batch: 1, senders: 2, servedSingly: true},
		{name: "long", size: 9000, senders: 1},
		{name: "longest", size: load.MaxDatagram, senders: 1},
		{name: "short", size: 22, batch: 7, senders: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			addr, _ := serve(t, silent{}, func(cfg *udp.Config) { cfg.WithoutGRO = tc.servedSingly })
			// Slow enough that a busy machine need not drop any.
			r := mustRun(t, Config{
				Target: addr, Messages: messages / uint64(tc.senders), Rate: 30_000, Senders: tc.senders, Batch: tc.batch,
				Payload: mustParse(t, "seq", tc.size), WithoutGSO: tc.withoutGSO, WithoutGRO: tc.withoutGRO,
			})
			v := accounted(t, r)
			if r.Sent != messages || r.Messages != messages || v.LostElsewhere != 0 || !v.Numbered || v.Duplicate != 0 || v.Reordered != 0 {
				t.Errorf("%+v, %+v", r, v)
			}
			if r.GSO == (tc.withoutGSO || tc.size == load.MaxDatagram) || r.Calls == 0 || r.SegmentsPerMessage < 1 || r.DatagramsPerCall < r.SegmentsPerMessage {
				t.Errorf("GSO %v, %d calls, %v as one, %v a call", r.GSO, r.Calls, r.SegmentsPerMessage, r.DatagramsPerCall)
			}
		})
	}
}

func TestSplitsTheLoss(t *testing.T) {
	for _, withoutGRO := range []bool{false, true} {
		addr, _ := serve(t, busy{}, func(cfg *udp.Config) { cfg.WithoutGRO, cfg.Batch = withoutGRO, 1 })
		v := accounted(t, mustRun(t, Config{Target: addr, Messages: 60_000, WithoutGSO: withoutGRO, Payload: mustParse(t, "seq", 1024)}))
		// What asks for the counts comes to the same full buffer, and is repeated until answered.
		const requests = 10 // in askAfter, each waited for twice as long as the one before
		exact := v.Drops >= v.DroppedByKernel && v.Drops <= v.DroppedByKernel+requests
		if v.DroppedByKernel == 0 || v.LostElsewhere != 0 || v.Drops == 0 || withoutGRO && !exact {
			t.Errorf("without GRO: %v: %+v", withoutGRO, v)
		}
	}
}

func TestTakesAnswers(t *testing.T) {
	addr, _ := serve(t, echoing{})
	r := mustRun(t, Config{Target: addr, Messages: 2000, Rate: 20_000})
	accounted(t, r)
	if r.Answers == 0 || r.Answers > r.Sent || r.AnswerBytes != r.Answers*64 || r.AnswersPerRead < 1 {
		t.Errorf("%+v", r)
	}
}

func TestAgainstOthers(t *testing.T) {
	for name, tc := range map[string]struct {
		echo bool
		want error
	}{"echo server": {true, receiver.ErrEchoed}, "silent server": {false, receiver.ErrNoAnswer}} {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			b := make([]byte, 2048)
			for {
				n, peer, err := conn.ReadFromUDPAddrPort(b)
				if err != nil {
					return
				}
				if tc.echo {
					conn.WriteToUDPAddrPort(b[:n], peer)
				}
			}
		}()
		r := mustRun(t, Config{Target: conn.LocalAddr().(*net.UDPAddr).AddrPort(), Messages: 100, Rate: 10_000})
		if r.Sent != 100 || r.Receiver != nil || r.ReceiverUnknown != tc.want.Error() || r.Verify() != nil {
			t.Errorf("%s: %+v", name, r)
		}
		conn.Close()
		<-ended
	}
}

func TestWithoutServer(t *testing.T) {
	require.NoLeaks(t)
	addr, stop := serve(t, silent{})
	stop()
	_, err := Run(t.Context(), Config{Target: addr, Messages: 100, Payload: mustParse(t, "seq", 0)})
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v", err)
	}
}

// TestServerEnds has the server end while it is sent to.
func TestServerEnds(t *testing.T) {
	require.NoLeaks(t)
	addr, stop := serve(t, silent{})
	r := mustRun(t, Config{
		Target: addr, Duration: time.Minute, Rate: 5000,
		Progress: func(sent uint64) {
			if sent > 0 {
				stop()
			}
		},
	})
	if r.Failed != 1 || r.Errors["connection refused"] == 0 || r.Receiver != nil || !strings.Contains(r.ReceiverUnknown, "refused") || r.ElapsedS > 30 {
		t.Errorf("%+v", r)
	}
	if err := r.Verify(); !errors.Is(err, load.ErrNotVerified) {
		t.Errorf("%v", err)
	}
}

func TestInterrupted(t *testing.T) {
	require.NoLeaks(t)
	addr, _ := serve(t, silent{})
	for _, rate := range []float64{0, 0.01} { // in the midst of sending, and of waiting
		ctx, cancel := context.WithCancel(t.Context())
		r, err := Run(ctx, Config{
			Target: addr, Duration: time.Hour, Rate: rate, Payload: mustParse(t, "seq", 0),
			Progress: func(uint64) { cancel() },
		})
		if err != nil {
			t.Fatal(err)
		}
		accounted(t, r)
		if !r.Interrupted || r.Sent == 0 || r.Messages != r.Sent {
			t.Errorf("rate %v: %+v", rate, r)
		}
		cancel()
	}
}

// TestTakesTheTimeOfItsLastMessage sends messages that are due 0, 50 and 100 ms after the first.
func TestTakesTheTimeOfItsLastMessage(t *testing.T) {
	addr, _ := serve(t, silent{})
	r := mustRun(t, Config{Target: addr, Messages: 3, Rate: 20})
	accounted(t, r)
	if r.RatePerS > 20 || r.ElapsedS < 0.15 {
		t.Errorf("%d sent in %vs, %v a second", r.Sent, r.ElapsedS, r.RatePerS)
	}
}

func TestKeepsItsRate(t *testing.T) {
	addr, _ := serve(t, silent{})
	r := mustRun(t, Config{Target: addr, Duration: 200 * time.Millisecond, Rate: 4000, Senders: 2})
	accounted(t, r)
	if most := 4000*r.ElapsedS + 2; float64(r.Sent) > most || r.Sent < 2 {
		t.Errorf("%d sent in %vs, at most %v", r.Sent, r.ElapsedS, most)
	}
}

func TestConfigErrors(t *testing.T) {
	good := Config{Target: netip.MustParseAddrPort("127.0.0.1:9"), Messages: 1, Payload: mustParse(t, "seq", 0)}
	for name, change := range map[string]func(*Config){
		"no address":     func(c *Config) { c.Target = netip.AddrPort{} },
		"no port":        func(c *Config) { c.Target = netip.MustParseAddrPort("127.0.0.1:0") },
		"public":         func(c *Config) { c.Target = netip.MustParseAddrPort("8.8.8.8:9") },
		"public IPv6":    func(c *Config) { c.Target = netip.MustParseAddrPort("[2606:4700::1]:9") },
		"senders":        func(c *Config) { c.Senders = -1 },
		"many senders":   func(c *Config) { c.Senders = MaxSenders + 1 },
		"batch":          func(c *Config) { c.Batch = MaxBatch + 1 },
		"many messages":  func(c *Config) { c.Messages = load.MaxMessages + 1 },
		"no end":         func(c *Config) { c.Messages = 0 },
		"back in time":   func(c *Config) { c.Duration = -1 },
		"rate":           func(c *Config) { c.Rate = -1 },
		"great rate":     func(c *Config) { c.Rate = 2 * MaxRate },
		"no payload":     func(c *Config) { c.Payload = nil },
		"great datagram": func(c *Config) { c.Payload = mustParse(t, "seq", load.MaxDatagram+1) },
		"much memory":    func(c *Config) { c.Senders, c.Batch, c.Payload = 64, MaxBatch, mustParse(t, "seq", 1400) },
		"long ones": func(c *Config) {
			c.Senders, c.Payload, c.WithoutGSO = 512, mustParse(t, "seq", load.MaxDatagram), true
		},
	} {
		cfg := good
		change(&cfg)
		if _, err := Run(t.Context(), cfg); !errors.Is(err, load.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, addr := range []string{"127.0.0.1", "::1", "10.64.37.35", "192.168.1.1", "fe80::1%lo", "fd00::1", "203.0.113.9", "2001:db8::1", "::ffff:127.0.0.1"} {
		if !ownNetwork(netip.MustParseAddr(addr)) {
			t.Errorf("%s is taken for a public address", addr)
		}
	}
}

// TestBatchIsThePayload compares with the payload's own way of writing messages.
func TestBatchIsThePayload(t *testing.T) {
	for _, spec := range []string{"seq", "pattern", "random:7", "text:hello"} {
		for _, size := range []int{1, 5, 9, 12, 21, 22, 64} {
			p := mustParse(t, spec, size)
			batch := newBatch(p, 17, 4, 3)
			var number uint64
			for _, n := range []int{1, 12, 7, 12, 12, 12, 12, 12, 12, 12, 12} {
				loaded := batch.load(n)
				var whole []byte
				for range n {
					number++
					whole = p.Append(whole, 17, number, time.Time{})
				}
				if !bytes.Equal(loaded, whole) {
					t.Fatalf("%s, %d bytes, up to %d: %q, want %q", spec, size, number, loaded, whole)
				}
				var sent [][]byte
				for rest := loaded; len(rest) > 0; {
					for _, m := range batch.messages(rest) {
						sent = append(sent, m.Payload)
						rest = rest[len(m.Payload):]
					}
				}
				if !bytes.Equal(slices.Concat(sent...), whole) {
					t.Fatalf("%s: the messages are not what was loaded", spec)
				}
			}
		}
	}
}

// TestGoesOnWithoutGSO has the kernel refuse runs: of more segments than it takes.
func TestGoesOnWithoutGSO(t *testing.T) {
	addr, _ := serve(t, silent{})
	cfg, err := Config{Target: addr, Messages: 1000, Payload: mustParse(t, "seq", 0)}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	r := &run{cfg: cfg}
	defer r.close()
	require.Supported(t, r.open())
	s := r.senders[0]
	s.batch = newBatch(cfg.Payload, 0, 4, 200)
	if err := r.ask(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	r.send(t.Context())
	if err := r.ask(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	report := r.report()
	v := accounted(t, report)
	if report.GSO || !strings.Contains(report.GSORefused, "several at a time") || report.Sent != 1000 || v.Gap != 0 || v.Reordered != 0 {
		t.Errorf("%+v, %+v", report, v)
	}
}

func TestDoesNotAllocate(t *testing.T) {
	addr, _ := serve(t, silent{})
	for _, spec := range []string{"seq", "pattern", "random:1", "stamp"} {
		cfg, err := Config{Target: addr, Messages: 1, Payload: mustParse(t, spec, 64)}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		r := &run{cfg: cfg}
		require.Supported(t, r.open())
		s := r.senders[0]
		if allocs := testing.AllocsPerRun(50, func() {
			if !s.send(s.batch.capacity) {
				t.Fatal(s.errors)
			}
		}); allocs > 0 {
			t.Errorf("%s: %v allocations a batch", spec, allocs)
		}
		r.close()
	}
}

func BenchmarkBatch(b *testing.B) {
	p, err := payload.Parse("seq", 64)
	if err != nil {
		b.Fatal(err)
	}
	batch := newBatch(p, 0, defaultBatch, 64)
	b.ReportAllocs()
	for b.Loop() {
		batch.messages(batch.load(batch.capacity))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch.capacity), "ns/datagram")
}

func TestHasIntervals(t *testing.T) {
	addr, _ := serve(t, silent{})
	r := mustRun(t, Config{Target: addr, Duration: 200 * time.Millisecond, Rate: 5000})
	var sent float64
	for _, v := range r.Intervals {
		sent += v.RatePerS * r.IntervalS
	}
	if len(r.Intervals) < 10 || sent > float64(r.Sent) || sent < float64(r.Sent)/2 {
		t.Errorf("%d intervals with %v of %d datagrams", len(r.Intervals), sent, r.Sent)
	}
}
