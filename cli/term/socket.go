package term

import (
	"crypto/x509"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"wirelab/internal/setting"
	"wirelab/internal/sys/socket"
	"wirelab/load/connect"
)

// SocketFlags are the flags of commands whose sockets a person may tune.
type SocketFlags struct{ options socket.Options }

// Add gives cmd the flags; without streams, those of datagrams alone.
func (f *SocketFlags) Add(cmd *cobra.Command, streams bool) {
	flags := cmd.Flags()
	flags.Var((*dscpFlag)(&f.options.DSCP), "dscp", "mark what is sent with this `DSCP`: ef, af41, cs1 and such, or 0 to 63")
	flags.IntVar(&f.options.SendBuffer, "send-buffer", 0, "let so many `bytes` wait to be sent (default the kernel's choice)")
	flags.IntVar(&f.options.ReceiveBuffer, "receive-buffer", 0, "let so many `bytes` wait to be read (default the kernel's choice)")
	if streams {
		flags.BoolVar(&f.options.Nagle, "nagle", false, "let small segments wait for acknowledgements (no TCP_NODELAY)")
	}
}

// maxSocketBuffer is the most that the kernel can double.
const maxSocketBuffer = 1 << 30

// Options returns what the flags say.
func (f *SocketFlags) Options() (socket.Options, error) {
	for name, size := range map[string]int{"send-buffer": f.options.SendBuffer, "receive-buffer": f.options.ReceiveBuffer} {
		if size < 0 || size > maxSocketBuffer {
			return socket.Options{}, Usagef("--%s %d is not between 0 and 1GiB", name, size)
		}
	}
	return f.options, nil
}

// A dscpFlag is a differentiated services code point (RFC 2474).
type dscpFlag int

func (f *dscpFlag) Type() string { return "DSCP" }

func (f *dscpFlag) String() string {
	if *f == 0 {
		return ""
	}
	return strconv.Itoa(int(*f))
}

func (f *dscpFlag) Set(s string) error {
	n, err := setting.ParseDSCP(s)
	if err == nil {
		*f = dscpFlag(n)
	}
	return err
}

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
