package tcp_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/internal/sys"
	"wirelab/server"
	"wirelab/server/tcp"
)

func generateTLS(t *testing.T) *tls.Config {
	t.Helper()
	cfg, err := server.GenerateTLS("lab.example")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func withTLS(cfg *tls.Config) func(*tcp.Config) {
	return func(c *tcp.Config) { c.TLS = cfg }
}

// trusting returns a client's configuration that knows only the server's certificate.
func trusting(t *testing.T, cfg *tls.Config, name string) *tls.Config {
	t.Helper()
	cert, err := x509.ParseCertificate(cfg.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{RootCAs: roots, ServerName: name}
}

func TestTLSEcho(t *testing.T) {
	require.NoLeaks(t)
	cfg := generateTLS(t)
	s := serve(t, "goroutine", "echo", withTLS(cfg))
	for _, name := range []string{"localhost", "127.0.0.1", "lab.example"} {
		c := tls.Client(s.dial(), trusting(t, cfg, name))
		if _, err := io.WriteString(c, "secret"); err != nil {
			t.Fatal(err)
		}
		c.CloseWrite()
		if got := readAll(t, c); got != "secret" {
			t.Errorf("%s: %q came back", name, got)
		}
	}
	s.eventually("all ended well", func(st tcp.Status) bool { return st.Closed["peer_closed"] == 3 && st.TLS })
}

func TestTLSLargeAnswers(t *testing.T) {
	require.NoLeaks(t)
	cfg := generateTLS(t)
	s := serve(t, "goroutine", "echo", withTLS(cfg))
	c := tls.Client(s.dial(), trusting(t, cfg, "localhost"))
	want := strings.Repeat("0123456789", 200_000)
	go func() {
		io.WriteString(c, want)
		c.CloseWrite()
	}()
	if got := readAll(t, c); got != want {
		t.Fatalf("%d bytes came back, want %d", len(got), len(want))
	}
}

func TestTLSHandshakeFails(t *testing.T) {
	require.NoLeaks(t)
	s := serve(t, "goroutine", "echo", withTLS(generateTLS(t)))
	c := s.dial()
	io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
	io.Copy(io.Discard, c)
	s.eventually("counted", func(st tcp.Status) bool { return st.Closed["tls_handshake"] == 1 })
}

func TestTLSDrains(t *testing.T) {
	require.NoLeaks(t)
	cfg := generateTLS(t)
	s := serve(t, "goroutine", "echo", withTLS(cfg))
	c := tls.Client(s.dial(), trusting(t, cfg, "localhost"))
	io.WriteString(c, "last words")
	s.eventually("answered", func(st tcp.Status) bool { return st.Traffic.MessagesOut == 1 })
	go s.stop()
	if got := readAll(t, c); got != "last words" {
		t.Fatalf("%q came back", got)
	}
	c.Close()
}

func TestEngineWithoutTLSSaysSo(t *testing.T) {
	for _, kind := range tcp.Engines() {
		_, err := tcp.Listen(tcp.Config{Engine: kind.Name, Handler: newHandler(t, "echo", nil), TLS: generateTLS(t), MaxConns: -1})
		if !kind.TLS && !errors.Is(err, sys.ErrUnsupported) {
			t.Errorf("%s: %v, want unsupported", kind.Name, err)
		}
	}
}

func TestFingerprintIsThatOfTheCertificate(t *testing.T) {
	cfg := generateTLS(t)
	sum := sha256.Sum256(cfg.Certificates[0].Certificate[0])
	if got := server.Fingerprint(cfg); got != hex.EncodeToString(sum[:]) {
		t.Fatal(got)
	}
	leaf, _ := x509.ParseCertificate(cfg.Certificates[0].Certificate[0])
	if now := time.Now(); now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		t.Fatalf("valid from %v to %v", leaf.NotBefore, leaf.NotAfter)
	}
}

func TestLoadTLSFromOpenSSL(t *testing.T) {
	require.NoLeaks(t)
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	out, err := exec.Command(require.Program(t, "openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=lab",
		"-addext", "subjectAltName=DNS:lab", "-keyout", keyFile, "-out", certFile).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cfg, err := server.LoadTLS(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, "goroutine", "daytime", withTLS(cfg))
	if got := readAll(t, tls.Client(s.dial(), trusting(t, cfg, "lab"))); !strings.HasSuffix(got, "\r\n") {
		t.Errorf("%q", got)
	}
	if _, err := server.LoadTLS(certFile, certFile); err == nil {
		t.Error("a certificate was taken for a key")
	}
}
