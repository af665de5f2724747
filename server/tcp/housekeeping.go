package tcp

import (
	"context"
	"time"

	"wirelab/server"
)

const (
	// tickInterval is how exactly the server knows when a connection was last active.
	tickInterval = 100 * time.Millisecond

	// maxIdleInterval bounds, two ticks aside, how late an idle connection ends. Looking for
	// them takes time that grows with the connections.
	maxIdleInterval = time.Second

	// recoveryTime is how long no descriptor must be missed before a shortage is over: one
	// that comes and goes is one shortage, and is logged once.
	recoveryTime = time.Second
)

// uptime returns how long the server has been there. All that it measures is measured
// on this clock: the time of day can be set, and then everybody would be idle, or nobody.
func (s *Server) uptime() time.Duration { return time.Since(s.since) }

// keepTime renews the tick and ends idle connections until ctx ends.
func (s *Server) keepTime(ctx context.Context) {
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	idleAt := time.Duration(0) // when to look for idle connections
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			now := s.uptime()
			s.tick.Store(int64(now))
			s.noteRecovery(now)
			if s.cfg.IdleTimeout > 0 && now >= idleAt {
				s.endIdle(now)
				idleAt = now + min(s.cfg.IdleTimeout/100, maxIdleInterval)
			}
		}
	}
}

// endIdle ends connections that have been silent for longer than the timeout. It never
// ends one early: a connection notes the tick before its last byte, so one tick is allowed for.
func (s *Server) endIdle(now time.Duration) {
	for _, c := range s.conns.silentSince(now - s.cfg.IdleTimeout - tickInterval) {
		c.end(server.ReasonIdle)
	}
}

// noteRecovery logs that descriptors are free again, once none has been missed for a while.
func (s *Server) noteRecovery(now time.Duration) {
	if since := s.starvedAt.Load(); since != 0 && now-time.Duration(since) > recoveryTime && s.starvedAt.CompareAndSwap(since, 0) {
		s.log.Info("descriptors are free again")
	}
}
