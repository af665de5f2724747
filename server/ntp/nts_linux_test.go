package ntp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"wirelab/clock/ntp"
	"wirelab/clock/nts"
	"wirelab/internal/require"
	"wirelab/server"
	"wirelab/server/udp"
)

// serveNTS runs a server with a key exchange, and returns the configuration of a client that trusts it.
func serveNTS(t *testing.T) (keys *nts.Server, s *udp.Server, client nts.Config) {
	t.Helper()
	keys, err := nts.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	s = serve(t, Config{NTS: keys}, local(1))
	cfg, err := server.GenerateTLS()
	if err != nil {
		t.Fatal(err)
	}
	k, err := ListenKeyExchange(KeyExchangeConfig{
		Addr: netip.MustParseAddrPort("127.0.0.1:0"), TLS: cfg, Keys: keys, Port: s.Addr().Port(), Log: slog.New(slog.DiscardHandler),
	})
	require.Supported(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return keys, s, nts.Config{Server: k.Addr().String(), Roots: roots(t, cfg)}
}

func roots(t *testing.T, cfg *tls.Config) *x509.CertPool {
	t.Helper()
	cert, err := x509.ParseCertificate(cfg.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

func TestNTS(t *testing.T) {
	_, s, cfg := serveNTS(t)
	session, err := nts.Establish(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if session.Server() != s.Addr() {
		t.Fatalf("the server is %v, not %v", session.Server(), s.Addr())
	}
	c := dial(t, ntp.Config{Server: session.Server(), Protection: session})
	for n := range 20 { // more than there were cookies
		answer, err := c.Query(context.Background())
		if err != nil || answer.Refused > 0 || answer.Exchange.Offset().Abs() > answer.Exchange.Bound() || answer.Interleaved != (n > 0) {
			t.Fatalf("%+v, %v", answer, err)
		}
	}
	if st := s.Status(); st.Events[EventNTS] != 20 || st.Traffic.BytesOut > st.Traffic.BytesIn {
		t.Errorf("%+v", st)
	}
}

// tampering changes requests or answers on their way.
type tampering struct {
	*nts.Session
	request, answer func(packet []byte)
	renewed         int
}

func (p *tampering) Protect(b []byte) ([]byte, error) {
	b, err := p.Session.Protect(b)
	if err == nil && p.request != nil {
		p.request(b)
	}
	return b, err
}

func (p *tampering) Verify(b []byte) error {
	if p.answer != nil {
		p.answer(b)
	}
	return p.Session.Verify(b)
}

func (p *tampering) Renew(ctx context.Context) error {
	p.renewed++
	p.request = nil
	return p.Session.Renew(ctx)
}

func TestNTSRefusesWhatIsNotAuthentic(t *testing.T) {
	_, s, cfg := serveNTS(t)
	for name, tc := range map[string]tampering{
		"answer's header":   {answer: func(b []byte) { b[16] ^= 1 }},
		"answer's end":      {answer: func(b []byte) { b[len(b)-1] ^= 1 }},
		"unique identifier": {answer: func(b []byte) { b[53] ^= 1 }},
		"request's header":  {request: func(b []byte) { b[3] ^= 1 }},
		"request's proof":   {request: func(b []byte) { b[len(b)-1] ^= 1 }},
	} {
		session, err := nts.Establish(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		tc.Session = session
		c, err := ntp.Dial(ntp.Config{Server: s.Addr(), Protection: &tc, Timeout: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Query(context.Background()); err == nil || tc.answer != nil && !errors.Is(err, nts.ErrNotAuthentic) {
			t.Errorf("%s: %v", name, err)
		}
		c.Close()
	}
}

// A cookie that the server does not know is answered with a kiss, and keys are exchanged anew.
func TestNTSRenewsKeys(t *testing.T) {
	_, s, cfg := serveNTS(t)
	session, err := nts.Establish(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	const cookieAt = ntp.PacketLen + 36 + 4
	p := &tampering{Session: session, request: func(b []byte) { b[cookieAt] ^= 1 }}
	c := dial(t, ntp.Config{Server: s.Addr(), Protection: p})
	if _, err := c.Query(context.Background()); !errors.Is(err, ntp.ErrRenewed) || p.renewed != 1 {
		t.Errorf("%v, renewed %d times", err, p.renewed)
	}
	if _, err := c.Query(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestNTSTrustsOnlyWhomItShould(t *testing.T) {
	_, _, cfg := serveNTS(t)
	other, err := server.GenerateTLS()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Roots = roots(t, other)
	began := time.Now()
	var certificate *tls.CertificateVerificationError
	if _, err := nts.Establish(context.Background(), cfg); !errors.As(err, &certificate) || time.Since(began) > patience {
		t.Errorf("%v", err)
	}
}

// A refused key exchange is tried again.
func TestNTSTriesAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	calls := make(chan struct{}, 10)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
			calls <- struct{}{}
		}
	}()
	if _, err := nts.Establish(context.Background(), nts.Config{Server: l.Addr().String()}); !errors.Is(err, nts.ErrExchange) || len(calls) != 3 {
		t.Errorf("%v after %d attempts", err, len(calls))
	}
}
