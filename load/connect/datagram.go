package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"wirelab/internal/receiver"
)

// datagrams is a conversation over UDP.
type datagrams struct {
	*session
	answered chan struct{} // something came in; room for one
	ledger   *ledger       // of messages; nil for the lines of an input
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
		if d.ledger != nil {
			d.awaitAnswer(ctx, number)
		}
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
	for !d.ledger.isAnswered(number) {
		select {
		case <-d.answered:
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
		now := time.Now()
		e := &Event{Time: now, Data: buf[:n]}
		if d.cfg.Reflections {
			e.Reflection = parseReflection(buf[:n], now)
		}
		d.account(e)
		d.received(e)
		select {
		case d.answered <- struct{}{}:
		default:
		}
	}
}

// account says which message an answer is of.
func (d *datagrams) account(e *Event) {
	if d.ledger == nil {
		return
	}
	var kind answerKind
	if e.Reflection != nil {
		kind = d.ledger.reflected(e.Reflection.Sequence)
	} else {
		kind = d.ledger.received(e.Data)
	}
	e.Late, e.Duplicate = kind == lateAnswer, kind == duplicateAnswer
	if e.Duplicate {
		d.result.Duplicates++
	}
}
