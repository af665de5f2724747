package connect_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/load/connect"
)

// newCertificate returns a certificate for localhost that signs itself.
func newCertificate(t *testing.T) (tls.Certificate, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, parsed
}

func TestTLS(t *testing.T) {
	certificate, parsed := newCertificate(t)
	address := servePeer(t, func(c *net.TCPConn) {
		secured := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certificate}})
		all, _ := io.ReadAll(secured)
		secured.Write(all)
		secured.Close()
	})
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	right := connect.Fingerprint(sha256.Sum256(parsed.Raw))
	wrong := connect.Fingerprint{1}

	var mismatch *connect.FingerprintError
	var untrusted *tls.CertificateVerificationError
	tests := map[string]struct {
		cfg  connect.TLSConfig
		want any // the type of error; nil for none
	}{
		"insecure":             {connect.TLSConfig{Insecure: true}, nil},
		"pin":                  {connect.TLSConfig{Fingerprint: &right}, nil},
		"authority":            {connect.TLSConfig{Roots: roots, ServerName: "localhost"}, nil},
		"authority and pin":    {connect.TLSConfig{Roots: roots, ServerName: "localhost", Fingerprint: &right}, nil},
		"wrong pin":            {connect.TLSConfig{Fingerprint: &wrong}, &mismatch},
		"insecure, wrong pin":  {connect.TLSConfig{Insecure: true, Fingerprint: &wrong}, &mismatch},
		"authority, wrong pin": {connect.TLSConfig{Roots: roots, ServerName: "localhost", Fingerprint: &wrong}, &mismatch},
		"authority, no name":   {connect.TLSConfig{Roots: roots}, &untrusted},
		"unknown authority":    {connect.TLSConfig{}, &untrusted},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			require.NoLeaks(t)
			var out bytes.Buffer
			_, err := run(t, connect.Config{
				Address: address, TLS: &test.cfg, Input: inputText("secret"), View: connect.RawView(&out),
			})
			switch {
			case test.want == nil && (err != nil || out.String() != "secret"):
				t.Errorf("received %q, %v", &out, err)
			case test.want != nil && !errors.As(err, test.want):
				t.Errorf("error %v, want %T", err, test.want)
			}
		})
	}
	if text := (&connect.FingerprintError{Want: wrong, Got: right}).Error(); !strings.Contains(text, wrong.String()) ||
		!strings.Contains(text, right.String()) {
		t.Errorf("error %q does not name both fingerprints", text)
	}
}

// A server that does not speak TLS at all is an error, not a hang.
func TestTLSToPlainServer(t *testing.T) {
	require.NoLeaks(t)
	tests := map[string]func(*net.TCPConn){
		"answers in plain": func(c *net.TCPConn) { io.WriteString(c, "hello, who is there?") },
		"never answers":    func(c *net.TCPConn) { io.Copy(io.Discard, c) },
	}
	for name, peer := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := run(t, connect.Config{
				Address: servePeer(t, peer), TLS: &connect.TLSConfig{Insecure: true}, Input: inputText(""), DialTimeout: 50 * time.Millisecond,
			})
			var failure *connect.Error
			if !errors.As(err, &failure) || failure.Op != connect.OpTLS {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestParseFingerprint(t *testing.T) {
	plain := strings.Repeat("0a", 32)
	colons := strings.TrimSuffix(strings.Repeat("0A:", 32), ":")
	for _, s := range []string{plain, strings.ToUpper(plain), colons} {
		if f, err := connect.ParseFingerprint(s); err != nil || f.String() != plain {
			t.Errorf("%q: %v, %v", s, f, err)
		}
	}
	for _, s := range []string{"", "0a", plain + "0a", plain[1:], strings.Repeat("zz", 32)} {
		if _, err := connect.ParseFingerprint(s); err == nil {
			t.Errorf("%q: no error", s)
		}
	}
}
