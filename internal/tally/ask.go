package tally

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// A Socket is a datagram socket that is connected to the server, such as a
// *net.UDPConn. A datagram longer than the slice given to Read is cut.
type Socket interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	SetReadDeadline(time.Time) error
}

// firstWait is how long the answer to the first request is waited for; each
// further one is waited for twice as long. A request comes behind all that was sent
// before, and may be discarded with it.
const firstWait = 20 * time.Millisecond

// Errors of Ask: the server is no wirelab, or cannot be reached.
var (
	ErrNoAnswer = errors.New("the server does not say what it counted")
	ErrEchoed   = errors.New("the server sends back what it gets and counts nothing")
)

// Ask asks the server at the other end of s what it counted of this socket. What
// else arrives meanwhile is read and thrown away. It returns ErrNoAnswer when patience is
// at its end, ErrEchoed if instead the request itself came back, ECONNREFUSED as soon as the
// host says that nobody listens there, and the error of ctx when it is cancelled, which may
// take as long as patience. It leaves s without a read deadline.
func Ask(ctx context.Context, s Socket, patience time.Duration) (Counts, error) {
	nonce := newNonce()
	request := AppendRequest(nil, nonce)
	failed := ErrNoAnswer
	defer s.SetReadDeadline(time.Time{})
	end := time.Now().Add(patience)
	for wait := firstWait; time.Now().Before(end); wait *= 2 {
		if err := ctx.Err(); err != nil {
			return Counts{}, err
		}
		deadline := time.Now().Add(wait)
		if deadline.After(end) {
			deadline = end
		}
		c, err := exchange(s, request, nonce, deadline)
		switch {
		case err == nil:
			return c, nil
		case errors.Is(err, ErrEchoed):
			failed = err
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return Counts{}, fmt.Errorf("ask for the server's counts: %w", err)
		}
	}
	return Counts{}, failed
}

// exchange sends the request once and waits for its answer.
func exchange(s Socket, request []byte, nonce uint64, deadline time.Time) (Counts, error) {
	if err := write(s, request); err != nil {
		return Counts{}, err
	}
	if err := s.SetReadDeadline(deadline); err != nil {
		return Counts{}, err
	}
	return await(s, nonce)
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

// await reads until the answer is there. If its deadline comes first and the
// request has come back, that is ErrEchoed.
func await(s Socket, nonce uint64) (Counts, error) {
	var echoed bool
	b := make([]byte, Len+1) // what is longer is not taken for an answer
	for {
		n, err := s.Read(b)
		if err != nil && echoed && errors.Is(err, os.ErrDeadlineExceeded) {
			return Counts{}, ErrEchoed
		}
		if err != nil {
			return Counts{}, err
		}
		if c, err := ParseAnswer(b[:n], nonce); err == nil {
			return c, nil
		}
		if got, ok := ParseRequest(b[:n]); ok && got == nonce {
			echoed = true
		}
	}
}

func newNonce() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return binary.BigEndian.Uint64(b[:])
}
