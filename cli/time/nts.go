package time

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"wirelab/cli/term"
	"wirelab/clock/measure"
	"wirelab/clock/nts"
)

// ntsFlags are the flags of commands that ask NTP servers with NTS.
type ntsFlags struct {
	on   bool
	port uint16
	ca   string
}

func (f *ntsFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.on, "nts", false, "authenticate NTP (NTS, RFC 8915): exchange keys with each host first")
	cmd.Flags().Uint16Var(&f.port, "nts-port", nts.Port, "`port` of the key exchange")
	cmd.Flags().StringVar(&f.ca, "nts-ca", "", "`file` of certificates in PEM to trust, and no others (default those of the system)")
}

// roots returns nil for those of the system.
func (f *ntsFlags) roots() (*x509.CertPool, error) {
	if f.ca == "" {
		return nil, nil
	}
	text, err := os.ReadFile(f.ca)
	if err != nil {
		return nil, term.Usagef("--nts-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, term.Usagef("--nts-ca %s: there is no certificate in PEM in it", f.ca)
	}
	return pool, nil
}

// establish exchanges keys with a host, and has it asked where and as that says.
func (f *ntsFlags) establish(ctx context.Context, address string, host *measure.Config, anyProtocol bool) error {
	if anyProtocol {
		host.Protocol = measure.NTP
	}
	if host.Protocol != measure.NTP {
		return term.Usagef("--nts is for NTP, not for %s", host.Protocol)
	}
	session, err := f.session(ctx, address)
	if err != nil {
		return err
	}
	host.Host, host.Protection = session.Server(), session
	return nil
}

// session exchanges keys with the host of HOST:PORT.
func (f *ntsFlags) session(ctx context.Context, address string) (*nts.Session, error) {
	roots, err := term.Await(ctx, f.roots)
	if err != nil {
		return nil, err
	}
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	session, err := nts.Establish(ctx, nts.Config{Server: net.JoinHostPort(name, strconv.Itoa(int(f.port))), Roots: roots})
	if err != nil {
		return nil, fmt.Errorf("%w; --nts-ca names the certificates to trust, --nts-port the port", err)
	}
	return session, nil
}
