package connect

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// The pause before the first retry, doubled for each further one up to the
// last: short enough for a server that is just starting, long enough not to
// hammer one that is gone.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// dial connects, as often as it may, and shows what came of it.
func (s *session) dial(ctx context.Context) (net.Conn, error) {
	pause := firstPause
	for {
		s.result.Attempts++
		conn, err := s.dialOnce(ctx)
		switch {
		case err == nil:
			return conn, s.connected(conn)
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case s.result.Attempts > s.cfg.Retries || !mayPass(err):
			return nil, err
		}
		s.show(&Event{Kind: EventRetry, Time: time.Now(), Attempt: s.result.Attempts, Wait: pause, Err: err})
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

func (s *session) dialOnce(ctx context.Context) (net.Conn, error) {
	if s.cfg.DialTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.cfg.DialTimeout)
		defer cancel()
	}
	conn, err := s.open(ctx)
	if err != nil {
		return nil, s.dialError(OpConnect, err)
	}
	if s.cfg.TLS == nil {
		return conn, nil
	}
	secured := tls.Client(conn, s.cfg.TLS.client(s.cfg.Address))
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, s.dialError(OpTLS, err)
	}
	return secured, nil
}

func (s *session) open(ctx context.Context) (net.Conn, error) {
	if s.cfg.Network == "udp" && len(s.cfg.Others) > 0 {
		return s.dialInTurn()
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, s.cfg.Network+s.cfg.Family, s.cfg.Address)
}

func (s *session) dialError(op string, err error) error {
	return &Error{Op: op, Network: s.cfg.Network, Address: s.cfg.Address, Attempts: s.result.Attempts, Err: err}
}

// mayPass reports whether a later attempt could do better: a server that is
// not up yet, a host or a route that comes back. A wrong name or certificate does not.
func mayPass(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	for _, errno := range []syscall.Errno{
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

func (s *session) connected(conn net.Conn) error {
	s.result.Local, s.result.Remote = addrPort(conn.LocalAddr()), addrPort(conn.RemoteAddr())
	e := &Event{Kind: EventConnected, Time: time.Now(), Attempt: s.result.Attempts,
		Network: s.cfg.Network, Local: s.result.Local, Remote: s.result.Remote}
	if secured, ok := conn.(*tls.Conn); ok {
		e.TLS = describeTLS(secured.ConnectionState())
	}
	s.show(e)
	return nil
}

func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
