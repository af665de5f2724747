package connect

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
)

// TLSConfig says which server certificate to accept. The zero value accepts
// what the system's roots vouch for.
type TLSConfig struct {
	Roots       *x509.CertPool // nil: the system's
	Fingerprint *Fingerprint   // if set, exactly this certificate; without Roots, no authority is asked
	Insecure    bool           // any certificate that Fingerprint, if set, allows
	ServerName  string         // to ask for and to verify; "": the host of the address
}

// Client returns the configuration for a connection to address, a host and a port.
func (c *TLSConfig) Client(address string) *tls.Config {
	name := c.ServerName
	if name == "" {
		name, _, _ = net.SplitHostPort(address) // dialled already, so it does split
	}
	pinned := c.Fingerprint != nil
	config := &tls.Config{
		ServerName:         name,
		RootCAs:            c.Roots,
		InsecureSkipVerify: c.Insecure || pinned && c.Roots == nil,
	}
	if pinned {
		config.VerifyConnection = func(state tls.ConnectionState) error { return c.Fingerprint.verify(state) }
	}
	return config
}

// Fingerprint is the SHA-256 hash of a certificate in DER form.
type Fingerprint [sha256.Size]byte

// String returns 64 lower-case hexadecimal digits.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// ParseFingerprint reads the 64 hexadecimal digits of a fingerprint, upper or
// lower case, with or without colons between the bytes (as openssl prints them).
func ParseFingerprint(s string) (Fingerprint, error) {
	var f Fingerprint
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(s), ":", ""))
	if err != nil || len(b) != len(f) {
		return f, fmt.Errorf("%q is not a SHA-256 fingerprint: it has 64 hexadecimal digits, colons allowed", s)
	}
	return Fingerprint(b), nil
}

// FingerprintError reports a server whose certificate is not the one expected.
type FingerprintError struct{ Want, Got Fingerprint }

func (e *FingerprintError) Error() string {
	return fmt.Sprintf("the server's certificate has fingerprint %s, expected %s", e.Got, e.Want)
}

func (f *Fingerprint) verify(state tls.ConnectionState) error {
	if got := Fingerprint(sha256.Sum256(state.PeerCertificates[0].Raw)); got != *f {
		return &FingerprintError{Want: *f, Got: got}
	}
	return nil
}

// UntrustedFingerprint returns the fingerprint of the certificate that err
// says no authority vouches for.
func UntrustedFingerprint(err error) (f Fingerprint, ok bool) {
	var untrusted *tls.CertificateVerificationError
	if !errors.As(err, &untrusted) || len(untrusted.UnverifiedCertificates) == 0 {
		return f, false
	}
	return sha256.Sum256(untrusted.UnverifiedCertificates[0].Raw), true
}

// TLSState describes an established TLS connection.
type TLSState struct {
	Version     string `json:"version"` // "TLS 1.3"
	Cipher      string `json:"cipher"`
	Fingerprint string `json:"fingerprint"` // of the server's certificate
}

func describeTLS(state tls.ConnectionState) *TLSState {
	return &TLSState{
		Version:     tls.VersionName(state.Version),
		Cipher:      tls.CipherSuiteName(state.CipherSuite),
		Fingerprint: Fingerprint(sha256.Sum256(state.PeerCertificates[0].Raw)).String(),
	}
}
