// Package probe asks one host one question at a time over UDP, and knows when the
// question left and when the answer came: by the kernel's stamps if it has them, else by
// the clock as this process read it, and never by one of each.
package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"wirelab/clock"
	"wirelab/internal/sys/datagram"
)

const (
	// maxAnswer has room for every answer that is not fragmented on the way.
	maxAnswer = 2048
	// answerBatch is how many datagrams are looked at together.
	answerBatch = 8
	// stampWait bounds the wait for a send stamp. Where there is one at all it has come
	// long before the answer.
	stampWait = 10 * time.Millisecond
	// maxUnstamped is after how many requests in a row without a send stamp none is
	// waited for any more.
	maxUnstamped = 3
	// settle is how long the kernel may take to begin stamping after the first socket of
	// the machine asks for it (net_enable_timestamp in net/core/dev.c). What
	// comes within it is stamped as it is read.
	settle = 20 * time.Millisecond
)

// ErrNoAnswer reports that no answer came in time.
var ErrNoAnswer = errors.New("no answer")

// Config says whom to ask, and from where.
type Config struct {
	Peer netip.AddrPort
	From netip.Addr // not valid: the system's choice
	// SamePort makes all questions leave from one port, where a peer tells those who ask
	// apart by it. Else the port changes after a pause, which makes answers harder to forge (RFC 9109).
	SamePort bool
}

// A Conn is a socket for one host, and after each pause another. It is used by one goroutine.
type Conn struct {
	cfg       Config
	conn      *datagram.Conn
	reader    *datagram.Reader
	writer    *datagram.Writer
	question  [1]datagram.Datagram
	unstamped int
	warmer    *warmer
	asked     time.Time // when the last question went out
}

// Dial opens a socket.
func Dial(cfg Config) (*Conn, error) {
	c := &Conn{cfg: cfg, warmer: newWarmer(64)}
	if err := c.open(netip.AddrPortFrom(cfg.From, 0)); err != nil {
		c.warmer.close()
		return nil, err
	}
	time.Sleep(settle)
	return c, nil
}

// open opens a socket, and closes the one before it.
func (c *Conn) open(from netip.AddrPort) error {
	conn, err := datagram.Dial(datagram.Config{Addr: from, SendStamps: true}, c.cfg.Peer)
	if err != nil {
		return fmt.Errorf("open a socket for %s: %w", c.cfg.Peer, err)
	}
	if c.conn != nil {
		_ = c.conn.Close() // renew may have closed it
	}
	c.conn, c.reader, c.writer = conn, conn.NewReader(answerBatch, maxAnswer), conn.NewWriter(1)
	return nil
}

// renew opens another socket. What the kernel keeps of a new one is in the processor's caches:
// measured, a question's send stamp is 0.1 us nearer to the wire.
func (c *Conn) renew() error {
	if c.cfg.SamePort {
		from := c.conn.LocalAddr()
		_ = c.conn.Close()
		if c.open(from) == nil {
			return nil
		}
		// Somebody has taken the port.
	}
	return c.open(netip.AddrPortFrom(c.cfg.From, 0))
}

// Local returns the address of this host that questions leave from.
func (c *Conn) Local() netip.Addr { return c.conn.LocalAddr().Addr() }

// Close closes the socket.
func (c *Conn) Close() error {
	c.warmer.close()
	return c.conn.Close()
}

// An AskError is a question that was not answered.
type AskError struct {
	Peer netip.AddrPort
	Err  error // ErrNoAnswer, that of the context, or the system's
}

func (e *AskError) Error() string { return fmt.Sprintf("ask %s: %v", e.Peer, e.Err) }

// Unwrap returns the cause.
func (e *AskError) Unwrap() error { return e.Err }

// Times are when a question left and when its answer came, both of the same source.
type Times struct{ Sent, Received clock.Stamp }

// Ask sends question, and shows what comes to accept until it takes a datagram for
// the answer, timeout has passed or ctx ends. The datagram is valid within accept alone,
// which is also told about when it came. The error is ErrNoAnswer, ctx's, or the
// system's, such as ECONNREFUSED.
func (c *Conn) Ask(ctx context.Context, question []byte, timeout time.Duration, accept func(answer []byte, at time.Time) bool) (Times, error) {
	rested := time.Since(c.asked) > cold
	if rested && !c.asked.IsZero() {
		if err := c.renew(); err != nil {
			return Times{}, err
		}
	}
	conn := c.conn
	if err := conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return Times{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })
	defer stop()
	c.question[0] = datagram.Datagram{Payload: question, Peer: c.cfg.Peer, Stamp: true}
	if rested {
		c.warmer.warm()
	}
	sent := clock.Now()
	c.asked = sent.Time
	if _, err := c.writer.Write(c.question[:]); err != nil {
		return Times{}, &AskError{c.cfg.Peer, err}
	}
	kernel, user, err := c.await(accept)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrNoAnswer
		if ctx.Err() != nil {
			err = ctx.Err()
		}
	}
	if err != nil {
		return Times{}, &AskError{c.cfg.Peer, err}
	}
	if left, ok := c.sendStamp(c.question[0].ID); ok && kernel.Source != clock.User {
		return Times{left, kernel}, nil
	}
	return Times{sent, user}, nil
}

// await reads until accept takes a datagram, and returns when that came by its stamp and
// by the clock.
func (c *Conn) await(accept func([]byte, time.Time) bool) (stamp, user clock.Stamp, err error) {
	for {
		batch, err := c.reader.Read()
		user := clock.Now()
		if err != nil {
			return stamp, user, err
		}
		for i := range batch {
			d := &batch[i]
			if !d.Truncated && accept(d.Payload, d.Time) {
				return clock.Stamp{Time: d.Time, Source: sourceOf(d.Source)}, user, nil
			}
		}
	}
}

// sendStamp returns the kernel's stamp of a question, which it waits for a little.
func (c *Conn) sendStamp(id uint32) (clock.Stamp, bool) {
	wait := stampWait
	if c.unstamped >= maxUnstamped {
		wait = 0
	}
	for end := time.Now().Add(wait); ; wait = time.Until(end) {
		stamps := c.reader.SendStamps(max(wait, 0))
		for _, s := range stamps {
			if s.ID == id {
				c.unstamped = 0
				return clock.Stamp{Time: s.Time, Source: sourceOf(s.Source)}, true
			}
		}
		if len(stamps) == 0 {
			c.unstamped++
			return clock.Stamp{}, false
		}
	}
}

func sourceOf(s datagram.Source) clock.Source {
	if s == datagram.Kernel {
		return clock.Kernel
	}
	return clock.User
}
