package term

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"wirelab/cli/config"
)

// A RefusedError is a refused connection with what to do about it.
type RefusedError struct {
	Err              error
	Network, Address string
	Handler          string // of the server that is missing; empty: the usual one
	Attempts         int    // said if there were several
}

func (e RefusedError) Unwrap() error { return e.Err }

func (e RefusedError) Error() string {
	text := "nothing listens at " + e.Address
	if e.Attempts > 1 {
		text += fmt.Sprintf(" (tried %d times)", e.Attempts)
	}
	if start := startCommand(e.Network, e.Address); start != "" {
		if e.Handler != "" {
			start += " --handler " + e.Handler
		}
		return text + "; start one: " + start
	}
	return text + "; is the server running there, and is the port right?"
}

// startCommand returns what would start a server at an address of this host;
// empty if it is not seen to be one.
func startCommand(network, address string) string {
	host, port, _ := net.SplitHostPort(address)
	addr, err := netip.ParseAddr(host)
	if host != "localhost" && (err != nil || !addr.IsLoopback()) {
		return ""
	}
	command := "wirelab serve " + network
	if usual, _ := config.Lookup("server.port"); port != usual.Default() {
		command += " --port " + port
	}
	if err == nil && host != "127.0.0.1" {
		command += " --bind " + host
	}
	return command
}

// ExplainHost says what to do about a name that has no address.
func ExplainHost(err error) error {
	if IsUnknownHost(err) {
		return fmt.Errorf("%w; is the name right?", err)
	}
	return err
}

// IsUnknownHost reports whether err is about a name that has no address.
func IsUnknownHost(err error) bool {
	var unknown *net.DNSError
	return errors.As(err, &unknown)
}
