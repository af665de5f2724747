package udp_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/server/udp"
)

// patience bounds every wait in these tests: far longer than anything takes, so
// that only something that never comes meets it.
const patience = 60 * time.Second

// running is a UDP server under test.
type running struct {
	*udp.Server
	t    *testing.T
	stop func() // ends the server and waits for it
}

// serve starts a server with the named handler, and stops it at the test's end,
// after which no goroutine, thread or descriptor may be left.
func serve(t *testing.T, handler string, configure ...func(*udp.Config)) *running {
	t.Helper()
	require.NoLeaks(t)
	return serveBeside(t, handler, configure...)
}

// serveBeside is serve for a second server of a test.
func serveBeside(t *testing.T, handler string, configure ...func(*udp.Config)) *running {
	t.Helper()
	cfg := udp.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), HandlerName: handler}
	for _, h := range udp.Handlers() {
		if h.Name == handler {
			cfg.Handler = h.New()
		}
	}
	for _, f := range configure {
		f(&cfg)
	}
	s, err := udp.Listen(cfg)
	require.Supported(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	r := &running{Server: s, t: t}
	r.stop = func() {
		r.stop = func() {}
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Errorf("Run does not return after its context ended")
		}
	}
	t.Cleanup(func() { r.stop() })
	return r
}

// dial returns a client of the server at 127.0.0.1.
func (r *running) dial() *net.UDPConn {
	r.t.Helper()
	return r.dialFrom(netip.AddrPort{}, "127.0.0.1")
}

func (r *running) dialFrom(local netip.AddrPort, host string) *net.UDPConn {
	r.t.Helper()
	var laddr *net.UDPAddr
	if local.IsValid() {
		laddr = net.UDPAddrFromAddrPort(local)
	}
	to := netip.AddrPortFrom(netip.MustParseAddr(host), r.Addr().Port())
	c, err := net.DialUDP("udp", laddr, net.UDPAddrFromAddrPort(to))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// ask sends a datagram and returns the answer.
func ask(t *testing.T, c *net.UDPConn, payload []byte) []byte {
	t.Helper()
	if _, err := c.Write(payload); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 65536)
	n, err := c.Read(answer)
	if err != nil {
		t.Fatal(err)
	}
	return answer[:n]
}

// eventually waits until the server's status holds.
func (r *running) eventually(what string, holds func(udp.Status) bool) udp.Status {
	r.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		st := r.Status()
		if holds(st) {
			return st
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("never %s: %+v", what, st)
		}
	}
}
