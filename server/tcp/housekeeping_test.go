package tcp

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// countingLink is an engine's hold on a connection that notes what is asked of it.
type countingLink struct{ flushed, inputEnded, aborted atomic.Int32 }

func (l *countingLink) flush()    { l.flushed.Add(1) }
func (l *countingLink) endInput() { l.inputEnded.Add(1) }
func (l *countingLink) abort()    { l.aborted.Add(1) }

// newQuietServer makes a server without an engine.
func newQuietServer(cfg Config) *Server {
	return &Server{cfg: cfg, since: time.Now(), conns: newConnTable(), log: slog.New(slog.DiscardHandler)}
}

// list puts a connection without a socket into the server's table.
func (s *Server) list(l link) *Conn {
	c := newConn(s, s.addr, l)
	s.conns.add(c, 0, 0)
	return c
}

// What is silent for longer than the timeout is ended within a second, and nobody
// else. The clock for it begins with the server: the time of day does not matter.
func TestIdleTimeoutOnTheServersOwnClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 10 * time.Minute
		s := newQuietServer(Config{IdleTimeout: timeout})
		var silent, talking countingLink
		s.list(&silent)
		talker := s.list(&talking)
		ctx, cancel := context.WithCancel(t.Context())
		go s.keepTime(ctx)

		time.Sleep(timeout - 10*time.Second)
		talker.touch()
		if active := time.Duration(talker.active.Load()); active > timeout || active < timeout-11*time.Second {
			t.Errorf("bytes moved at %v of the server's clock", active)
		}
		time.Sleep(10 * time.Second)
		if n := silent.aborted.Load(); n != 0 {
			t.Error("ended before the timeout has passed")
		}
		time.Sleep(maxIdleInterval + 2*tickInterval)
		if n := silent.aborted.Load(); n != 1 {
			t.Errorf("after the timeout it was ended %d times", n)
		}
		if st := talker.status(s.uptime()); talking.aborted.Load() != 0 || st.Idle > (12*time.Second).Microseconds() {
			t.Errorf("who spoke meanwhile was ended, or is idle for %d us", st.Idle)
		}
		cancel()
		synctest.Wait()
	})
}

// Who speaks more often than the timeout is never ended, however short that is: the
// server knows only the tick before.
func TestShortIdleTimeoutSparesTheBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQuietServer(Config{IdleTimeout: tickInterval / 2})
		var talking countingLink
		talker := s.list(&talking)
		ctx, cancel := context.WithCancel(t.Context())
		go s.keepTime(ctx)
		for range 100 {
			time.Sleep(tickInterval / 5)
			talker.touch()
		}
		if talking.aborted.Load() != 0 {
			t.Error("it was ended")
		}
		time.Sleep(4 * tickInterval)
		if talking.aborted.Load() != 1 {
			t.Error("when it has fallen silent, it is not ended")
		}
		cancel()
		synctest.Wait()
	})
}

// A connection is not silent for longer than it has been there.
func TestIdleIsNotMoreThanTheAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQuietServer(Config{})
		time.Sleep(tickInterval - 1) // the server knows only of the tick before
		c := s.list(new(countingLink))
		time.Sleep(time.Millisecond)
		if idle := c.status(s.uptime()).Idle; idle != time.Millisecond.Microseconds() {
			t.Errorf("after a millisecond it is idle for %d us", idle)
		}
	})
}

// A shortage is over when no descriptor was missed for a while, whenever that is.
func TestShortageIsOverAfterAWhile(t *testing.T) {
	s := newQuietServer(Config{})
	s.starvedAt.Store(int64(time.Hour))
	s.noteRecovery(time.Hour + recoveryTime)
	if s.starvedAt.Load() == 0 {
		t.Error("it was over too early")
	}
	s.noteRecovery(time.Hour + recoveryTime + 1)
	if s.starvedAt.Load() != 0 {
		t.Error("it is not over")
	}
}
