package tcp

import (
	"errors"
	"slices"
	"syscall"
	"time"

	"wirelab/internal/sys"
	"wirelab/internal/sys/process"
	"wirelab/server"
	"wirelab/server/internal/counts"
)

// Room for descriptors that is made before any connection comes: for at most mostReserved
// connections (half a megabyte of kernel memory), and for what the process has besides.
const (
	mostReserved      = 1 << 16
	descriptorsBeside = 64
)

// reserveDescriptors makes room for the connections to come, so that no accept has to
// wait for it.
func (s *Server) reserveDescriptors() {
	n := mostReserved
	if s.cfg.MaxConns > 0 {
		n = min(n, s.cfg.MaxConns+descriptorsBeside)
	}
	if err := process.ReserveDescriptors(n); err != nil && !errors.Is(err, sys.ErrUnsupported) {
		s.log.Warn("connections that come at once may wait for room", "err", err)
	}
}

// admit decides whether an accepted connection is served. If so it is listed,
// its session is open, and the engine must retire it. If not, the refusal is
// counted and logged, and the engine closes it.
func (s *Server) admit(c *Conn) bool {
	if why := s.refusal(c); why != server.NotEnded {
		s.logRefusal(c, why)
		return false
	}
	c.begin(s.cfg.Handler.Open(c))
	s.log.Info("connected", "conn", c.id, "peer", c.peer)
	return true
}

// logRefusal logs that c was refused, within what a person can read: a refused peer can
// come again at once.
func (s *Server) logRefusal(c *Conn, why server.Reason) {
	s.mu.Lock()
	allowed, hidden := s.refusals.Allow(time.Now()), uint64(0)
	if allowed {
		hidden = s.refusals.TakeHidden()
	}
	s.mu.Unlock()
	if allowed {
		counts.LogHidden(s.log, "refusals", hidden)
		s.log.Warn("connection refused", "peer", c.peer, "reason", why.String())
	}
}

// refusal lists c, or counts and returns why it cannot be.
func (s *Server) refusal(c *Conn) server.Reason {
	if ok, why := s.cfg.Access.Check(c.peer.Addr()); !ok {
		s.conns.refuse(why)
		return why
	}
	return s.conns.add(c, s.cfg.MaxConns, s.cfg.MaxPerIP)
}

// retire ends the bookkeeping of an admitted connection; seen is what its
// engine saw at the end. The engine has closed it, or does so right after.
func (s *Server) retire(c *Conn, seen server.Reason) {
	c.closeOutbox()
	why := c.reason(seen)
	c.session.Close()
	s.conns.remove(c, why)
	t := c.traffic()
	s.log.Info("disconnected", "conn", c.id, "peer", c.peer, "reason", why.String(),
		"bytes_in", t.BytesIn, "bytes_out", t.BytesOut, "duration", (s.uptime() - c.since).Round(time.Microsecond).String())
}

// acceptFailed deals with an error of accepting: it returns how long to wait
// before the next try, or ok false when the listener is of no more use. Being
// out of descriptors is logged once, not for each try.
func (s *Server) acceptFailed(err error) (wait time.Duration, ok bool) {
	switch {
	case passing(err):
		s.count("aborted_before_accept")
		return 0, true
	case outOfResources(err):
		s.count("accept_starved")
		if s.starvedAt.Swap(int64(s.uptime())) == 0 {
			s.log.Error("out of descriptors: new connections wait until others end", "err", err, "open", len(s.conns.all()))
		}
		return starvedPause, true
	}
	return 0, false
}

// starvedPause is how long accepting rests when no descriptor is free: short
// against a person's patience, long against the work of trying.
const starvedPause = 20 * time.Millisecond

// passing reports an error of a connection that died before it was accepted:
// Linux hands it over through accept, which is to be tried again (accept(2)).
func passing(err error) bool {
	return isErrno(err, syscall.ECONNABORTED, syscall.ENETDOWN, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.EHOSTDOWN,
		syscall.EHOSTUNREACH, syscall.EOPNOTSUPP, syscall.ENETUNREACH, syscall.EPERM, syscall.ETIMEDOUT)
}

func outOfResources(err error) bool {
	return isErrno(err, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM)
}

func isErrno(err error, any ...syscall.Errno) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && slices.Contains(any, errno)
}
