package udp_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wirelab/clock"
	"wirelab/internal/require"
	"wirelab/internal/sys/datagram"
	"wirelab/server"
	"wirelab/server/udp"
)

func TestEcho(t *testing.T) {
	s := serve(t, "echo")
	c := s.dial()
	for _, size := range []int{1, 64, 1472, 60000} {
		payload := bytes.Repeat([]byte{byte(size)}, size)
		if got := ask(t, c, payload); !bytes.Equal(got, payload) {
			t.Errorf("%d bytes came back as %d", size, len(got))
		}
	}
	s.stop()
	st := s.Status()
	want := server.Traffic{BytesIn: 61537, BytesOut: 61537, MessagesIn: 4, MessagesOut: 4}
	if st.Traffic != want || st.Active != 1 || st.StampSource != "kernel" || len(st.Events) != 0 || len(st.Peers) != 1 {
		t.Errorf("%+v", st)
	}
	if p := st.Peers[0]; p.Peer != c.LocalAddr().String() || p.Packets != 4 || p.Bytes != 61537 || p.FirstSeen.After(p.LastSeen) || p.Diff != nil {
		t.Errorf("%+v", p)
	}
}

func TestDiscard(t *testing.T) {
	s := serve(t, "discard")
	if _, err := s.dial().Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	st := s.eventually("received", func(st udp.Status) bool { return st.Traffic.MessagesIn == 1 })
	s.stop()
	if st = s.Status(); st.Traffic.MessagesOut != 0 {
		t.Errorf("%+v", st)
	}
}

func TestTimeDiffLongLine(t *testing.T) {
	s := serve(t, "timediff")
	c := s.dial()
	for number := 1; number <= 3; number++ {
		sent := time.Now()
		line := fmt.Sprintf("%-60s\n", sent.Format(time.RFC3339Nano))
		got := string(ask(t, c, []byte(line)))
		var stamp, source string
		var microseconds float64
		var n int
		if _, err := fmt.Sscanf(got, "%s %s %f us #%d\n", &stamp, &source, &microseconds, &n); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		received, err := time.Parse("2006-01-02T15:04:05.000000Z", stamp)
		if err != nil || source != "kernel" || n != number {
			t.Errorf("%q", got)
		}
		if d := received.Sub(sent) - time.Duration(microseconds*1000); d.Abs() > time.Microsecond {
			t.Errorf("%q to %q: off by %v", line, got, d)
		}
	}
}

func TestReflectsHandMadePackets(t *testing.T) {
	s := serve(t, "timediff")
	c := s.dial()
	base, err := hex.DecodeString("00000007" + "eead3c5800000000" + "0001" + "abcd" + strings.Repeat("00", 28))
	if err != nil {
		t.Fatal(err)
	}
	for _, extra := range []string{"", "80010002aabb", "8009000101"} {
		tlvs, err := hex.DecodeString(extra)
		if err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		got := ask(t, c, append(bytes.Clone(base), tlvs...))
		after := time.Now()
		p, err := clock.ParseReflector(got)
		if err != nil || len(got) != len(base)+len(tlvs) {
			t.Fatalf("%x, %v", got, err)
		}
		_, t2, t3, ok := p.Times(before)
		if !ok || t2.Before(before) || t3.Before(t2) || after.Before(t3) {
			t.Errorf("T2 %v, T3 %v, between %v and %v", t2, t3, before, after)
		}
		if p.Sequence != 7 || p.SSID != 0xabcd || p.SenderSequence != 7 || p.SenderTimestamp != 0xeead3c58_00000000 ||
			p.SenderEstimate != 1 || p.SenderTTL != 64 || !p.Estimate.Valid() {
			t.Errorf("%+v", p)
		}
	}
}

func TestCountsSequenceNumbers(t *testing.T) {
	s := serve(t, "timediff")
	c := s.dial()
	for _, n := range []uint32{1, 2, 5, 4, 5, 8} {
		ask(t, c, clock.SenderPacket{Sequence: n, Timestamp: clock.NTP.Encode(time.Now()), Estimate: 1}.Append(nil, 44))
	}
	s.stop()
	p := s.Status().Peers[0]
	if p.Packets != 6 || p.Lost != 3 || p.Reordered != 1 || p.Duplicate != 1 || p.JitterUS <= 0 || p.Diff == nil || p.Diff.Window != 6 {
		t.Errorf("%+v", p)
	}
	if d := p.Diff; d.Min <= 0 || d.Min > d.Median || d.Median > d.P99 || d.Last < d.Min {
		t.Errorf("%+v", d)
	}
}

func TestRandomBytesToEveryHandler(t *testing.T) {
	for _, h := range udp.Handlers() {
		t.Run(h.Name, func(t *testing.T) {
			s := serve(t, h.Name)
			c := s.dial()
			random := rand.New(rand.NewPCG(1, 2))
			const count = 500
			for range count {
				payload := make([]byte, 1+random.IntN(1500))
				for i := range payload {
					payload[i] = byte(random.Uint32())
				}
				if h.Name == "discard" {
					if _, err := c.Write(payload); err != nil {
						t.Fatal(err)
					}
					continue
				}
				if got := ask(t, c, payload); !bytes.Equal(got, payload) {
					t.Fatalf("%x answered with %x", payload, got)
				}
			}
			s.eventually("all received", func(st udp.Status) bool { return st.Traffic.MessagesIn == count })
		})
	}
}

// longWinded answers with one byte more than it was sent.
type longWinded struct{}

func (longWinded) Respond(d *udp.Datagram, out []byte) []byte {
	return append(append(out, d.Payload...), '!')
}

func TestNeverAmplifies(t *testing.T) {
	s := serve(t, "", func(cfg *udp.Config) { cfg.Handler = longWinded{} })
	if _, err := s.dial().Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	st := s.eventually("counted", func(st udp.Status) bool { return st.Events[udp.EventAnswerTooLong] == 1 })
	if st.Traffic.MessagesOut != 0 {
		t.Errorf("%+v", st)
	}
}

func TestDoesNotAnswerSimpleServices(t *testing.T) {
	s := serve(t, "timediff")
	sent := uint64(0)
	for _, port := range []uint16{7, 13, 17, 19, 37} {
		c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)), net.UDPAddrFromAddrPort(s.Addr()))
		if errors.Is(err, syscall.EACCES) {
			require.Root(t)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("1795341784.122335\n")); err != nil {
			t.Fatal(err)
		}
		sent++
	}
	st := s.eventually("counted", func(st udp.Status) bool { return st.Events[udp.EventNotAnsweredPort] == sent })
	if st.Traffic.MessagesOut != 0 || st.Traffic.MessagesIn != sent {
		t.Errorf("%+v", st)
	}
}

// TestEndsLoops sends to a server as a second one on the same port would.
func TestEndsLoops(t *testing.T) {
	s := serve(t, "timediff", func(cfg *udp.Config) { cfg.Addr = netip.MustParseAddrPort("127.0.0.1:0") })
	twin := s.dialFrom(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), s.Addr().Port()), "127.0.0.1")
	for _, line := range []string{"1795341784.122335\n", "hello"} {
		if _, err := twin.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	s.eventually("counted", func(st udp.Status) bool { return st.Events[udp.EventNotAnsweredPort] == 2 })
	packet := clock.SenderPacket{Sequence: 1, Timestamp: clock.NTP.Encode(time.Now()), Estimate: 1}.Append(nil, 44)
	if got := ask(t, twin, packet); len(got) != 44 {
		t.Errorf("a STAMP session between equal ports got %x", got)
	}
}

func TestAnswersFromTheAddressAsked(t *testing.T) {
	for _, tc := range []struct{ bind, host string }{{"0.0.0.0:0", "127.0.0.2"}, {"[::]:0", "127.0.0.3"}, {"[::]:0", "::1"}} {
		t.Run(tc.bind+" "+tc.host, func(t *testing.T) {
			s := serve(t, "echo", func(cfg *udp.Config) { cfg.Addr = netip.MustParseAddrPort(tc.bind) })
			c := s.dialFrom(netip.AddrPort{}, tc.host)
			if got := ask(t, c, []byte("x")); string(got) != "x" {
				t.Errorf("%q", got)
			}
			if p := s.Status().Peers[0].Peer; p != c.LocalAddr().String() {
				t.Errorf("peer %s, want %s", p, c.LocalAddr())
			}
		})
	}
}

func TestDoesNotAnswerBroadcast(t *testing.T) {
	s := serve(t, "echo", func(cfg *udp.Config) { cfg.Addr = netip.MustParseAddrPort("0.0.0.0:0") })
	if _, err := s.dialFrom(netip.AddrPort{}, "127.255.255.255").Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	s.eventually("counted", func(st udp.Status) bool { return st.Events[udp.EventNotAnsweredGroup] == 1 })
}

func TestTruncatedIsNotAnswered(t *testing.T) {
	s := serve(t, "echo", func(cfg *udp.Config) { cfg.Buffer = udp.MinDatagram })
	c := s.dial()
	if _, err := c.Write(make([]byte, udp.MinDatagram+1)); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, c, make([]byte, udp.MinDatagram)); len(got) != udp.MinDatagram {
		t.Errorf("%d bytes", len(got))
	}
	if n := s.Status().Events[udp.EventTruncated]; n != 1 {
		t.Errorf("%d counted", n)
	}
}

func TestAccess(t *testing.T) {
	var access server.Access
	deny := []netip.Prefix{netip.MustParsePrefix("127.0.0.5/32")}
	access.Set(nil, deny)
	var log bytes.Buffer
	s := serve(t, "echo", func(cfg *udp.Config) {
		cfg.Access = &access
		cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	denied := s.dialFrom(netip.MustParseAddrPort("127.0.0.5:0"), "127.0.0.1")
	if _, err := denied.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	st := s.eventually("refused", func(st udp.Status) bool { return st.Refused["denied"] == 1 })
	if st.Active != 0 || st.Traffic != (server.Traffic{}) {
		t.Errorf("%+v", st)
	}
	access.Set(nil, nil)
	if got := ask(t, denied, []byte("y")); string(got) != "y" {
		t.Errorf("allowed, but %q", got)
	}
	s.stop()
	for _, line := range []string{"datagram refused", "reason=denied", "new peer", "peer summary", "msg=stopped"} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("no %q in the log:\n%s", line, &log)
		}
	}
}

// TestDrains sends datagrams that the server has not read when it is told to end.
func TestDrains(t *testing.T) {
	require.NoLeaks(t)
	s, err := udp.Listen(udp.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Handler: udp.TimeDiff{}})
	require.Supported(t, err)
	r := &running{Server: s, t: t}
	c := r.dial()
	const count = 100
	for n := range count {
		if _, err := fmt.Fprintf(c, "%d", n); err != nil {
			t.Fatal(err)
		}
	}
	ended, end := context.WithCancel(context.Background())
	end()
	if err := s.Run(ended); err != nil {
		t.Fatal(err)
	}
	for n := range count {
		answer := make([]byte, 10)
		if k, err := c.Read(answer); err != nil || string(answer[:k]) != fmt.Sprint(n) {
			t.Fatalf("answer %d: %q, %v", n, answer[:k], err)
		}
	}
	if _, err := s.Addr(), s.Run(context.Background()); err == nil {
		t.Error("a server that has ended runs again")
	}
}

func TestPorts(t *testing.T) {
	s := serve(t, "echo")
	cfg := udp.Config{Addr: s.Addr(), Handler: udp.TimeDiff{}}
	var busy *server.PortBusyError
	if _, err := udp.Listen(cfg); !errors.As(err, &busy) || busy.Network != "udp" || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v", err)
	}
	cfg.AutoPort = true
	next, err := udp.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if next.Addr().Port() <= s.Addr().Port() {
		t.Errorf("%v after %v", next.Addr(), s.Addr())
	}
	ended, end := context.WithCancel(context.Background())
	end()
	if err := next.Run(ended); err != nil {
		t.Error(err)
	}
}

func TestConfigErrors(t *testing.T) {
	addr := netip.MustParseAddrPort("127.0.0.1:0")
	for name, cfg := range map[string]udp.Config{
		"no handler":   {Addr: addr},
		"small buffer": {Addr: addr, Handler: udp.TimeDiff{}, Buffer: udp.MinDatagram - 1},
		"large buffer": {Addr: addr, Handler: udp.TimeDiff{}, Buffer: udp.MaxDatagram + 1},
	} {
		if _, err := udp.Listen(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestCountsWhatTheKernelDrops sends more than the socket's buffer holds.
func TestCountsWhatTheKernelDrops(t *testing.T) {
	require.NoLeaks(t)
	s, err := udp.Listen(udp.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Handler: udp.TimeDiff{}})
	require.Supported(t, err)
	c := (&running{Server: s, t: t}).dial()
	const sent = 20000
	for range sent {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	dropped := s.Status().Events[udp.EventDroppedByKernel]
	ended, end := context.WithCancel(context.Background())
	end()
	if err := s.Run(ended); err != nil {
		t.Fatal(err)
	}
	st := s.Status()
	if dropped == 0 || st.Traffic.MessagesIn+dropped != sent || st.Events[udp.EventDroppedByKernel] != dropped {
		t.Errorf("received %d, dropped %d, then %d, of %d", st.Traffic.MessagesIn, dropped, st.Events[udp.EventDroppedByKernel], sent)
	}
}

// TestDoesNotAllocatePerDatagram counts what server and client allocate together.
func TestDoesNotAllocatePerDatagram(t *testing.T) {
	s := serve(t, "timediff")
	c := s.dial()
	answer := make([]byte, 100)
	for name, payload := range map[string][]byte{
		"STAMP": clock.SenderPacket{Sequence: 1, Timestamp: clock.NTP.Encode(time.Now()), Estimate: 1}.Append(nil, 44),
		"text":  []byte("1795341784.122335\n"),
		"echo":  []byte("hello"),
	} {
		exchange := func() {
			if _, err := c.Write(payload); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(answer); err != nil {
				t.Fatal(err)
			}
		}
		exchange()
		if allocs := testing.AllocsPerRun(500, exchange); allocs > 0 {
			t.Errorf("%s: %v allocations for each datagram", name, allocs)
		}
	}
}

func BenchmarkUDP(b *testing.B) {
	s, err := udp.Listen(udp.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Handler: udp.TimeDiff{}})
	require.Supported(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	b.Run("ping-pong", func(b *testing.B) { benchmarkUDP(b, s, 1) })
	b.Run("32 at once", func(b *testing.B) { benchmarkUDP(b, s, 32) })
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
}

func benchmarkUDP(b *testing.B, s *udp.Server, batch int) {
	client, err := datagram.Listen(datagram.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	packet := clock.SenderPacket{Sequence: 1, Timestamp: clock.NTP.Encode(time.Now()), Estimate: 1}.Append(nil, 64)
	questions := make([]datagram.Datagram, batch)
	for i := range questions {
		questions[i] = datagram.Datagram{Payload: packet, Peer: s.Addr()}
	}
	r, w := client.NewReader(batch, 100), client.NewWriter(batch)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Write(questions); err != nil {
			b.Fatal(err)
		}
		for got := 0; got < batch; {
			answers, err := r.Read()
			if err != nil {
				b.Fatal(err)
			}
			got += len(answers)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/datagram")
}

// What comes in a burst is logged, or the log tells how much was not, also when nothing
// comes after it.
func TestLogTellsWhatItDoesNotHold(t *testing.T) {
	var logged bytes.Buffer // the handler locks it
	var access server.Access
	access.Set(nil, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	s := serve(t, "discard", func(cfg *udp.Config) {
		cfg.Access, cfg.Workers, cfg.Log = &access, 1, slog.New(slog.NewTextHandler(&logged, nil))
	})
	const sent = 300
	c := s.dial()
	for range sent {
		c.Write([]byte("x"))
	}
	s.eventually("all are refused", func(st udp.Status) bool { return st.Refused["denied"] == sent })
	s.stop()
	told := strings.Count(logged.String(), "datagram refused")
	for _, m := range regexp.MustCompile(`what=refusals not_logged=(\d+)`).FindAllStringSubmatch(logged.String(), -1) {
		n, _ := strconv.Atoi(m[1])
		told += n
	}
	if told != sent {
		t.Errorf("the log tells of %d refusals of %d", told, sent)
	}
}
