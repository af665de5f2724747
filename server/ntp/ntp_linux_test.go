package ntp

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"wirelab/clock"
	"wirelab/clock/ntp"
	"wirelab/internal/require"
	"wirelab/internal/sys/datagram"
	"wirelab/server/udp"
)

const patience = 20 * time.Second

// serve runs a server until the test ends.
func serve(t *testing.T, cfg Config, ref *Reference) *udp.Server {
	t.Helper()
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.SetReference(ref)
	s, err := Listen(udp.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")}, r)
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
	return s
}

func local(stratum uint8) *Reference {
	r := LocalReference(stratum, time.Now())
	return &r
}

func dial(t *testing.T, cfg ntp.Config) *ntp.Client {
	t.Helper()
	cfg.Timeout = patience
	c, err := ntp.Dial(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestInterleavedMode(t *testing.T) {
	s := serve(t, Config{}, local(1))
	c := dial(t, ntp.Config{Server: s.Addr()})
	for n := range 50 {
		answer, err := c.Query(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		e := answer.Exchange
		if answer.Interleaved != (n > 0) || e.Offset().Abs() > e.Bound() || e.Source() != clock.Kernel || e.Mixed() {
			t.Errorf("answer %d: %+v, offset %v ± %v", n, answer, e.Offset(), e.Bound())
		}
		if f := answer.Facts; f.Stratum != 1 || f.Reference != "LOCL" || !f.Synchronized() || f.RootDelay != 0 {
			t.Fatalf("%+v", f)
		}
	}
	if got := s.Status().Events[EventInterleaved]; got != 49 {
		t.Errorf("%d counted", got)
	}
}

func TestUnsynchronizedServerSaysSo(t *testing.T) {
	s := serve(t, Config{}, nil)
	answer, err := dial(t, ntp.Config{Server: s.Addr()}).Query(context.Background())
	if f := answer.Facts; err != nil || f.Leap != ntp.Unsynchronized || f.Stratum != 16 || f.Synchronized() {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestRateLimit(t *testing.T) {
	s := serve(t, Config{RatePerSecond: 0.001, Burst: 2}, local(1))
	c := dial(t, ntp.Config{Server: s.Addr(), Basic: true})
	for range 2 {
		if _, err := c.Query(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	var kiss *ntp.KissError
	if _, err := c.Query(context.Background()); !errors.As(err, &kiss) || kiss.Code != "RATE" {
		t.Errorf("%v", err)
	}
}

// TestErrorQueueDoesNotMakeDeaf keeps 8 requests under way, as many clients do: each
// answer's send stamp is in the error queue, which nobody may leave to fill up.
func TestErrorQueueDoesNotMakeDeaf(t *testing.T) {
	s := serve(t, Config{}, local(1))
	const window, all = 8, 4000
	conn, err := datagram.Listen(datagram.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r, w := conn.NewReader(window, 100), conn.NewWriter(window)
	batch := make([]datagram.Datagram, window)
	for sent := 0; sent < all; sent += window {
		for i := range batch {
			p := ntp.Packet{Version: 4, Mode: ntp.ClientMode, Transmit: ntp.Timestamp(sent + i + 1)}
			batch[i] = datagram.Datagram{Payload: p.Append(nil), Peer: s.Addr()}
		}
		if _, err := w.Write(batch); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		for got := 0; got < window; {
			answers, err := r.Read()
			if err != nil {
				t.Fatalf("after %d answers: %v", sent+got, err)
			}
			got += len(answers)
		}
	}
}

func TestIgnoresWhatIsNoRequest(t *testing.T) {
	r, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	request := ntp.Packet{Version: 4, Mode: ntp.ClientMode, Transmit: 7}
	with := func(change func(p *ntp.Packet)) []byte {
		p := request
		change(&p)
		return p.Append(nil)
	}
	for name, b := range map[string][]byte{
		"empty":         {},
		"short":         make([]byte, ntp.PacketLen-1),
		"server":        with(func(p *ntp.Packet) { p.Mode = ntp.ServerMode }),
		"control":       with(func(p *ntp.Packet) { p.Mode = 6 }),
		"private":       with(func(p *ntp.Packet) { p.Mode = 7 }),
		"version 0":     with(func(p *ntp.Packet) { p.Version = 0 }),
		"version 5":     with(func(p *ntp.Packet) { p.Version = 5 }),
		"with a key":    append(request.Append(nil), make([]byte, 20)...),
		"bad extension": append(request.Append(nil), make([]byte, 32)...),
	} {
		d := udp.Datagram{Payload: b, Received: clock.Now()}
		if out := r.Respond(&d, make([]byte, 0, len(b))); len(out) != 0 {
			t.Errorf("%s: %x", name, out)
		}
	}
	d := udp.Datagram{Payload: ntp.AppendExtension(request.Append(nil), 0x4242, make([]byte, 24)), Received: clock.Now()}
	if out := r.Respond(&d, nil); len(out) != ntp.PacketLen {
		t.Errorf("with an unknown extension: %x", out)
	}
}

// A receive timestamp that is taken is not used again, so that a client gets the
// departure of no other answer than its own.
func TestDeparturesAreTheClientsOwn(t *testing.T) {
	d := newDepartures()
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	first, second := d.expect(7, a), d.expect(7, b)
	if first == second {
		t.Fatalf("both are %d", first)
	}
	at := clock.Now()
	d.Sent(uint64(first), at)
	if _, ok := d.find(second, b); ok {
		t.Error("found before it left")
	}
	if _, ok := d.find(first, b); ok {
		t.Error("found by another client")
	}
	if got, ok := d.find(first, a); !ok || got != ntp.TimestampOf(at.Time) {
		t.Errorf("%v, %t", got, ok)
	}
}

func TestLimiterGivesBack(t *testing.T) {
	l := newLimiter(10, 3)
	a, now := netip.MustParseAddr("2001:db8::1"), time.Unix(1795341784, 0)
	var got []permission
	for range 5 {
		got = append(got, l.take(a, now))
	}
	other := l.take(netip.MustParseAddr("2001:db8::2"), now) // of the same /64
	later := l.take(a, now.Add(150*time.Millisecond))
	if got[2] != allowed || got[3] != kiss || got[4] != refused || other != refused || later != allowed {
		t.Errorf("%v, %v, %v", got, other, later)
	}
}

func FuzzRespond(f *testing.F) {
	request := ntp.Packet{Version: 4, Mode: ntp.ClientMode, Transmit: 7}
	f.Add(request.Append(nil))
	f.Add(ntp.AppendExtension(request.Append(nil), 0x0104, make([]byte, 32)))
	r, err := New(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := udp.Datagram{Payload: b, Received: clock.Now()}
		if out := r.Respond(&d, nil); len(out) > len(b) {
			t.Errorf("%d octets answered with %d", len(b), len(out))
		}
	})
}
