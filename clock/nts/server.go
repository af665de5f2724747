package nts

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/facebook/time/ntp/protocol/nts/aessiv"

	"wirelab/clock/ntp"
)

// keyLife is for how long a server makes cookies with one key. It reads them for
// twice as long.
const keyLife = 24 * time.Hour

// ErrCookie reports a cookie that this server did not make, or too long ago.
var ErrCookie = errors.New("NTS cookie not known here")

// A Server answers key exchanges, and authenticates NTP packets. It keeps nothing of its
// clients: their keys are in their cookies. All methods may be called from any goroutine.
type Server struct {
	mu        sync.Mutex
	id        uint32
	made      time.Time
	now, then *aessiv.AESSIV // keys of cookies, the current one and the one before
}

// NewServer returns a server with new keys: cookies of another are not known to it.
func NewServer() (*Server, error) {
	key, err := aessiv.NewAESSIV(random(keyLen))
	if err != nil {
		return nil, err
	}
	return &Server{id: binary.BigEndian.Uint32(random(4)), made: time.Now(), now: key}, nil
}

// key returns the key with that ID, or the current one for 0, and its ID.
func (s *Server) key(id uint32, current bool) (*aessiv.AESSIV, uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.made) > keyLife {
		if key, err := aessiv.NewAESSIV(random(keyLen)); err == nil {
			s.then, s.now, s.id, s.made = s.now, key, s.id+1, time.Now()
		}
	}
	switch {
	case current || id == s.id:
		return s.now, s.id
	case id == s.id-1:
		return s.then, id
	}
	return nil, id
}

// cookie makes a cookie of a client's keys: the ID of the server's key, a nonce, and the
// client's keys sealed.
func (s *Server) cookie(keys []byte) ([]byte, error) {
	key, id := s.key(0, true)
	nonce := random(nonceLen)
	b := append(binary.BigEndian.AppendUint32(nil, id), nonce...)
	return key.Seal(b, keys, nonce)
}

// cookieLen is the length of cookies.
const cookieLen = 4 + nonceLen + aessiv.BlockSize + 2*keyLen

// open returns the client's keys.
func (s *Server) open(cookie []byte) ([]byte, error) {
	if len(cookie) != cookieLen {
		return nil, ErrCookie
	}
	key, _ := s.key(binary.BigEndian.Uint32(cookie), false)
	if key == nil {
		return nil, ErrCookie
	}
	keys, err := key.Open(nil, cookie[4+nonceLen:], cookie[4:4+nonceLen])
	if err != nil || len(keys) != 2*keyLen {
		return nil, ErrCookie
	}
	return keys, nil
}

// A Request is an authentic request, whose answer is to be sealed.
type Request struct {
	uniqueID []byte
	keys     []byte // client to server, server to client
	cookies  int    // that the client wants
}

// Open checks a request. The error is ErrCookie, for which the client needs a new key
// exchange, or ErrNotAuthentic and others, for which it gets no answer.
func (s *Server) Open(packet []byte) (*Request, error) {
	f, err := parseFields(packet)
	if err != nil {
		return nil, err
	}
	if len(f.uniqueID) < uniqueIDLen || f.cookie == nil {
		return nil, fmt.Errorf("%w: it has no unique identifier or no cookie", ErrNotAuthentic)
	}
	keys, err := s.open(f.cookie)
	if err != nil {
		return nil, err
	}
	key, err := aessiv.NewAESSIV(keys[:keyLen])
	if err != nil {
		return nil, err
	}
	if _, err := f.open(key); err != nil {
		return nil, err
	}
	return &Request{uniqueID: f.uniqueID, keys: keys, cookies: min(1+f.placeholders, maxCookies)}, nil
}

// Seal completes the answer whose header is given: the unique identifier, and new
// cookies in the authenticator, no more than make it as long as the request.
func (s *Server) Seal(header []byte, r *Request) ([]byte, error) {
	packet := ntp.AppendExtension(header, fieldUniqueID, r.uniqueID)
	var cookies []byte
	for range r.cookies {
		cookie, err := s.cookie(r.keys)
		if err != nil {
			return nil, err
		}
		cookies = ntp.AppendExtension(cookies, fieldCookie, cookie)
	}
	key, err := aessiv.NewAESSIV(r.keys[keyLen:])
	if err != nil {
		return nil, err
	}
	return appendAuthenticator(packet, cookies, key)
}

// AppendNAK completes a kiss-o'-death NTSN (RFC 8915, section 5.7), which is not
// authenticated: only who has seen the request can make it.
func AppendNAK(header, request []byte) []byte {
	if f, err := parseFields(request); err == nil && f.uniqueID != nil {
		return ntp.AppendExtension(header, fieldUniqueID, f.uniqueID)
	}
	return header
}

// Exchange answers a key exchange on conn, whose deadline the caller has set, for an
// NTP server on the given port of the same host.
func (s *Server) Exchange(conn *tls.Conn, port uint16) error {
	if err := conn.Handshake(); err != nil {
		return fmt.Errorf("%w: %w", ErrExchange, err)
	}
	state := conn.ConnectionState()
	if state.NegotiatedProtocol != alpn {
		return fmt.Errorf("%w: the client speaks %q, not %s", ErrExchange, state.NegotiatedProtocol, alpn)
	}
	message, err := readMessage(conn)
	if err != nil {
		return err
	}
	if code, ok := refusal(message); !ok {
		_, err := conn.Write(appendRecord(appendNumbers(nil, critical|recordError, code), critical|recordEnd, nil))
		return errors.Join(fmt.Errorf("%w: error %d was answered", ErrExchange, code), err)
	}
	answer, err := s.answer(&state, port)
	if err != nil {
		return err
	}
	if _, err := conn.Write(answer); err != nil {
		return err
	}
	return conn.CloseWrite()
}

// refusal reports whether a client's message can be answered, and if not the error's code.
func refusal(message []record) (code uint16, ok bool) {
	protocol, algorithm := false, false
	for i := range message {
		switch r := &message[i]; r.kind {
		case recordNextProtocol:
			protocol = slices.Contains(r.numbers(), protocolNTPv4)
		case recordAlgorithm:
			algorithm = slices.Contains(r.numbers(), algorithmSIV)
		case recordServer, recordPort, recordCookie:
		default:
			if r.critical {
				return errorUnknown, false
			}
		}
	}
	return errorBadRequest, protocol && algorithm
}

func (s *Server) answer(state *tls.ConnectionState, port uint16) ([]byte, error) {
	c2s, s2c, err := exportKeys(state)
	if err != nil {
		return nil, err
	}
	b := appendNumbers(nil, critical|recordNextProtocol, protocolNTPv4)
	b = appendNumbers(b, critical|recordAlgorithm, algorithmSIV)
	b = appendNumbers(b, recordPort, port)
	for range maxCookies {
		cookie, err := s.cookie(append(c2s[:keyLen:keyLen], s2c...))
		if err != nil {
			return nil, err
		}
		b = appendRecord(b, recordCookie, cookie)
	}
	return appendRecord(b, critical|recordEnd, nil), nil
}

// exportKeys derives both keys from the TLS session (RFC 8915, section 5.1).
func exportKeys(state *tls.ConnectionState) (c2s, s2c []byte, err error) {
	for direction, key := range map[byte]*[]byte{clientToServer: &c2s, serverToClient: &s2c} {
		context := []byte{0, protocolNTPv4, 0, algorithmSIV, direction}
		if *key, err = state.ExportKeyingMaterial(exporterLabel, context, keyLen); err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrExchange, err)
		}
	}
	return c2s, s2c, nil
}

// ServerTLS returns what a server's TLS configuration must be for the key exchange.
func ServerTLS(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	cfg.MinVersion, cfg.NextProtos = tls.VersionTLS13, []string{alpn}
	return cfg
}
