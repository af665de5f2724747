package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"wirelab/internal/sys"
	"wirelab/internal/tally"
)

// maxAsked bounds how many clients the receiver is asked about, each with a
// datagram before the run and after it.
const maxAsked = 1024

// Patience with a receiver that is asked what it counted. One that is no wirelab
// server is noticed at the first client.
const (
	askFirst = 100 * time.Millisecond
	askNext  = time.Second
)

var (
	errTooManyClients = errors.New("so many clients are not asked about")
	errLostClients    = errors.New("not all clients lasted to the end")
)

// A receiverCount is what the receiver of datagrams says that it counted of each
// client, before a run and after it.
type receiverCount struct {
	counts []tallied // in the order of run.clients
	err    error     // why nothing is known
}

// askReceiver asks the receiver about all clients, which exchange nothing now.
func (r *run) askReceiver(after bool) {
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
	if err := r.askAll(after); err != nil {
		r.receiver.err = err
	}
}

func (r *run) askAll(after bool) error {
	epoll, err := sys.NewEpoll()
	if err != nil {
		return err
	}
	defer epoll.Close()
	patience := askFirst
	for _, l := range r.loops {
		for i := range l.clients {
			c := &l.clients[i]
			if c.fd < 0 || !after && r.stopped.Load() {
				return errLostClients
			}
			counts, err := askAbout(epoll, c.fd, patience)
			if err != nil {
				return err
			}
			patience = askNext
			if of := &r.receiver.counts[c.number]; after {
				of.sent, of.after = c.sent(), counts
			} else {
				of.before = counts
			}
		}
	}
	return nil
}

// sent returns how many datagrams the kernel has taken from c.
func (c *client) sent() uint64 {
	n := c.begun() - c.refused
	if c.written == 0 && !c.window.empty() {
		n-- // the latest
	}
	return n
}

func askAbout(epoll *sys.Epoll, fd int, patience time.Duration) (tally.Counts, error) {
	if err := epoll.Add(fd, sys.ReadyIn, 0); err != nil {
		return tally.Counts{}, err
	}
	defer epoll.Remove(fd)
	return tally.Ask(context.Background(), &polledSocket{fd: fd, epoll: epoll}, patience)
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

// A polledSocket makes a tally.Socket of a non-blocking descriptor, which it does
// not own.
type polledSocket struct {
	fd       int
	epoll    *sys.Epoll // which tells when fd can be read
	deadline time.Time
}

func (s *polledSocket) SetReadDeadline(t time.Time) error {
	s.deadline = t
	return nil
}

func (s *polledSocket) Write(b []byte) (int, error) {
	n, errno := sys.TrySend(s.fd, b)
	return n, asError(errno)
}

func (s *polledSocket) Read(b []byte) (int, error) {
	events := make([]sys.Event, 1)
	for {
		n, errno := sys.TryReceive(s.fd, b)
		if errno != syscall.EAGAIN {
			return n, asError(errno)
		}
		left := time.Until(s.deadline)
		if left <= 0 {
			return 0, os.ErrDeadlineExceeded
		}
		if _, err := s.epoll.Wait(events, left); err != nil {
			return 0, err
		}
	}
}

// asError returns nil for no error, which an Errno in an interface is not.
func asError(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
