package server

import (
	"errors"
	"io"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// lingerTime bounds how long a connection that the server ends first is read
// and thrown away, so that a late byte of the peer does not make the kernel reset
// the connection and destroy the answer before the peer has read it.
const lingerTime = time.Second

// A stream is a socket whose calls block: what the goroutine and the thread
// engines have in common. One goroutine, its owner, uses it; send, endInput and
// abort may be called by others too, as long as it is not closed, the last two
// also afterwards.
type stream interface {
	// open does what comes before the first byte: a TLS handshake, if any.
	open() error
	// receive waits for bytes. They, and scratch, are the owner's until the next
	// receive. io.EOF is the end of input, whether the peer or endInput brought it.
	receive() ([]byte, error)
	// scratch returns an empty buffer to answer in.
	scratch() []byte
	// send writes all of p, and waits for the peer to take it.
	send(p []byte) error
	// closeWrite tells the peer that nothing more will come.
	closeWrite() error
	// linger reads and drops until end of input or for d.
	linger(d time.Duration)
	// endInput makes receive return io.EOF after what has already arrived.
	endInput()
	// abort makes receive and send fail.
	abort()
	// close frees the socket.
	close()
	// threadID returns the id of the OS thread that the owner is bound to, or 0.
	threadID() int
}

// conversation runs one connection's turns over a stream that blocks, and is
// that connection's link to everyone else.
type conversation struct {
	conn     *Conn
	stream   stream
	sendMu   sync.Mutex     // order between answers and what others push
	flushers sync.WaitGroup // short-lived goroutines that send what others push
}

// converse hosts one accepted connection on the calling goroutine until it ends.
func (s *TCP) converse(peer netip.AddrPort, st stream) {
	defer st.close()
	v := &conversation{stream: st}
	v.conn = newConn(s, peer, v)
	v.conn.thread = st.threadID()
	if !s.admit(v.conn) {
		return
	}
	seen := v.run()
	s.retire(v.conn, seen)
	st.abort()
	v.flushers.Wait()
}

// run takes turns until the connection has ended, and returns what ended it.
func (v *conversation) run() Reason {
	c := v.conn
	if err := v.stream.open(); err != nil {
		c.server.log.Warn("no TLS handshake", "conn", c.id, "peer", c.peer, "err", err)
		return ReasonTLS
	}
	answer, next := c.turn(nil, false, v.stream.scratch())
	for eof := false; ; {
		if err := v.answer(answer); err != nil {
			return ReasonReset
		}
		if next == Finish {
			return v.finish(eof)
		}
		var got []byte
		if next == Wait {
			var err error
			if got, err = v.stream.receive(); err != nil && !errors.Is(err, io.EOF) {
				return ReasonReset
			}
			eof = len(got) == 0
		}
		answer, next = c.turn(got, eof, v.stream.scratch())
	}
}

func (v *conversation) answer(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	v.sendMu.Lock()
	defer v.sendMu.Unlock()
	return v.sendCounted(p)
}

func (v *conversation) sendCounted(p []byte) error {
	if err := v.stream.send(p); err != nil {
		return err
	}
	v.conn.sent(len(p))
	return nil
}

// sendOutbox sends what others have pushed to this connection.
func (v *conversation) sendOutbox() error {
	v.sendMu.Lock()
	defer v.sendMu.Unlock()
	for {
		p := v.conn.takeOutbox()
		if p == nil {
			return nil
		}
		if err := v.sendCounted(p); err != nil {
			return err
		}
	}
}

// finish closes a connection in such an order that the peer gets all that was
// said, and returns who ended it.
func (v *conversation) finish(eof bool) Reason {
	if err := v.sendOutbox(); err != nil {
		return ReasonReset
	}
	if err := v.stream.closeWrite(); err != nil && !errors.Is(err, syscall.ENOTCONN) {
		return ReasonReset
	}
	if eof && !v.conn.ending() {
		return ReasonPeer
	}
	v.stream.linger(lingerTime)
	return ReasonFinished
}

// flush implements link. A blocked owner cannot send, so another goroutine does.
func (v *conversation) flush() {
	v.flushers.Go(func() {
		if v.sendOutbox() != nil {
			v.stream.abort() // the owner finds out why
		}
	})
}

// endInput implements link.
func (v *conversation) endInput() { v.stream.endInput() }

// abort implements link.
func (v *conversation) abort() { v.stream.abort() }
