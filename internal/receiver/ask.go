package receiver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// A Socket is a datagram socket that is connected to the server, such as a
// *net.UDPConn. A datagram longer than the slice given to Read is cut. SetReadDeadline
// also ends a Read that waits.
type Socket interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	SetReadDeadline(time.Time) error
}

// Ask asks the server at the other end of s what it counted of this socket, which has
// sent nothing yet if the question is asked anew (see Request). What
// else arrives meanwhile is read and thrown away. It returns ErrNoAnswer when patience is
// at its end, ErrEchoed if instead the request itself came back, ECONNREFUSED as soon as the
// host says that nobody listens there, and the error of ctx as soon as it is cancelled. It
// leaves s without a read deadline.
func Ask(ctx context.Context, s Socket, anew bool, patience time.Duration) (Report, error) {
	defer endReads(ctx, s)()
	q := NewQuestion(anew)
	end := time.Now().Add(patience)
	for wait := FirstWait; time.Now().Before(end) && !q.Echoed(); wait *= 2 {
		deadline := time.Now().Add(wait)
		if deadline.After(end) {
			deadline = end
		}
		c, err := exchange(ctx, s, &q, deadline)
		switch {
		case err == nil:
			return c, nil
		case ctx.Err() != nil:
			return Report{}, ctx.Err()
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return Report{}, fmt.Errorf("ask for the server's counts: %w", err)
		}
	}
	return Report{}, q.Unanswered()
}

// endReads makes reads fail once ctx is cancelled, until release is called.
func endReads(ctx context.Context, s Socket) (release func()) {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		_ = s.SetReadDeadline(time.Now()) // that of a closed socket: its reads have ended
	})
	return func() {
		if !stop() {
			<-ended
		}
		_ = s.SetReadDeadline(time.Time{})
	}
}

// exchange sends the request once and reads until its answer is there.
func exchange(ctx context.Context, s Socket, q *Question, deadline time.Time) (Report, error) {
	if err := write(s, q.Request()); err != nil {
		return Report{}, err
	}
	if err := s.SetReadDeadline(deadline); err != nil {
		return Report{}, err
	}
	if err := ctx.Err(); err != nil { // its own deadline may have been set first
		return Report{}, err
	}
	b := make([]byte, Len+1) // what is longer is not taken for an answer
	for {
		n, err := s.Read(b)
		if err != nil {
			return Report{}, err
		}
		if c, ok := q.Answer(b[:n]); ok {
			return c, nil
		}
	}
}

// write sends the request; the first refusal of a connected socket is that of an
// earlier datagram, and is cleared with it.
func write(s Socket, request []byte) error {
	_, err := s.Write(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		_, err = s.Write(request)
	}
	return err
}
