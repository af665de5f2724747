package server_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/server"
)

// runningUDP is a UDP server under test.
type runningUDP struct {
	*server.UDP
	t    *testing.T
	stop func() // ends the server and waits for it
}

// serveUDP starts a server with the named handler, and stops it at the test's end,
// after which no goroutine, thread or descriptor may be left.
func serveUDP(t *testing.T, handler string, configure ...func(*server.UDPConfig)) *runningUDP {
	t.Helper()
	require.NoLeaks(t)
	return serveUDPBeside(t, handler, configure...)
}

// serveUDPBeside is serveUDP for a second server of a test.
func serveUDPBeside(t *testing.T, handler string, configure ...func(*server.UDPConfig)) *runningUDP {
	t.Helper()
	cfg := server.UDPConfig{Addr: netip.MustParseAddrPort("127.0.0.1:0"), HandlerName: handler}
	for _, h := range server.UDPHandlers() {
		if h.Name == handler {
			cfg.Handler = h.New()
		}
	}
	for _, f := range configure {
		f(&cfg)
	}
	s, err := server.ListenUDP(cfg)
	require.Supported(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	r := &runningUDP{UDP: s, t: t}
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
func (r *runningUDP) dial() *net.UDPConn {
	r.t.Helper()
	return r.dialFrom(netip.AddrPort{}, "127.0.0.1")
}

func (r *runningUDP) dialFrom(local netip.AddrPort, host string) *net.UDPConn {
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
func (r *runningUDP) eventually(what string, holds func(server.UDPStatus) bool) server.UDPStatus {
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
