package relay

import (
	"context"
	"time"

	"wirelab/lab/impair"
)

// A carrier takes pieces through an impaired link and delivers them in their time. One
// goroutine runs it; others hand it pieces.
type carrier struct {
	relay   *Relay
	client  client
	d       Direction
	link    *impair.Link
	pieces  chan []byte // handed over; closed: no more will come
	deliver func([]byte) error
}

func (r *Relay) newCarrier(c client, d Direction, deliver func([]byte) error) *carrier {
	return &carrier{relay: r, client: c, d: d, link: r.newLink(c, d), pieces: make(chan []byte, 64), deliver: deliver}
}

// run delivers until pieces is closed and all has left, ctx ends, or deliver fails.
func (c *carrier) run(ctx context.Context) error {
	var before impair.Counts
	defer func() { c.relay.impaired(c.d, before, c.link.Counts()) }()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	pieces := c.pieces
	for {
		wait := time.Hour
		if at, ok := c.link.Next(); ok {
			wait = time.Until(at)
		} else if pieces == nil {
			return nil
		}
		timer.Reset(max(wait, 0))
		select {
		case piece, ok := <-pieces:
			if !ok {
				pieces = nil
				continue
			}
			c.link.Push(time.Now(), piece)
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		if err := c.release(); err != nil {
			return err
		}
		now := c.link.Counts()
		c.relay.impaired(c.d, before, now)
		before = now
	}
}

// release delivers what has left the link.
func (c *carrier) release() error {
	for {
		piece, ok := c.link.Pop(time.Now())
		if !ok {
			return nil
		}
		if err := c.deliver(piece); err != nil {
			return err
		}
		c.relay.passed(c.client, c.d, piece)
	}
}
