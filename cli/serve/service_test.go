package serve

import (
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"wirelab/cli/term"
	"wirelab/cli/term/termtest"
	"wirelab/server"
)

// The way out of a busy port is not the one that was just taken.
func TestExplainListen(t *testing.T) {
	busy := &server.PortBusyError{Network: "udp", Addr: netip.MustParseAddrPort("127.0.0.1:12345"), Err: syscall.EADDRINUSE}
	for _, tt := range []struct {
		err      error
		autoPort bool
		want     string
	}{
		{busy, false, "port 12345 is taken; choose another with --port, or take the next free one with --auto-port"},
		{busy, true, "port 12345 is taken, and so are the ports after it; choose another with --port"},
		{syscall.EADDRNOTAVAIL, false, "--bind takes an address of this host"},
	} {
		if got := explainListen(tt.err, netip.IPv4Unspecified(), tt.autoPort); !strings.Contains(got.Error(), tt.want) {
			t.Errorf("%v, %t: %v", tt.err, tt.autoPort, got)
		}
	}
}

// Each server asks for the ports after its own as its own setting says.
func TestServeUDPAutoPort(t *testing.T) {
	if holder, err := net.ListenPacket("udp", "127.0.0.1:65535"); err == nil { // else somebody has it, which is as good
		defer holder.Close()
	}
	t.Chdir(t.TempDir())
	c, _, stderr := termtest.NewConsole("")
	runtime := t.TempDir() // for the control socket, which is opened before
	c.Getenv = func(name string) string { return map[string]string{"XDG_RUNTIME_DIR": runtime}[name] }
	if status := termtest.Run(t.Context(), c, Commands(c), "serve", "udp", "--port", "65535", "--auto-port"); status != term.ExitFailed {
		t.Errorf("status %d", status)
	}
	if text := stderr.String(); !strings.Contains(text, "and so are the ports after it") || strings.Contains(text, "--auto-port") {
		t.Errorf("stderr is %q", text)
	}
}
