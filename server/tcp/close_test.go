package tcp_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"wirelab/server"
	"wirelab/server/tcp"
)

// A server that is never run gives back all that it has opened.
func TestCloseWithoutRun(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s, err := tcp.Listen(tcp.Config{
			Addr: netip.MustParseAddrPort("127.0.0.1:0"), Engine: engine, Handler: newHandler(t, "echo", nil),
		})
		if err != nil {
			t.Fatal(err)
		}
		waiting, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer waiting.Close()
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
		if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
			c.Close()
			t.Error("it still listens")
		}
		if err := s.Run(t.Context()); !errors.Is(err, server.ErrClosed) {
			t.Errorf("Run: %v", err)
		}
	})
}

// A running server ends at once, whoever is connected.
func TestCloseEndsRun(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "echo")
		c := s.dial()
		s.eventually("a connection", func(st tcp.Status) bool { return st.Active == 1 })
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is open")
		}
	})
}
