package ntp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"wirelab/clock"
	"wirelab/clock/probe"
)

// A fakeServer answers with what reply makes of a request; several, or none.
type fakeServer struct {
	conn *net.UDPConn
	done chan struct{}
}

func serveFake(t *testing.T, reply func(request Packet, number int) [][]byte) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := &fakeServer{conn, make(chan struct{})}
	go s.run(reply)
	t.Cleanup(func() { conn.Close(); <-s.done })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func (s *fakeServer) run(reply func(Packet, int) [][]byte) {
	defer close(s.done)
	b := make([]byte, 1500)
	for n := 0; ; n++ {
		size, peer, err := s.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		p, _, err := Parse(b[:size])
		if err != nil {
			continue
		}
		for _, answer := range reply(p, n) {
			_, _ = s.conn.WriteToUDPAddrPort(answer, peer)
		}
	}
}

// honest answers in the basic mode, by a clock that is ahead.
func honest(request Packet, ahead time.Duration) Packet {
	now := TimestampOf(time.Now().Add(ahead))
	return Packet{
		Version: request.Version, Mode: ServerMode, Stratum: 2, Precision: -20, ReferenceID: [4]byte{192, 0, 2, 7},
		Origin: request.Transmit, Receive: now, Transmit: now,
	}
}

func dialFake(t *testing.T, server netip.AddrPort, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{Server: server, Timeout: 300 * time.Millisecond}
	for _, f := range change {
		f(&cfg)
	}
	c, err := Dial(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestQuery(t *testing.T) {
	const ahead = 10 * 365 * 24 * time.Hour // past 2036
	server := serveFake(t, func(p Packet, _ int) [][]byte {
		answer := honest(p, ahead)
		return [][]byte{answer.Append(nil)}
	})
	answer, err := Query(context.Background(), server)
	if err != nil {
		t.Fatal(err)
	}
	e := answer.Exchange
	if wrong := (e.Offset() - ahead).Abs(); wrong > e.Bound() || e.Bound() > time.Second {
		t.Errorf("offset %v ± %v", e.Offset(), e.Bound())
	}
	if e.T1.Source != clock.Kernel || e.T4.Source != clock.Kernel || answer.Interleaved || answer.Facts.Stratum != 2 || answer.Facts.Reference != "192.0.2.7" {
		t.Errorf("%+v", answer)
	}
}

// Whatever else comes is refused with its reason, and the answer behind it is taken.
func TestQueryRefusesForgeries(t *testing.T) {
	for _, tc := range []struct {
		name  string
		forge func(p *Packet)
		want  error
	}{
		{"origin", func(p *Packet) { p.Origin++ }, ErrForged},
		{"no origin", func(p *Packet) { p.Origin = 0 }, ErrForged},
		{"mode", func(p *Packet) { p.Mode = ClientMode }, ErrMode},
		{"version", func(p *Packet) { p.Version = 3 }, ErrVersion},
		{"no time", func(p *Packet) { p.Transmit = 0 }, ErrNoTime},
		{"kiss", func(p *Packet) { p.Stratum, p.Origin, p.ReferenceID = 0, 1, [4]byte{'D', 'E', 'N', 'Y'} }, ErrForged},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := serveFake(t, func(p Packet, _ int) [][]byte {
				forged, answer := honest(p, time.Hour), honest(p, 0)
				tc.forge(&forged)
				return [][]byte{{1, 2, 3}, forged.Append(nil), answer.Append(nil)}
			})
			answer, err := dialFake(t, server).Query(context.Background())
			if err != nil || answer.Refused != 2 || !errors.Is(answer.RefusedFor, tc.want) || answer.Exchange.Offset().Abs() > time.Minute {
				t.Errorf("%+v, %v", answer, err)
			}
		})
	}
}

func TestQueryTellsWhyNothingWasTaken(t *testing.T) {
	server := serveFake(t, func(p Packet, _ int) [][]byte {
		forged := honest(p, 0)
		forged.Origin++
		return [][]byte{forged.Append(nil)}
	})
	c := dialFake(t, server)
	began := time.Now()
	_, err := c.Query(context.Background())
	if !errors.Is(err, ErrForged) || !errors.Is(err, probe.ErrNoAnswer) || time.Since(began) < c.cfg.Timeout {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

// A duplicate of an answer is no answer to the next request.
func TestQueryRefusesDuplicates(t *testing.T) {
	var first []byte
	server := serveFake(t, func(p Packet, n int) [][]byte {
		answer := honest(p, 0)
		if n == 0 {
			first = answer.Append(nil)
			return [][]byte{first, first}
		}
		return [][]byte{first, answer.Append(nil)}
	})
	c := dialFake(t, server)
	for n := range 2 {
		answer, err := c.Query(context.Background())
		if err != nil || answer.Refused < n {
			t.Errorf("query %d: %+v, %v", n, answer, err)
		}
	}
}

func TestKissesAreObeyed(t *testing.T) {
	var asked atomic.Int32
	server := serveFake(t, func(p Packet, _ int) [][]byte {
		asked.Add(1)
		kiss := Packet{Version: 4, Mode: ServerMode, Origin: p.Transmit, ReferenceID: [4]byte{'R', 'A', 'T', 'E'}}
		return [][]byte{kiss.Append(nil)}
	})
	c := dialFake(t, server)
	var kiss *KissError
	_, err := c.Query(context.Background())
	if !errors.As(err, &kiss) || kiss.Code != "RATE" || kiss.Wait != PublicInterval {
		t.Fatalf("%v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Query(ctx); !errors.Is(err, context.DeadlineExceeded) || asked.Load() != 1 {
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
	if err := c.kissed("RATE"); !errors.As(err, &kiss) || kiss.Wait != 2*PublicInterval {
		t.Errorf("%v", err)
	}
	if err := c.kissed("DENY"); !errors.As(err, &kiss) || !kiss.Final() {
		t.Errorf("%v", err)
	}
	if _, err := c.Query(context.Background()); !errors.As(err, &kiss) || asked.Load() != 1 {
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
}
