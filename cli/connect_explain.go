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
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, syscall.ECONNREFUSED):
		return refusedError{err: err, network: network, address: address}
	case isUnknownHost(err):
		return explainHost(err)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return fmt.Errorf("%w; is the address right, and does no firewall drop it? --timeout waits longer", err)
	}
	return explainTLS(err)
}

// explainHost says what to do about a name that has no address.
func explainHost(err error) error {
	if isUnknownHost(err) {
		return fmt.Errorf("%w; is the name right?", err)
	}
	return err
}

func isUnknownHost(err error) bool {
	var unknown *net.DNSError
	return errors.As(err, &unknown)
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
	handler          string // of the server that is missing; empty: the usual one
}

func (e refusedError) Unwrap() error { return e.err }

func (e refusedError) Error() string {
	text := "nothing listens at " + e.address
	var failed *load.ConnectError
	if errors.As(e.err, &failed) && failed.Attempts > 1 {
		text += fmt.Sprintf(" (tried %d times)", failed.Attempts)
	}
	if start := startCommand(e.network, e.address); start != "" {
		if e.handler != "" {
			start += " --handler " + e.handler
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
