package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxAsked bounds how many clients the receiver is asked about, each with a
// datagram before the run and after it.
const maxAsked = 1024

// Patience with a receiver that is asked what it counted. One that is no wirelab
// server is noticed at the first client.
const (
	askFirst = 300 * time.Millisecond
	askNext  = time.Second
)

// askInterrupted is how long the receiver is asked after a run that was interrupted:
// its counts are wanted too, but whoever interrupted it waits.
const askInterrupted = time.Second

const (
	askedAtOnce = 128                   // clients, whose requests find room in the smallest buffer of a receiver
	askSlice    = 20 * time.Millisecond // after which is looked whether asking was interrupted
)

var (
	errTooManyClients = errors.New("so many clients are not asked about")
	errLostClients    = errors.New("not all clients lasted to the end")
	errAskingCut      = errors.New("asking it was interrupted")
)

// timeToAsk returns the context for asking before or after a run of ctx.
func timeToAsk(ctx context.Context, after bool) (context.Context, context.CancelFunc) {
	if after && ctx.Err() != nil {
		return context.WithTimeout(context.WithoutCancel(ctx), askInterrupted)
	}
	return context.WithCancel(ctx)
}

// askingError returns err, or errAskingCut if the reason is that ctx has ended.
func askingError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errAskingCut
	}
	return err
}

// A receiverCount is what the receiver of datagrams says that it counted of each
// client, before a run and after it.
type receiverCount struct {
	counts []tallied // in the order of run.clients
	err    error     // why nothing is known
}

// askReceiver asks the receiver about all clients, which exchange nothing now, until
// ctx is cancelled.
func (r *run) askReceiver(ctx context.Context, after bool) {
	if !r.cfg.AskReceiver || r.cfg.Network != "udp" || r.receiver.err != nil {
		return
	}
	if r.cfg.Clients > maxAsked {
		r.receiver.err = errTooManyClients
		return
	}
	if r.receiver.counts == nil {
		r.receiver.counts = make([]tallied, r.cfg.Clients)
	}
	ctx, end := timeToAsk(ctx, after)
	defer end()
	if err := r.askAll(ctx, after); err != nil {
		r.receiver.err = askingError(ctx, err)
	}
}

// askAll asks about the first client, which shows whether there is an answer and how
// long it takes, and then about the others, many at once.
func (r *run) askAll(ctx context.Context, after bool) error {
	clients := r.allClients()
	if slices.ContainsFunc(clients, func(c *client) bool { return c.fd < 0 }) {
		return errLostClients
	}
	q, err := newInquiry(!after)
	if err != nil {
		return err
	}
	defer q.Close()
	first, err := q.ask(ctx, clients[:1], askFirst)
	if err != nil {
		return err
	}
	r.receiver.note(first, after)
	for some := range slices.Chunk(clients[1:], askedAtOnce) {
		answered, err := q.ask(ctx, some, askNext)
		if err != nil {
			return err
		}
		r.receiver.note(answered, after)
	}
	return nil
}

// allClients returns the clients of all loops.
func (r *run) allClients() []*client {
	all := make([]*client, 0, r.cfg.Clients)
	for _, l := range r.loops {
		for i := range l.clients {
			all = append(all, &l.clients[i])
		}
	}
	return all
}

func (c *receiverCount) note(answered []asked, after bool) {
	for i := range answered {
		a := &answered[i]
		if of := &c.counts[a.client.number]; after {
			of.sent, of.after = a.client.sent(), a.counts
		} else {
			of.before = a.counts
		}
	}
}

// sent returns how many datagrams the kernel has taken from c.
func (c *client) sent() uint64 {
	n := c.begun() - c.refused
	if c.written == 0 && !c.window.empty() {
		n-- // the latest
	}
	return n
}

// set puts what is known of the receiver into a report.
func (c *receiverCount) set(r *Report) {
	if c.counts == nil && c.err == nil {
		return
	}
	if c.err == nil {
		r.Receiver, c.err = account(c.counts)
	}
	if c.err != nil {
		r.ReceiverUnknown = fmt.Sprintf("only this side is known: %v", c.err)
		return
	}
	r.Loss.ReceiverOverflow = r.Receiver.DroppedByKernel
}
