package load

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"wirelab/internal/spoken"

	"wirelab/internal/sys"
	"wirelab/internal/sys/stream"
)

// A secured is the TLS of a client's connection. While the handshake goes on, a goroutine
// of its own has it, and waits; after that its loop has it, and never waits: then what
// [tls.Conn] reads and writes is what the socket has and takes at once.
type secured struct {
	*tls.Conn
	wire wire
}

// errAgain says that the socket has nothing now. It is temporary, so that [tls.Conn] goes
// on where it was.
type errAgain struct{}

func (errAgain) Error() string   { return "nothing to read" }
func (errAgain) Timeout() bool   { return true }
func (errAgain) Temporary() bool { return true }

// A wire carries the records of a TLS connection.
type wire struct {
	net.Conn             // not there: a wire has what tls.Conn uses
	fd       int         // -1 once closed
	unsent   []byte      // records that the socket did not take
	wait     func() bool // until the socket may be ready; false: no longer. nil: nobody waits
}

func (w *wire) Read(b []byte) (int, error) {
	for {
		n, errno := stream.TryReceive(w.fd, b)
		switch {
		case errno == syscall.EAGAIN && w.wait == nil:
			return 0, errAgain{}
		case errno == syscall.EAGAIN && !w.wait():
			return 0, os.ErrDeadlineExceeded
		case errno == syscall.EAGAIN:
		case errno != 0:
			return 0, errno
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (w *wire) Write(b []byte) (int, error) {
	w.unsent = append(w.unsent, b...)
	for {
		if errno := w.flush(); errno != 0 {
			return 0, errno
		}
		if len(w.unsent) == 0 || w.wait == nil {
			return len(b), nil
		}
		if !w.wait() {
			return 0, os.ErrDeadlineExceeded
		}
	}
}

// flush sends what the socket takes now.
func (w *wire) flush() syscall.Errno {
	n, errno := stream.TrySend(w.fd, w.unsent)
	if errno == syscall.EAGAIN {
		errno = 0
	}
	w.unsent = w.unsent[:copy(w.unsent, w.unsent[n:])]
	return errno
}

func (w *wire) SetDeadline(time.Time) error      { return nil } // wait knows it
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
func (w *wire) Close() error                     { return nil } // the client's socket is its loop's to close

// handshakes are those under way of a loop's clients.
type handshakes struct {
	running sync.WaitGroup
	mu      sync.Mutex
	done    []handshake
}

// A handshake that has ended.
type handshake struct {
	client     uint32
	generation uint32
	err        error
}

const handshakePause = 200 * time.Microsecond // between looks at the socket of a handshake

// secure begins the TLS of c, which has just connected.
func (l *loop) secure(c *client) {
	deadline := time.Now().Add(l.run.cfg.Timeout - (l.clock - c.since))
	s := &secured{wire: wire{fd: c.fd}}
	s.wire.wait = func() bool {
		time.Sleep(handshakePause)
		return time.Now().Before(deadline) && !l.run.stopped.Load()
	}
	s.Conn = tls.Client(&s.wire, l.run.cfg.TLS)
	c.tls, c.state = s, securing
	ended := handshake{client: c.index, generation: c.generation}
	l.handshaking++
	l.handshakes.running.Go(func() {
		ended.err = s.HandshakeContext(context.Background())
		l.handshakes.mu.Lock()
		l.handshakes.done = append(l.handshakes.done, ended)
		l.handshakes.mu.Unlock()
		l.wake()
	})
}

// takeHandshakes goes on with the clients whose handshakes have ended.
func (l *loop) takeHandshakes() {
	if l.handshaking == 0 {
		return
	}
	l.handshakes.mu.Lock()
	done := l.handshakes.done
	l.handshakes.done = nil
	l.handshakes.mu.Unlock()
	for _, h := range done {
		l.handshaking--
		c := &l.clients[h.client]
		c.tls.wire.wait = nil
		l.now()
		switch {
		case errors.Is(h.err, os.ErrDeadlineExceeded):
			l.fail(c, "TLS handshake timed out")
		case h.err != nil:
			l.fail(c, "TLS: "+tlsReason(h.err))
		default:
			l.established(c)
		}
	}
}

// tlsReason names why a handshake failed, the same for every client.
func tlsReason(err error) string {
	var errno syscall.Errno
	switch {
	case errors.Is(err, io.EOF):
		return "closed by the server"
	case errors.As(err, &errno):
		return sys.ErrorName(errno)
	}
	return spoken.Error(err)
}

// trySend is [stream.TrySend] on the connection of c. With TLS all is taken, unless records
// still wait for the socket.
func (l *loop) trySend(c *client, p []byte) (int, syscall.Errno) {
	if c.tls == nil {
		return stream.TrySend(c.fd, p)
	}
	if errno := c.tls.wire.flush(); errno != 0 {
		return 0, errno
	}
	if len(c.tls.wire.unsent) > 0 {
		return 0, syscall.EAGAIN
	}
	n, err := c.tls.Write(p)
	return n, errnoOf(err)
}

// tryReceive is [stream.TryReceive] on the connection of c.
func (l *loop) tryReceive(c *client, p []byte) (int, syscall.Errno) {
	if c.tls == nil {
		return stream.TryReceive(c.fd, p)
	}
	n, err := c.tls.Read(p)
	if n > 0 || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, 0
	}
	return 0, errnoOf(err)
}

// errnoOf returns the kernel's error behind one of TLS; what is none is EPROTO.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, new(errAgain)):
		return syscall.EAGAIN
	case errors.As(err, &errno):
		return errno
	}
	return syscall.EPROTO
}

// shutdownWrite tells the server of c that nothing more will come.
func (l *loop) shutdownWrite(c *client) error {
	if c.tls != nil {
		if err := c.tls.CloseWrite(); err != nil {
			return err
		}
		if len(c.tls.wire.unsent) > 0 {
			return nil // writable goes on
		}
	}
	return stream.ShutdownWrite(c.fd)
}

// flush sends records of c that wait.
func (l *loop) flush(c *client) {
	if errno := c.tls.wire.flush(); errno != 0 {
		l.fail(c, sys.ErrorName(errno))
	}
}

// flushEnd sends records of c that wait, and then that nothing more will come.
func (l *loop) flushEnd(c *client) {
	if c.tls == nil || len(c.tls.wire.unsent) == 0 {
		return
	}
	if l.flush(c); c.fd >= 0 && len(c.tls.wire.unsent) == 0 {
		_ = stream.ShutdownWrite(c.fd) // of a connection that has ended it is too late
	}
}
