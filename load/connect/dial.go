package connect

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"wirelab/internal/inturn"
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
	secured := tls.Client(conn, s.cfg.TLS.Client(s.cfg.Address))
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, s.dialError(OpTLS, err)
	}
	return secured, nil
}

func (s *session) open(ctx context.Context) (net.Conn, error) {
	dialer := s.cfg.dialer()
	if peer, err := netip.ParseAddrPort(s.cfg.Address); err == nil && s.cfg.Network == "udp" && s.cfg.Message != nil && len(s.cfg.Others) == 0 {
		if conn, err := dialStamped(s.cfg, peer); !cannotStamp(err) {
			return conn, err
		}
	}
	if s.cfg.Network == "udp" && len(s.cfg.Others) > 0 {
		first, err := netip.ParseAddrPort(s.cfg.Address)
		if err != nil {
			return nil, err
		}
		all := append([]netip.AddrPort{first}, s.cfg.Others...)
		return inturn.Dial(dialer, all, func(c net.Conn) { _ = s.connected(c) })
	}
	conn, err := dialer.DialContext(ctx, s.cfg.Network+s.cfg.Family, s.cfg.Address)
	s.cfg.tune(conn)
	return conn, err
}

// dialer makes connections from where and as the configuration says.
func (c *Config) dialer() net.Dialer {
	options := c.Socket
	options.ReuseAddress = c.Source.Port() != 0
	d := net.Dialer{Control: options.Control}
	switch {
	case c.Network == "unixgram": // without a name of its own it could not be answered
		d.LocalAddr = &net.UnixAddr{Net: c.Network, Name: "@wirelab-" + rand.Text()}
	case c.Source == netip.AddrPort{}:
	case c.Network == "udp":
		d.LocalAddr = net.UDPAddrFromAddrPort(c.Source)
	default:
		d.LocalAddr = net.TCPAddrFromAddrPort(c.Source)
	}
	return d
}

// tune does to a connection what no dialer and no listener can.
func (c *Config) tune(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok && c.Socket.Nagle {
		_ = tcp.SetNoDelay(false) // fails only when it is closed already
	}
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
	s.result.Local, s.result.Remote = endpoint(conn.LocalAddr()), endpoint(conn.RemoteAddr())
	e := &Event{Kind: EventConnected, Time: time.Now(), Attempt: s.result.Attempts,
		Network: s.cfg.Network, Local: s.result.Local, Remote: s.result.Remote}
	if secured, ok := conn.(*tls.Conn); ok {
		e.TLS = describeTLS(secured.ConnectionState())
	}
	s.show(e)
	return nil
}

// Unnamed is the end of a Unix socket that is bound to no path.
const Unnamed = "unnamed"

// endpoint returns an address as text, IPv4 unmapped.
func endpoint(a net.Addr) string {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	case *net.UnixAddr:
		if a == nil || a.Name == "" || a.Name == "@" {
			return Unnamed
		}
		return a.Name
	default:
		return a.String()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()).String()
}
