package talk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"wirelab/cli/term"
	"wirelab/load/connect"
)

// explainConnect says in one line what went wrong with a peer and what to do.
func explainConnect(err error, network, address string) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case isUnix(network):
		return explainUnix(err, network, address)
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w; --source takes an address of this host (see: ip address) and a free port", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return term.RefusedError{Err: err, Network: network, Address: address, Attempts: attempts(err)}
	case term.IsUnknownHost(err):
		return term.ExplainHost(err)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return fmt.Errorf("%w; is the address right, and does no firewall drop it? --timeout waits longer", err)
	}
	return explainTLS(err)
}

// explainUnix says what is wrong with a path.
func explainUnix(err error, network, path string) error {
	start := "wirelab listen unix " + path
	if network == "unixgram" {
		start += " --datagram"
	}
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w; nobody listens there: start one with %s", err, start)
	case errors.Is(err, syscall.EPROTOTYPE):
		return fmt.Errorf("%w; the other kind of socket listens there: streams or --datagram", err)
	case errors.Is(err, syscall.EINVAL):
		return fmt.Errorf("%w; a path of a socket has at most 107 bytes", err)
	}
	return err
}

func explainTLS(err error) error {
	if fingerprint, ok := connect.UntrustedFingerprint(err); ok {
		return fmt.Errorf("%w; if the server has printed the same, give --tls-fingerprint %s", err, fingerprint)
	}
	var mismatch *connect.FingerprintError
	var failed *connect.Error
	if errors.As(err, &failed) && failed.Op == connect.OpTLS && !errors.As(err, &mismatch) {
		return fmt.Errorf("%w; does the server speak TLS?", err)
	}
	return err
}

// attempts returns how often a connection was tried; 0: it is not known.
func attempts(err error) int {
	var failed *connect.Error
	if !errors.As(err, &failed) {
		return 0
	}
	return failed.Attempts
}
