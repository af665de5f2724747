package connect_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"wirelab/internal/require"
	"wirelab/load/connect"
)

// closedDatagramPort returns an address of this host that refuses datagrams.
func closedDatagramPort(t *testing.T, ip string) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Of several addresses those that refuse datagrams are passed over, and what was sent to
// them is sent again: by hand and as messages.
func TestUDPTriesAddressesInTurn(t *testing.T) {
	refusing := []netip.AddrPort{closedDatagramPort(t, "127.0.0.1"), closedDatagramPort(t, "::1")}
	answering := netip.MustParseAddrPort(answerDatagrams(t, echoDatagram))
	for name, cfg := range map[string]connect.Config{
		"input":    {Input: &pieces{"0;", "1;", "2;"}},
		"messages": {Message: numbered, Count: 3},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoLeaks(t)
			var out bytes.Buffer
			cfg.Network, cfg.Address, cfg.Others = "udp", refusing[0].String(), []netip.AddrPort{refusing[1], answering}
			cfg.IdleTimeout, cfg.View = patience/20, connect.RawView(&out)
			conv, err := run(t, cfg)
			if err != nil || out.String() != "0;1;2;" || conv.Remote != answering.String() {
				t.Errorf("received %q, %+v, %v", &out, conv, err)
			}
			cfg.Others, cfg.Input = refusing[1:], &pieces{"x"}
			if _, err := run(t, cfg); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("all refuse: %v", err)
			}
		})
	}
}
