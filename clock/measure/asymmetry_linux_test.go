package measure

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"wirelab/clock/stamp"
)

// relay passes datagrams of one client on to a server, and the answers back, each after
// a delay of its own, which may vary.
func relay(t *testing.T, server netip.AddrPort, there, back func(n int) time.Duration) netip.AddrPort {
	t.Helper()
	near, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(loopback))
	if err != nil {
		t.Fatal(err)
	}
	far, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		t.Fatal(err)
	}
	var client atomic.Pointer[netip.AddrPort] // who asked last
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		pass(near, there, func(b []byte, peer netip.AddrPort) {
			client.Store(&peer)
			_, _ = far.Write(b)
		})
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		pass(far, back, func(b []byte, _ netip.AddrPort) { _, _ = near.WriteToUDPAddrPort(b, *client.Load()) })
	}()
	t.Cleanup(func() { near.Close(); far.Close(); <-done; <-done })
	return near.LocalAddr().(*net.UDPAddr).AddrPort()
}

func pass(from *net.UDPConn, delay func(int) time.Duration, send func([]byte, netip.AddrPort)) {
	b := make([]byte, 2000)
	for n := 0; ; n++ {
		size, peer, err := from.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		time.Sleep(delay(n))
		send(b[:size], peer)
	}
}

func always(d time.Duration) func(int) time.Duration {
	return func(int) time.Duration { return d }
}

// A way of 1 ms and one of 11 ms look like clocks that are 5 ms apart: nothing can tell, but
// the bound holds. So it does when one way is loaded.
func TestTheBoundHoldsOnUnequalWays(t *testing.T) {
	queue := func(n int) time.Duration { return time.Duration(n%7) * time.Millisecond }
	for name, ways := range map[string][2]func(int) time.Duration{
		"asymmetry":      {always(time.Millisecond), always(11 * time.Millisecond)},
		"loaded one way": {queue, always(0)},
	} {
		for _, cfg := range []Config{
			{Host: relay(t, serveNTP(t), ways[0], ways[1]), Protocol: NTP},
			{Host: relay(t, serveSTAMP(t), ways[0], ways[1]), Protocol: STAMP},
		} {
			cfg.Count, cfg.Timeout = 10, 4*time.Second
			h, err := Measure(context.Background(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range h.Samples {
				if max(s.Offset, -s.Offset) > s.Bound {
					t.Errorf("%s, %s: %+v", name, cfg.Protocol, s)
				}
			}
			if name == "asymmetry" && (h.Offset > -int64(3*time.Millisecond) || h.Forward.DelayMost < int64(11*time.Millisecond)) {
				t.Errorf("%s: offset %v, as if there were no asymmetry", cfg.Protocol, time.Duration(h.Offset))
			}
		}
	}
}

// A reflector's echo is no reflection, and says so.
func TestAnEchoIsNoReflection(t *testing.T) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(loopback))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		pass(conn, always(0), func(b []byte, peer netip.AddrPort) { _, _ = conn.WriteToUDPAddrPort(b, peer) })
	}()
	defer func() { conn.Close(); <-done }()
	_, err = Measure(context.Background(), Config{
		Host: conn.LocalAddr().(*net.UDPAddr).AddrPort(), Protocol: STAMP, Count: 1, Timeout: 50 * time.Millisecond,
	})
	if !errors.Is(err, stamp.ErrEcho) {
		t.Errorf("%v", err)
	}
}
