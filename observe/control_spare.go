package observe

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	mostSpares = 8
	sparePause = 5 * time.Millisecond // before another try when there is no descriptor at all
)

// A spareListener accepts requests even when others have used up the process's
// descriptors: it keeps some of its own, and gives one up for each connection that it
// could not have otherwise. That it loses one to somebody else in between is possible; it
// has several.
type spareListener struct {
	net.Listener
	mu     sync.Mutex
	spares []*os.File
	closed bool
}

func newSpareListener(l net.Listener) *spareListener {
	s := &spareListener{Listener: l}
	s.refill()
	return s
}

// Accept waits for a request.
func (s *spareListener) Accept() (net.Conn, error) {
	for {
		c, err := s.Listener.Accept()
		switch {
		case err == nil:
			s.refill()
			return &spareConn{Conn: c, listener: s}, nil
		case !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE):
			return nil, err
		}
		if !s.giveUp() {
			time.Sleep(sparePause)
			s.refill()
		}
	}
}

// Close closes the listener and the spares.
func (s *spareListener) Close() error {
	for s.giveUp() {
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	return s.Listener.Close()
}

// giveUp closes a spare descriptor, and reports whether there was one.
func (s *spareListener) giveUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.spares) == 0 {
		return false
	}
	last := len(s.spares) - 1
	s.spares[last].Close()
	s.spares = s.spares[:last]
	return true
}

// refill opens spare descriptors as far as there are any.
func (s *spareListener) refill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && len(s.spares) < mostSpares {
		spare, err := os.Open("/") // which is there, whatever is not
		if err != nil {
			return
		}
		s.spares = append(s.spares, spare)
	}
}

// A spareConn leaves its descriptor to the spares when it is closed.
type spareConn struct {
	net.Conn
	listener *spareListener
	once     sync.Once
}

func (c *spareConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.listener.refill)
	return err
}
