package nts

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/facebook/time/ntp/protocol/nts/aessiv"

	"wirelab/clock/ntp"
)

// Port is the port of key exchanges (RFC 8915, section 7.1).
const Port = 4460

// ErrNoCookies reports that all cookies are used up: their answers were lost.
var ErrNoCookies = errors.New("no NTS cookie is left")

// Config says how to exchange keys.
type Config struct {
	Server  string         // HOST:PORT of the key exchange
	Roots   *x509.CertPool // who signs its certificate; nil: whom the system trusts
	Timeout time.Duration  // of one exchange; 0: 5 s
}

// attempts is how often an exchange is tried: a server may just be starting.
const attempts = 3

// A Session is a client's keys and cookies. It is used by one goroutine, as the
// ntp.Protection of one ntp.Client.
type Session struct {
	cfg      Config
	server   netip.AddrPort
	c2s, s2c *aessiv.AESSIV
	cookies  [][]byte
	uniqueID []byte // of the last request
}

// Establish exchanges keys. A failure is tried again with a growing pause. The error says
// when a certificate's dates do not fit this host's clock.
func Establish(ctx context.Context, cfg Config) (*Session, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	s := &Session{cfg: cfg}
	return s, s.Renew(ctx)
}

// Server returns where the NTP server is, as the key exchange has said.
func (s *Session) Server() netip.AddrPort { return s.server }

// Renew exchanges keys anew.
func (s *Session) Renew(ctx context.Context) error {
	pause := 500 * time.Millisecond
	for n := 1; ; n++ {
		err := s.exchange(ctx)
		var certificate *tls.CertificateVerificationError
		if err == nil || n == attempts || ctx.Err() != nil || errors.As(err, &certificate) {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		pause *= 2
	}
}

func (s *Session) exchange(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	host, _, err := net.SplitHostPort(s.cfg.Server)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrExchange, err)
	}
	dialer := tls.Dialer{Config: &tls.Config{
		ServerName: host, RootCAs: s.cfg.Roots, MinVersion: tls.VersionTLS13, NextProtos: []string{alpn},
	}}
	raw, err := dialer.DialContext(ctx, "tcp", s.cfg.Server)
	if err != nil {
		return explainCertificate(s.cfg.Server, err)
	}
	conn := raw.(*tls.Conn)
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	state := conn.ConnectionState()
	if state.NegotiatedProtocol != alpn {
		return fmt.Errorf("%w: %s does not speak %s", ErrExchange, s.cfg.Server, alpn)
	}
	request := appendNumbers(nil, critical|recordNextProtocol, protocolNTPv4)
	request = appendNumbers(request, critical|recordAlgorithm, algorithmSIV)
	if _, err := conn.Write(appendRecord(request, critical|recordEnd, nil)); err != nil {
		return fmt.Errorf("%w: %w", ErrExchange, err)
	}
	message, err := readMessage(conn)
	if err != nil {
		return err
	}
	return s.take(ctx, message, &state, conn.RemoteAddr())
}

// explainCertificate says so if the certificate may be good and this host's clock wrong.
func explainCertificate(server string, err error) error {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil {
		return fmt.Errorf("%w: the certificate of %s is valid from %s to %s, and this host's clock says %s: if that is wrong, set it by other means first: %w",
			ErrExchange, server, invalid.Cert.NotBefore.UTC().Format(time.DateTime), invalid.Cert.NotAfter.UTC().Format(time.DateTime),
			time.Now().UTC().Format(time.DateTime), err)
	}
	return fmt.Errorf("%w: %w", ErrExchange, err)
}

// take takes over what the server has answered.
func (s *Session) take(ctx context.Context, message []record, state *tls.ConnectionState, remote net.Addr) error {
	protocol, algorithm := false, false
	host, port := "", uint16(ntp.Port)
	var cookies [][]byte
	for i := range message {
		r := &message[i]
		numbers := r.numbers()
		switch r.kind {
		case recordNextProtocol:
			protocol = len(numbers) == 1 && numbers[0] == protocolNTPv4
		case recordAlgorithm:
			algorithm = len(numbers) == 1 && numbers[0] == algorithmSIV
		case recordError:
			return fmt.Errorf("%w: the server answers with error %v", ErrExchange, numbers)
		case recordCookie:
			if len(cookies) < maxCookies && len(r.body) > 0 && len(r.body) <= maxCookie {
				cookies = append(cookies, r.body)
			}
		case recordServer:
			host = string(r.body)
		case recordPort:
			if len(numbers) == 1 {
				port = numbers[0]
			}
		default:
			if r.critical {
				return fmt.Errorf("%w: the server sends a critical record of unknown type %d", ErrExchange, r.kind)
			}
		}
	}
	if !protocol || !algorithm || len(cookies) == 0 {
		return fmt.Errorf("%w: the server agrees on no protocol, no algorithm or gives no cookie", ErrExchange)
	}
	server, err := s.resolve(ctx, host, port, remote)
	if err != nil {
		return err
	}
	c2s, s2c, err := exportKeys(state)
	if err != nil {
		return err
	}
	s.server, s.cookies = server, cookies
	if s.c2s, err = aessiv.NewAESSIV(c2s); err == nil {
		s.s2c, err = aessiv.NewAESSIV(s2c)
	}
	return err
}

// maxCookie bounds a cookie, so that requests are not fragmented.
const maxCookie = 512

// resolve returns where the NTP server is: on the same host, unless the server names another.
func (s *Session) resolve(ctx context.Context, host string, port uint16, remote net.Addr) (netip.AddrPort, error) {
	if host == "" {
		peer, err := netip.ParseAddrPort(remote.String())
		return netip.AddrPortFrom(peer.Addr(), port), err
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(addrs) == 0 {
		return netip.AddrPort{}, fmt.Errorf("%w: the NTP server is %s, port %s: %w", ErrExchange, strconv.Quote(host), strconv.Itoa(int(port)), err)
	}
	return netip.AddrPortFrom(addrs[0].Unmap(), port), nil
}

// Protect implements ntp.Protection. It spends a cookie, and asks for as many as are missing.
func (s *Session) Protect(packet []byte) ([]byte, error) {
	if len(s.cookies) == 0 {
		return nil, ErrNoCookies
	}
	cookie := s.cookies[0]
	s.cookies = s.cookies[1:]
	s.uniqueID = random(uniqueIDLen)
	packet = ntp.AppendExtension(packet, fieldUniqueID, s.uniqueID)
	packet = ntp.AppendExtension(packet, fieldCookie, cookie)
	for range maxCookies - 1 - len(s.cookies) {
		packet = ntp.AppendExtension(packet, fieldPlaceholder, make([]byte, len(cookie)))
	}
	return appendAuthenticator(packet, nil, s.c2s)
}

// Verify implements ntp.Protection. It takes the cookies of an authentic answer. A kiss-o'-death
// NTSN cannot be authentic; it is believed if it repeats the unique identifier.
func (s *Session) Verify(packet []byte) error {
	f, err := parseFields(packet)
	if err != nil {
		return err
	}
	if s.uniqueID == nil || !bytes.Equal(f.uniqueID, s.uniqueID) {
		return fmt.Errorf("%w: the unique identifier is of another request", ErrNotAuthentic)
	}
	if header, _, err := ntp.Parse(packet); err == nil && header.Kiss() == NAK {
		return nil
	}
	plain, err := f.open(s.s2c)
	if err != nil {
		return err
	}
	s.uniqueID = nil
	for range maxFields {
		if len(plain) < 4 || len(s.cookies) >= maxCookies {
			break
		}
		length := int(binary.BigEndian.Uint16(plain[2:]))
		if length < 4 || length > len(plain) {
			break
		}
		if binary.BigEndian.Uint16(plain) == fieldCookie && length-4 <= maxCookie {
			s.cookies = append(s.cookies, bytes.Clone(plain[4:length]))
		}
		plain = plain[length:]
	}
	return nil
}

// NAK is the kiss code of a server that does not accept a cookie.
const NAK = "NTSN"
