package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"wirelab/clock"
	"wirelab/internal/receiver"
)

// datagrams is a conversation over UDP.
type datagrams struct {
	*session
	answered chan struct{} // something came in; room for one
	ledger   *ledger       // of messages; nil for the lines of an input
	trips    trips         // the receiver's
}

// runDatagrams talks over UDP until the input and the wait for answers have
// ended or end is called.
func (s *session) runDatagrams(ctx context.Context) error {
	d := &datagrams{session: s, answered: make(chan struct{}, 1)}
	if s.cfg.Message != nil && s.cfg.IdleTimeout > 0 {
		d.ledger = newLedger()
	}
	s.together(func() { d.send(ctx) }, d.receive)
	if d.ledger != nil {
		s.result.Answered, s.result.Late = d.ledger.answered, d.ledger.late
		s.result.RoundTrip = d.trips.sum()
	}
	if err := context.Cause(ctx); !errors.Is(err, errFinished) {
		return err
	}
	return d.missing()
}

// missing is the error for answers that were waited for in vain. Where there
// is no wait, or no knowing how many answers to expect, silence alone is one.
func (d *datagrams) missing() error {
	out, in := d.result.MessagesOut, d.result.MessagesIn
	if d.ledger != nil {
		in = d.result.Answered
	}
	if d.cfg.IdleTimeout == 0 || out == 0 || in >= out || in > 0 && d.cfg.Message == nil {
		return nil
	}
	late := ""
	if d.result.Late > 0 {
		late = fmt.Sprintf(" (%d came late)", d.result.Late)
	}
	return fmt.Errorf("%w from %s within %v to %d of %d datagrams%s", ErrNoAnswer, d.cfg.Address, d.cfg.IdleTimeout, out-in, out, late)
}

// send sends the input, waits for answers, and ends the conversation.
func (d *datagrams) send(ctx context.Context) {
	for {
		b, err := d.source.next()
		var number uint64
		if err == nil || len(b) > 0 {
			number = d.sendOne(b)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			d.end(err)
			return
		}
		if ctx.Err() != nil {
			return
		}
		switch {
		case d.cfg.Interval > 0:
			d.pause(ctx, d.result.MessagesOut)
			d.expire()
		case d.ledger != nil:
			d.awaitAnswer(ctx, number)
		}
	}
	if d.cfg.Interval > 0 && d.ledger != nil {
		d.awaitAll(ctx)
	}
	d.show(&Event{Kind: EventInputEnded, Time: time.Now()})
	if d.cfg.Message == nil && d.result.MessagesOut > 0 {
		for d.await(ctx) {
		}
	}
	d.end(errFinished)
}

// sendOne sends b, and returns its number among the messages.
func (d *datagrams) sendOne(b []byte) (number uint64) {
	if d.ledger != nil {
		number = d.ledger.add(b)
	}
	// An answer to an earlier datagram is none to this one.
	select {
	case <-d.answered:
	default:
	}
	d.show(&Event{Kind: EventSent, Time: time.Now(), Offset: d.result.BytesOut, Data: b})
	n, err := d.conn.Write(b)
	if err != nil {
		d.end(d.fail(OpSend, err))
		return number
	}
	d.result.BytesOut += uint64(n)
	d.result.MessagesOut++
	return number
}

// awaitAnswer waits for the answer to one message, whatever else comes meanwhile.
func (d *datagrams) awaitAnswer(ctx context.Context, number uint64) {
	timeout := time.NewTimer(d.cfg.IdleTimeout)
	defer timeout.Stop()
	for {
		select {
		case <-d.answered: // and shown
			if d.ledger.isAnswered(number) {
				return
			}
			continue
		case <-ctx.Done():
			return
		case <-timeout.C:
		}
		if d.ledger.giveUp(number) {
			d.show(&Event{Kind: EventUnanswered, Time: time.Now(), Number: number, Wait: d.cfg.IdleTimeout})
		}
		return
	}
}

// expire tells of the messages that are not answered in time.
func (d *datagrams) expire() {
	if d.ledger == nil {
		return
	}
	d.ledger.expire(time.Now().Add(-d.cfg.IdleTimeout), func(n uint64) {
		d.show(&Event{Kind: EventUnanswered, Time: time.Now(), Number: n, Wait: d.cfg.IdleTimeout})
	})
}

// awaitAll waits until every message is answered or given up.
func (d *datagrams) awaitAll(ctx context.Context) {
	timeout := time.NewTimer(d.cfg.IdleTimeout)
	defer timeout.Stop()
	for !d.ledger.allSettled() {
		select {
		case <-d.answered: // perhaps another
			continue
		case <-timeout.C:
			d.expire()
		case <-ctx.Done():
		}
		return
	}
}

// await waits for a datagram and reports whether one came in time.
func (d *datagrams) await(ctx context.Context) bool {
	if d.cfg.IdleTimeout == 0 {
		return false
	}
	timeout := time.NewTimer(d.cfg.IdleTimeout)
	defer timeout.Stop()
	select {
	case <-d.answered:
		return true
	case <-timeout.C:
	case <-ctx.Done():
	}
	return false
}

func (d *datagrams) receive() {
	buf := make([]byte, receiveSize)
	for {
		n, err := d.conn.Read(buf)
		if err != nil {
			d.end(d.fail(OpReceive, err))
			return
		}
		if receiver.IsChallenge(buf[:n]) { // a wirelab server asks whether this is a service
			continue
		}
		now := clock.Now()
		e := &Event{Time: now.Time, Data: buf[:n]}
		d.account(e, now)
		d.received(e)
		select {
		case d.answered <- struct{}{}:
		default:
		}
	}
}

// account says which message an answer is of, how long it took, and what a reflection says.
func (d *datagrams) account(e *Event, now clock.Stamp) {
	var packet *clock.ReflectorPacket
	if d.cfg.Reflections {
		packet = parseReflector(e.Data, now.Time)
	}
	left, came := clock.Stamp{}, now
	if d.ledger != nil {
		n, kind := d.settle(e, packet)
		e.Late, e.Duplicate = kind == lateAnswer || kind == forgottenAnswer, kind == duplicateAnswer
		if kind == firstAnswer || kind == lateAnswer {
			left, came = d.times(n, now)
			e.RoundTrip = came.Sub(left)
		}
	}
	if packet != nil {
		e.Reflection = newReflection(packet, left, came)
		e.RoundTrip = e.Reflection.RoundTrip
	}
	switch {
	case e.Duplicate:
		d.result.Duplicates++
	case d.ledger != nil && !e.Late && e.RoundTrip > 0:
		d.trips.add(e.RoundTrip, came.Source)
	}
}

// times returns when message n left and when its answer came, which the clock said was now.
func (d *datagrams) times(n uint64, now clock.Stamp) (left, came clock.Stamp) {
	if conn, ok := d.conn.(*stamped); ok {
		return conn.times(n, now)
	}
	return clock.Stamp{Time: d.ledger.sentAt(n)}, now
}

// settle notes an answer in the ledger.
func (d *datagrams) settle(e *Event, packet *clock.ReflectorPacket) (n uint64, kind answerKind) {
	if packet != nil {
		return d.ledger.reflected(packet.SenderSequence)
	}
	return d.ledger.received(e.Data)
}
