package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"wirelab/internal/receiver"
	"wirelab/internal/sys/epoll"
	"wirelab/internal/sys/stream"
	"wirelab/load/delivery"
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

// askSlice is after which time is looked whether asking was interrupted.
const askSlice = 20 * time.Millisecond

var (
	errTooManyClients = errors.New("so many clients are not asked about")
	errLostClients    = errors.New("not all clients lasted to the end")
)

// A receiverCount is what the receiver of datagrams says that it counted of each
// client, before a run and after it.
type receiverCount struct {
	counts []delivery.Sender // in the order of run.clients
	err    error             // why nothing is known
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
		r.receiver.counts = make([]delivery.Sender, r.cfg.Clients)
	}
	ctx, end := delivery.TimeToAsk(ctx, after)
	defer end()
	if err := r.askAll(ctx, after); err != nil {
		r.receiver.err = delivery.AskingError(ctx, err)
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
	for some := range slices.Chunk(clients[1:], delivery.AskedAtOnce) {
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
			of.Sent, of.After = a.client.sent(), a.counts
		} else {
			of.Before = a.counts
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
		r.Receiver, c.err = delivery.Account(c.counts)
	}
	if c.err != nil {
		r.ReceiverUnknown = fmt.Sprintf("only this side is known: %v", c.err)
		return
	}
	r.Loss.ReceiverOverflow = r.Receiver.DroppedByKernel
}

// An inquiry asks a receiver what it counted of several clients, all at once. It
// takes what else comes for them and throws it away.
type inquiry struct {
	epoll  *epoll.Instance
	events []epoll.Event
	in     []byte
	anew   bool          // the clients have sent nothing yet
	wait   time.Duration // for the answers to the first requests; for further ones twice as long
	asked  []asked
	left   int // of asked, how many are not answered yet
}

// asked is a client that is asked about; its index is the token of its events.
type asked struct {
	client   *client
	question receiver.Question
	answered bool
	counts   receiver.Report
}

// newInquiry opens an inquiry, which Close closes; see receiver.Request for anew.
func newInquiry(anew bool) (*inquiry, error) {
	queue, err := epoll.New()
	if err != nil {
		return nil, err
	}
	return &inquiry{
		epoll: queue, anew: anew, wait: receiver.FirstWait, events: make([]epoll.Event, eventBatch),
		in: make([]byte, receiver.Len+1), // what is longer is not taken for an answer
	}, nil
}

func (q *inquiry) Close() error { return q.epoll.Close() }

// ask asks about clients until all are answered, and returns them in their order. It
// fails as soon as one cannot be: with receiver.ErrNoAnswer when patience is at its end, with
// receiver.ErrEchoed, with ECONNREFUSED, or with the error of ctx.
func (q *inquiry) ask(ctx context.Context, clients []*client, patience time.Duration) ([]asked, error) {
	if err := q.begin(clients); err != nil {
		return nil, err
	}
	defer q.end()
	begun := time.Now()
	end := begun.Add(patience)
	for wait := q.wait; q.left > 0; wait *= 2 {
		now := time.Now()
		if err := q.unanswered(); err != nil && (errors.Is(err, receiver.ErrEchoed) || !now.Before(end)) {
			return nil, err
		}
		if err := q.send(); err != nil {
			return nil, err
		}
		if err := q.collect(ctx, now.Add(min(wait, end.Sub(now)))); err != nil {
			return nil, err
		}
	}
	// Requests need not be repeated before an answer can be there.
	q.wait = max(receiver.FirstWait, 2*time.Since(begun))
	return q.asked, nil
}

func (q *inquiry) begin(clients []*client) error {
	q.asked, q.left = make([]asked, 0, len(clients)), len(clients)
	for i, c := range clients {
		if err := q.epoll.Add(c.fd, epoll.ReadyIn, uint64(i)); err != nil {
			return err
		}
		q.asked = append(q.asked, asked{client: c, question: receiver.NewQuestion(q.anew)})
	}
	return nil
}

func (q *inquiry) end() {
	for i := range q.asked {
		_ = q.epoll.Remove(q.asked[i].client.fd) // it was added
	}
}

// send sends the requests that are not answered. One that there is no room for is
// sent with the next.
func (q *inquiry) send() error {
	for i := range q.asked {
		a := &q.asked[i]
		if a.answered {
			continue
		}
		request := a.question.Request()
		_, errno := stream.TrySend(a.client.fd, request)
		if errno == syscall.ECONNREFUSED { // of an earlier datagram, and cleared by this
			_, errno = stream.TrySend(a.client.fd, request)
		}
		if errno != 0 && errno != syscall.EAGAIN && errno != syscall.ENOBUFS {
			return errno
		}
	}
	return nil
}

// collect takes answers until all are there or the deadline has passed.
func (q *inquiry) collect(ctx context.Context, deadline time.Time) error {
	for q.left > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil
		}
		n, err := q.epoll.Wait(q.events, min(left, askSlice))
		if err != nil {
			return err
		}
		for i := range q.events[:n] {
			if err := q.receive(&q.asked[q.events[i].Token()]); err != nil {
				return err
			}
		}
	}
	return nil
}

// receive reads what has come for a client, as far as that leaves time for the others.
func (q *inquiry) receive(a *asked) error {
	for range eventBatch {
		n, errno := stream.TryReceive(a.client.fd, q.in)
		switch {
		case errno == syscall.EAGAIN:
			return nil
		case errno != 0:
			return errno
		}
		if counts, ok := a.question.Answer(q.in[:n]); ok && !a.answered {
			a.counts, a.answered = counts, true
			q.left--
		}
	}
	return nil
}

// unanswered returns why the first client without an answer has none.
func (q *inquiry) unanswered() error {
	for i := range q.asked {
		if a := &q.asked[i]; !a.answered {
			return a.question.Unanswered()
		}
	}
	return nil
}
