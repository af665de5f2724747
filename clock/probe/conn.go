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

// A Conn is a socket for one host. It is used by one goroutine, all but Close.
type Conn struct {
	peer      netip.AddrPort
	conn      *datagram.Conn
	reader    *datagram.Reader
	writer    *datagram.Writer
	question  [1]datagram.Datagram
	unstamped int
	warmer    *warmer
	asked     time.Time // when the last question went out
}

// Dial opens a socket for peer, from the address of from if that is valid.
func Dial(from netip.Addr, peer netip.AddrPort) (*Conn, error) {
	cfg := datagram.Config{SendStamps: true}
	if from.IsValid() {
		cfg.Addr = netip.AddrPortFrom(from, 0)
	}
	conn, err := datagram.Dial(cfg, peer)
	if err != nil {
		return nil, fmt.Errorf("open a socket for %s: %w", peer, err)
	}
	time.Sleep(settle)
	return &Conn{
		peer: peer, conn: conn,
		reader: conn.NewReader(answerBatch, maxAnswer), writer: conn.NewWriter(1),
		warmer: newWarmer(64),
	}, nil
}

// Peer returns the host that is asked.
func (c *Conn) Peer() netip.AddrPort { return c.peer }

// Local returns the address of this host that questions leave from.
func (c *Conn) Local() netip.Addr { return c.conn.LocalAddr().Addr() }

// Close closes the socket.
func (c *Conn) Close() error {
	c.warmer.close()
	return c.conn.Close()
}

// Times are when a question left and when its answer came, both of the same source.
type Times struct{ Sent, Received clock.Stamp }

// Ask sends question, and shows what comes to accept until it takes a datagram for
// the answer, timeout has passed or ctx ends. The datagram is valid within accept alone,
// which is also told about when it came. The error is ErrNoAnswer, ctx's, or the
// system's, such as ECONNREFUSED.
func (c *Conn) Ask(ctx context.Context, question []byte, timeout time.Duration, accept func(answer []byte, at time.Time) bool) (Times, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return Times{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetReadDeadline(time.Now()) })
	defer stop()
	c.question[0] = datagram.Datagram{Payload: question, Peer: c.peer, Stamp: true}
	if time.Since(c.asked) > cold {
		c.warmer.warm()
	}
	sent := clock.Now()
	c.asked = sent.Time
	if _, err := c.writer.Write(c.question[:]); err != nil {
		return Times{}, fmt.Errorf("ask %s: %w", c.peer, err)
	}
	kernel, user, err := c.await(accept)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrNoAnswer
		if ctx.Err() != nil {
			err = ctx.Err()
		}
	}
	if err != nil {
		return Times{}, fmt.Errorf("ask %s: %w", c.peer, err)
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
