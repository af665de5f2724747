package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
)

// receiveSize is the buffer for one read from the peer: larger than any
// datagram, and enough to empty a socket in few system calls.
const receiveSize = 64 << 10

// runStream talks over TCP until both directions are closed or end is called.
func (s *session) runStream(ctx context.Context) error {
	s.together(func() { s.sendStream(ctx) }, s.receiveStream)
	switch err := context.Cause(ctx); {
	case errors.Is(err, errFinished):
		return nil
	case err != nil:
		return err
	}
	return s.sendErr
}

// sendStream sends the input and then shuts the direction down. What the peer
// no longer takes does not end the conversation: it may still have something to say.
func (s *session) sendStream(ctx context.Context) {
	for {
		b, err := s.source.next()
		if len(b) > 0 && !s.send(b) {
			return
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			s.end(err)
			return
		}
		if s.cfg.Interval > 0 {
			s.pause(ctx, s.result.MessagesOut)
		}
	}
	s.show(&Event{Kind: EventInputEnded, Time: time.Now()})
	// Both *net.TCPConn and *tls.Conn can. It fails only when the connection has
	// broken, which the receiver learns too.
	if half, ok := s.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// pause waits until the message after so many is to be sent, unless it was the last.
func (s *session) pause(ctx context.Context, sent uint64) {
	if sent >= s.cfg.Count {
		return
	}
	next := time.NewTimer(time.Until(s.start.Add(time.Duration(sent) * s.cfg.Interval)))
	defer next.Stop()
	select {
	case <-next.C:
	case <-ctx.Done():
	}
}

// send writes b and reports whether the peer still takes bytes. The event
// comes first, so that an answer is never shown before what it answers.
func (s *session) send(b []byte) bool {
	s.show(&Event{Kind: EventSent, Time: time.Now(), Offset: s.result.BytesOut, Data: b})
	n, err := s.conn.Write(b)
	s.result.BytesOut += uint64(n)
	if isBroken(err) {
		err = fmt.Errorf("%w: %w", ErrUnsent, cause(err))
	}
	if err != nil {
		s.sendErr = s.fail(OpSend, err)
		return false
	}
	s.result.MessagesOut++
	s.touch()
	return true
}

func (s *session) receiveStream() {
	buf := make([]byte, receiveSize)
	for {
		n, err := s.conn.Read(buf)
		if n > 0 {
			s.received(&Event{Time: time.Now(), Data: buf[:n]})
		}
		if err == io.EOF {
			s.peerEnded()
			return
		}
		if err != nil {
			s.end(s.fail(OpReceive, err))
			return
		}
	}
}

// received shows and counts what has come in.
func (s *session) received(e *Event) {
	e.Kind, e.Offset = EventReceived, s.result.BytesIn
	s.result.BytesIn += uint64(len(e.Data))
	s.result.MessagesIn++
	s.show(e)
	s.touch()
}

func (s *session) peerEnded() {
	s.show(&Event{Kind: EventPeerEnded, Time: time.Now()})
	if s.cfg.EndWithPeer {
		s.end(errFinished)
	}
}

// isBroken reports that the peer no longer takes bytes.
func isBroken(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}
