package ntp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"wirelab/internal/human"

	"wirelab/clock"
	"wirelab/clock/probe"
)

// MaxTimeout is the longest that an answer is waited for: older ones say little
// about the time.
const MaxTimeout = 4 * time.Second

// PublicInterval is the least time between two requests to an address that is neither
// private nor local: others pay for the answers.
const PublicInterval = 2 * time.Second

// A KissError is a server's kiss-o'-death (RFC 5905, section 7.4): it answers, but gives no time.
type KissError struct {
	Server netip.AddrPort
	Code   string // "RATE": too often; "DENY", "RSTR": never again
	// Wait is how long the client sends nothing now. It doubles with each kiss.
	Wait time.Duration
}

func (e *KissError) Error() string {
	if e.Final() {
		return fmt.Sprintf("%s refuses to serve this host (kiss-o'-death %s); it is not asked again", e.Server, e.Code)
	}
	return fmt.Sprintf("%s asks for fewer requests (kiss-o'-death %s); the next goes out in %v", e.Server, e.Code, e.Wait)
}

// Final reports whether the server must not be asked again.
func (e *KissError) Final() bool { return e.Code == "DENY" || e.Code == "RSTR" }

// A RefusedError says what else came while no answer did: datagrams that were not the answer.
type RefusedError struct {
	Count int
	Err   error // why the last was refused
	Wait  error // how the wait ended
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%v; %s, the last because %v", e.Wait, human.Counted(uint64(e.Count), "refused datagram"), e.Err)
}

// Unwrap returns both causes.
func (e *RefusedError) Unwrap() []error { return []error{e.Wait, e.Err} }

// Protection authenticates requests and answers, as NTS does. It is used by one
// goroutine. Packets are whole, header included.
type Protection interface {
	// Protect appends what proves the request to packet. An error calls for Renew.
	Protect(packet []byte) ([]byte, error)
	// Verify reports why an answer to the last request is not believed.
	Verify(packet []byte) error
	// Renew gets new keys, as the server does not accept those there are.
	Renew(ctx context.Context) error
}

// ErrRenewed reports that the server did not know the keys of a request, and that there are
// new ones now.
var ErrRenewed = errors.New("the server did not accept the NTS cookie; keys were exchanged anew")

// kissNTS is the kiss code of a server that does not accept a cookie (RFC 8915, section 5.7).
const kissNTS = "NTSN"

// Config says how to ask a server. Zero values are the defaults.
type Config struct {
	Server     netip.AddrPort
	From       netip.Addr    // the address that requests leave from; not valid: the system's choice
	Basic      bool          // do not ask for the interleaved mode
	Version    uint8         // 0: 4
	Timeout    time.Duration // for each answer; 0: a second, at most MaxTimeout
	Protection Protection    // nil: none
}

// A Client asks one server again and again. It is used by one goroutine.
type Client struct {
	cfg   Config
	conn  *probe.Conn
	state association

	sent    time.Time     // when the last request went out
	spacing time.Duration // the least time between two; grows with kisses
	gap     time.Duration // between the last two
	final   *KissError
	buffer  []byte
}

// Dial opens a socket for a server; it sends nothing.
func Dial(cfg Config) (*Client, error) {
	if cfg.Version == 0 {
		cfg.Version = 4
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Second
	}
	cfg.Timeout = min(cfg.Timeout, MaxTimeout)
	conn, err := probe.Dial(probe.Config{Peer: cfg.Server, From: cfg.From})
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, conn: conn, state: association{version: cfg.Version, interleaved: !cfg.Basic}}
	if public(cfg.Server.Addr()) {
		c.spacing = PublicInterval
	}
	return c, nil
}

// public reports whether an address is somebody else's on the Internet.
func public(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsGlobalUnicast() && !a.IsPrivate()
}

// Server returns the server that is asked.
func (c *Client) Server() netip.AddrPort { return c.cfg.Server }

// Local returns the address of this host that requests leave from.
func (c *Client) Local() netip.Addr { return c.conn.Local() }

// Close closes the socket.
func (c *Client) Close() error { return c.conn.Close() }

// An Answer is what one request has brought.
type Answer struct {
	// Exchange is complete. In the interleaved mode it is that of the request before.
	Exchange    clock.Exchange
	Interleaved bool
	Facts       Facts
	Refused     int   // datagrams that came and were not the answer
	RefusedFor  error // why the last of them was not; nil: there was none
}

// Query sends one request and waits for its answer. What else comes is refused, and
// waiting goes on. Between two requests lie at least PublicInterval, where the
// server's address is public, and what kisses have asked for: Query waits that long before it
// sends. The errors are a *KissError, a *RefusedError, ErrOtherAnswer, those of
// [probe.Conn.Ask], and of the Protection.
func (c *Client) Query(ctx context.Context) (Answer, error) {
	if c.final != nil {
		return Answer{}, c.final
	}
	if err := c.pause(ctx); err != nil {
		return Answer{}, err
	}
	packet, err := c.request(ctx)
	if err != nil {
		return Answer{}, err
	}
	var (
		answer      Answer
		got         Packet
		interleaved bool
	)
	times, err := c.conn.Ask(ctx, packet, c.cfg.Timeout, func(b []byte, _ time.Time) bool {
		p, mode, err := c.read(b)
		if err != nil {
			answer.Refused++
			answer.RefusedFor = err
			return false
		}
		got, interleaved = p, mode
		return true
	})
	if err != nil {
		if answer.Refused > 0 {
			err = &RefusedError{Count: answer.Refused, Err: answer.RefusedFor, Wait: err}
		}
		return answer, err
	}
	switch code := got.Kiss(); {
	case code == kissNTS && c.cfg.Protection != nil:
		return answer, errors.Join(ErrRenewed, c.cfg.Protection.Renew(ctx))
	case code != "":
		return answer, c.kissed(code)
	}
	answer.Facts, answer.Interleaved = factsOf(&got, times.Received.Time), interleaved
	answer.Exchange, err = c.state.complete(&got, interleaved, times.Sent, times.Received)
	return answer, err
}

// pause waits until the next request may go out.
func (c *Client) pause(ctx context.Context) error {
	now := time.Now()
	if c.sent.IsZero() {
		c.sent = now
		return ctx.Err()
	}
	if wait := c.spacing - now.Sub(c.sent); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now = <-timer.C:
		}
	}
	c.gap, c.sent = now.Sub(c.sent), now
	return ctx.Err()
}

func (c *Client) request(ctx context.Context) ([]byte, error) {
	p := c.state.request(random)
	packet := p.Append(c.buffer[:0])
	if c.cfg.Protection != nil {
		protected, err := c.cfg.Protection.Protect(packet)
		if err != nil {
			if err := c.cfg.Protection.Renew(ctx); err != nil {
				return nil, err
			}
			if protected, err = c.cfg.Protection.Protect(packet); err != nil {
				return nil, err
			}
		}
		packet = protected
	}
	c.buffer = packet
	return packet, nil
}

// read reports whether b is the answer. Who knows its random numbers may still not be the
// server: the Protection is asked last, as it costs most.
func (c *Client) read(b []byte) (p Packet, interleaved bool, err error) {
	p, _, err = Parse(b)
	if err != nil {
		return p, false, err
	}
	if interleaved, err = c.state.judge(&p); err != nil {
		return p, false, err
	}
	if c.cfg.Protection != nil {
		err = c.cfg.Protection.Verify(b)
	}
	return p, interleaved, err
}

// kissed doubles the time between requests: of what it was, and of what the client had
// really kept.
func (c *Client) kissed(code string) error {
	c.spacing = min(max(2*c.spacing, 2*c.gap, PublicInterval), 36*time.Hour)
	kiss := &KissError{Server: c.cfg.Server, Code: code, Wait: c.spacing}
	if kiss.Final() {
		c.final = kiss
	}
	return kiss
}

// Burst sends requests one after the other until count exchanges are complete, in the
// interleaved mode one request more, and returns the one of least delay: the first warm
// the path, and a queue seldom delays them all. Public servers and those
// that send kisses get one request alone. It returns the last error if none was answered.
func (c *Client) Burst(ctx context.Context, count int) (Answer, error) {
	if c.spacing > 0 {
		count = 1
	}
	var (
		best    Answer
		last    error
		have    int
		began   = time.Now()
		fresh   bool
		refused int
	)
	for n := 0; n < count || n == count && fresh; n++ {
		answer, err := c.Query(ctx)
		refused += answer.Refused
		if err != nil {
			last = err
			var kiss *KissError
			if ctx.Err() != nil || errors.As(err, &kiss) {
				break
			}
			continue
		}
		fresh = answer.Interleaved && count > 1
		if fresh && answer.Exchange.T1.Time.Before(began.Round(0)) {
			continue // of the burst before
		}
		if have == 0 || answer.Exchange.Delay() < best.Exchange.Delay() || answer.Interleaved && !best.Interleaved {
			best = answer
		}
		have++
	}
	best.Refused = refused
	if have == 0 {
		return best, last
	}
	return best, nil
}

// Query asks a server once, in the basic mode.
func Query(ctx context.Context, server netip.AddrPort) (Answer, error) {
	c, err := Dial(Config{Server: server, Basic: true})
	if err != nil {
		return Answer{}, err
	}
	defer c.Close()
	return c.Query(ctx)
}

// random returns an unguessable number. crypto/rand does not fail.
func random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return binary.NativeEndian.Uint64(b[:])
}
