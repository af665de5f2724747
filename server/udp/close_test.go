package udp_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"wirelab/internal/require"
	"wirelab/server"
	"wirelab/server/udp"
)

// A server that is never run gives back all that it has opened.
func TestCloseWithoutRun(t *testing.T) {
	require.NoLeaks(t)
	s, err := udp.Listen(udp.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Handler: udp.Handlers()[0].New()})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if err := s.Run(t.Context()); !errors.Is(err, server.ErrClosed) {
		t.Errorf("Run: %v", err)
	}
}

// A running server ends at once.
func TestCloseEndsRun(t *testing.T) {
	s := serve(t, "echo")
	c := s.dial()
	c.Write([]byte("x"))
	if _, err := c.Read(make([]byte, 1)); err != nil { // now it runs
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Run(context.Background()); !errors.Is(err, server.ErrClosed) {
		t.Errorf("Run: %v", err)
	}
}
