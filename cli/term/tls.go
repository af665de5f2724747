package term

import (
	"crypto/x509"
	"os"

	"github.com/spf13/cobra"

	"wirelab/load/connect"
)

// TLSFlags are the flags of clients that can speak TLS. Each of them asks for it.
type TLSFlags struct {
	on                    bool
	ca, fingerprint, name string
	insecure              bool
}

// Add gives cmd the flags.
func (f *TLSFlags) Add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.on, "tls", false, "speak TLS")
	flags.StringVar(&f.ca, "tls-ca", "", "trust the authorities in this PEM `file` alone")
	flags.StringVar(&f.fingerprint, "tls-fingerprint", "", "accept exactly the certificate with this `SHA-256`")
	flags.BoolVar(&f.insecure, "tls-insecure", false, "accept any certificate")
	flags.StringVar(&f.name, "tls-name", "", "ask for and verify this server `name` (default the host)")
}

// Config returns what the flags ask for, nil without TLS.
func (f *TLSFlags) Config() (*connect.TLSConfig, error) {
	if !f.on && !f.insecure && f.ca == "" && f.fingerprint == "" && f.name == "" {
		return nil, nil
	}
	c := &connect.TLSConfig{Insecure: f.insecure, ServerName: f.name}
	if f.fingerprint != "" {
		fingerprint, err := connect.ParseFingerprint(f.fingerprint)
		if err != nil {
			return nil, Usagef("--tls-fingerprint: %w", err)
		}
		c.Fingerprint = &fingerprint
	}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, Usagef("--tls-ca: %w", err)
		}
		c.Roots = x509.NewCertPool()
		if !c.Roots.AppendCertsFromPEM(pem) {
			return nil, Usagef("--tls-ca: %s holds no certificate in PEM form", f.ca)
		}
	}
	return c, nil
}
