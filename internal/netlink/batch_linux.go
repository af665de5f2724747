package netlink

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"wirelab/internal/sys"
)

// Generation returns the number that every change of the ruleset in this
// network namespace, by whomever, makes larger.
func (c *Conn) Generation() (uint32, error) {
	var e Encoder
	e.Netfilter(getGeneration, 0, unix.AF_UNSPEC, 0)
	m, err := c.Get(&e, Named("read", "the generation of the ruleset"))
	if err != nil {
		return 0, err
	}
	d := m.Attributes(4)
	for d.Next() {
		if d.Kind() == generationID {
			return d.Big32(), d.Err()
		}
	}
	return 0, errors.Join(ErrMalformed, d.Err())
}

// Consistently calls read, which dumps several things, until nobody has changed
// the ruleset meanwhile, and returns its generation.
func (c *Conn) Consistently(read func() error) (uint32, error) {
	for range attempts {
		before, err := c.Generation()
		if err != nil {
			return 0, err
		}
		if err := read(); err != nil {
			return 0, err
		}
		after, err := c.Generation()
		if err != nil || before == after {
			return after, err
		}
	}
	return 0, &sys.OpError{Op: "read", Object: "the ruleset", Err: ErrInterrupted}
}

// Commit sends the batch. It takes effect whole, or not at all: then the error
// is that of its first message that the kernel refused. A generation other than
// 0 is the only one that the batch is for; with any other the error is
// ErrChanged. The batch can be sent again.
func (c *Conn) Commit(b *Batch, generation uint32, describe Describe) error {
	if b.err != nil || b.Count() == 0 {
		return b.err
	}
	before := generation
	if before == 0 {
		var err error
		if before, err = c.Generation(); err != nil {
			return err
		}
	}
	last := b.start
	first := c.number(b.count + 1)
	sent := b.close(first, c.port, generation)
	err := c.send(sent)
	b.open(last)
	if err != nil {
		return named(err, Named("send", "a batch of nftables"))
	}
	a := answers{sent: sent, first: first, last: first + uint32(b.count) - 1, describe: describe, echo: b.Echo}
	return c.outcome(&a, before)
}

// answers collects what the kernel says of a batch.
type answers struct {
	sent        Messages
	first, last uint32 // sequence numbers of the batch's begin and last message
	describe    Describe
	echo        func(Message)
	failed      error // the first refusal
	done        bool  // the last message has been answered
}

// outcome reads the answers to a batch. If the kernel had no room for all of
// them, a refusal among the rest counts; without one the generation tells
// whether the batch took effect.
func (c *Conn) outcome(a *answers, before uint32) error {
	lost := false
	for !a.done && (!lost || c.Pending()) {
		buf, err := c.answer()
		if errors.Is(err, ErrAnswersLost) {
			lost = true
			continue
		}
		if err != nil {
			return named(err, Named("read", "the outcome of a batch of nftables"))
		}
		if err := a.take(buf, c.port); err != nil {
			return err
		}
	}
	if a.failed != nil || !lost {
		return a.failed
	}
	after, err := c.Generation()
	if err == nil && after == before {
		err = ErrAnswersLost
	}
	return named(err, Named("commit", "a batch of nftables"))
}

// take reads one datagram of answers. The kernel answers the message that
// begins the batch when it refuses the whole, and then may say no more.
func (a *answers) take(buf Messages, port uint32) error {
	for m := range buf.All() {
		index := m.Sequence - a.first
		if m.Port != port || index > a.last-a.first+1 {
			continue
		}
		if m.Kind != kindError {
			if a.echo != nil {
				a.echo(m)
			}
			continue
		}
		v, err := verdictOf(m)
		if err != nil {
			return err
		}
		whole := m.Sequence == a.first
		if a.failed == nil && v.errno != 0 {
			a.failed = a.failure(v, m.Sequence)
		}
		a.done = a.done || whole && v.errno != 0 || m.Sequence == a.last
	}
	return nil
}

// failure returns the error of the message that was sent with this number.
func (a *answers) failure(v verdict, sequence uint32) error {
	failed := &sys.OpError{Op: "commit", Object: "a batch of nftables", Err: v.errno, Message: v.message}
	switch {
	case sequence != a.first:
		failed.Op, failed.Object = a.describe(int(sequence-a.first) - 1)
		for m := range a.sent.All() {
			if m.Sequence == sequence {
				failed.Err = v.refused(m)
			}
		}
	case v.errno == unix.ERESTART:
		failed.Err, failed.Message = ErrChanged, ""
	}
	return failed
}

// Log subscribes to the packets that rules log to this NFLOG group, with up to
// 256 bytes of each. The kernel gathers so many, or waits for a tenth of a second,
// before it sends them. Read them with Receive and ParseLog.
func (c *Conn) Log(group uint16, gather uint32) error {
	const bind, copyPacket = 1, 2
	var e Encoder
	e.Netfilter(logConfig, 0, unix.AF_UNSPEC, group)
	e.Bytes(logCommand, []byte{bind})
	e.Netfilter(logConfig, 0, unix.AF_UNSPEC, group)
	e.Bytes(logMode, []byte{0, 0, 1, 0, copyPacket, 0})
	e.Big32(logThreshold, gather)
	e.Big32(logTimeout, uint32(100*time.Millisecond/(10*time.Millisecond)))
	return c.Execute(&e, Named("read", "NFLOG group"))
}
