package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"wirelab/cli/config"
	"wirelab/load"
)

// explainConnect says in one line what went wrong with a peer and what to do.
func explainConnect(err error, network, address string) error {
	var unknown *net.DNSError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, syscall.ECONNREFUSED):
		return refusedError{err, network, address}
	case errors.As(err, &unknown):
		return fmt.Errorf("%w; is the name right?", err)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return fmt.Errorf("%w; is the address right, and does no firewall drop it? --timeout waits longer", err)
	}
	return explainTLS(err)
}

func explainTLS(err error) error {
	if fingerprint, ok := load.UntrustedFingerprint(err); ok {
		return fmt.Errorf("%w; if the server has printed the same, give --tls-fingerprint %s", err, fingerprint)
	}
	var mismatch *load.FingerprintError
	var failed *load.ConnectError
	if errors.As(err, &failed) && failed.Op == load.OpTLS && !errors.As(err, &mismatch) {
		return fmt.Errorf("%w; does the server speak TLS?", err)
	}
	return err
}

// refusedError is a refused connection with what to do about it.
type refusedError struct {
	err              error
	network, address string
}

func (e refusedError) Unwrap() error { return e.err }

func (e refusedError) Error() string {
	text := "nothing listens at " + e.address
	var failed *load.ConnectError
	if errors.As(e.err, &failed) && failed.Attempts > 1 {
		text += fmt.Sprintf(" (tried %d times)", failed.Attempts)
	}
	if start := startCommand(e.network, e.address); start != "" {
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
