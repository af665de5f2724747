package load

import (
	"context"
	"errors"
	"syscall"
	"time"

	"wirelab/internal/sys/epoll"
	"wirelab/internal/sys/stream"
	"wirelab/internal/tally"
)

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
	question tally.Question
	answered bool
	counts   tally.Counts
}

// newInquiry opens an inquiry, which Close closes; see tally.Request for anew.
func newInquiry(anew bool) (*inquiry, error) {
	queue, err := epoll.New()
	if err != nil {
		return nil, err
	}
	return &inquiry{
		epoll: queue, anew: anew, wait: tally.FirstWait, events: make([]epoll.Event, eventBatch),
		in: make([]byte, tally.Len+1), // what is longer is not taken for an answer
	}, nil
}

func (q *inquiry) Close() error { return q.epoll.Close() }

// ask asks about clients until all are answered, and returns them in their order. It
// fails as soon as one cannot be: with tally.ErrNoAnswer when patience is at its end, with
// tally.ErrEchoed, with ECONNREFUSED, or with the error of ctx.
func (q *inquiry) ask(ctx context.Context, clients []*client, patience time.Duration) ([]asked, error) {
	if err := q.begin(clients); err != nil {
		return nil, err
	}
	defer q.end()
	begun := time.Now()
	end := begun.Add(patience)
	for wait := q.wait; q.left > 0; wait *= 2 {
		now := time.Now()
		if err := q.unanswered(); err != nil && (errors.Is(err, tally.ErrEchoed) || !now.Before(end)) {
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
	q.wait = max(tally.FirstWait, 2*time.Since(begun))
	return q.asked, nil
}

func (q *inquiry) begin(clients []*client) error {
	q.asked, q.left = make([]asked, 0, len(clients)), len(clients)
	for i, c := range clients {
		if err := q.epoll.Add(c.fd, epoll.ReadyIn, uint64(i)); err != nil {
			return err
		}
		q.asked = append(q.asked, asked{client: c, question: tally.NewQuestion(q.anew)})
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
