package guard

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"wirelab/internal/sys/session"
)

// armTimeout is how long the program that started the guard has to say so.
const armTimeout = 5 * time.Second

// Hold is the holding process. It returns nil when the change was confirmed or was
// no longer there, ErrReverted or ErrNotReverted otherwise. When ctx is done it
// reverts. The caller ignores SIGHUP.
func (g *Guard) Hold(ctx context.Context, id string) error {
	lock, ok, err := g.lock(guardLock)
	if err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	if !ok {
		return fmt.Errorf("guard: %w", ErrPending)
	}
	defer lock.Close()
	j, err := g.readJournal()
	if err != nil || j == nil || j.ID != id {
		return err
	}
	if done, err := g.remembered(id); done || err != nil {
		return errors.Join(err, g.removeJournal())
	}
	left := session.LeaveCgroup(unitName(id)) // where it fails, the guard ends with the control group, and reverts then
	_ = os.Remove(g.path(socketName))
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: g.path(socketName), Net: "unix"})
	if err != nil {
		return errors.Join(left, fmt.Errorf("guard: %w", err))
	}
	h := &holder{guard: g, journal: j, started: session.Boottime(), calls: make(chan call), gone: make(chan struct{}, 1), settled: make(chan struct{})}
	return h.serve(ctx, l)
}

// A holder is the holding process at work. Its state belongs to the goroutine of
// run; the others only carry calls to it.
type holder struct {
	guard   *Guard
	journal *Journal
	started time.Duration // CLOCK_BOOTTIME

	held    bool          // somebody makes the change
	applier int           // its pid while it is at work on it
	changed time.Duration // CLOCK_BOOTTIME when the change was made; 0 before
	after   []Part

	calls   chan call
	gone    chan struct{} // the applier's connection has ended
	settled chan struct{} // closed when outcome is set
	outcome error         // how the change ended; nil: confirmed
}

// A call is a request with who sent it and where the answer goes.
type call struct {
	request
	pid, uid int
	answer   chan answer
}

// serve accepts connections until the change is settled, and returns how it was.
func (h *holder) serve(ctx context.Context, l *net.UnixListener) error {
	var work sync.WaitGroup
	conns := make(chan *net.UnixConn)
	work.Go(func() {
		defer close(conns)
		for {
			conn, err := l.AcceptUnix()
			if err != nil {
				return
			}
			conns <- conn
		}
	})
	work.Go(func() {
		for conn := range conns {
			work.Go(func() { h.converse(conn) })
		}
	})
	h.outcome = h.run(ctx)
	close(h.settled)
	l.Close() // removes the socket
	work.Wait()
	return h.outcome
}

// run carries out one call after the other, and watches the applier and the clock.
func (h *holder) run(ctx context.Context) error {
	clock := time.NewTicker(100 * time.Millisecond)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return h.revert("the guard was told to end")
		case <-h.gone:
			h.applier = 0
			if h.changed == 0 {
				return h.revert("the program that made the change died")
			}
		case c := <-h.calls:
			pending, settled, err := h.carryOut(ctx, c)
			a := answer{Code: codeOf(err), Pending: pending}
			if err != nil {
				a.Message = oneLine(err)
			}
			c.answer <- a
			if settled {
				return err
			}
		case <-clock.C:
			if why := h.overdue(); why != "" {
				return h.revert(why)
			}
		}
	}
}

func (h *holder) overdue() string {
	switch {
	case h.journal.Left() <= 0 && h.changed == 0:
		return "it was not made in time"
	case h.journal.Left() <= 0:
		return fmt.Sprintf("nobody confirmed it within %v", h.journal.Confirm)
	case !h.held && session.Boottime()-h.started > armTimeout:
		return "the program that makes it is not there"
	}
	return ""
}

// carryOut does what a call asks for. When settled is true the change is confirmed
// (err is nil) or reverted.
func (h *holder) carryOut(ctx context.Context, c call) (p *Pending, settled bool, err error) {
	if c.uid != os.Geteuid() && c.uid != 0 {
		return nil, false, fmt.Errorf("guard: user %d may not ask", c.uid)
	}
	switch c.Op {
	case opHold:
		if c.ID != h.journal.ID || h.held || c.pid == 0 {
			return nil, false, fmt.Errorf("guard: %w", ErrPending)
		}
		h.held, h.applier = true, c.pid
		return h.pending(), false, nil
	case opApplied:
		settled, err = h.applied(ctx, c)
		return h.pending(), settled, err
	case opConfirm:
		err := h.confirm(ctx, c)
		return nil, err == nil || errors.Is(err, ErrReverted), err
	case opRevert:
		if c.pid == h.applier {
			h.applier = 0 // it is at rest
		}
		return nil, true, h.revert(c.Reason)
	case opStatus:
		return h.pending(), false, nil
	}
	return nil, false, fmt.Errorf("guard: request %q is not known", c.Op)
}

func (h *holder) pending() *Pending {
	return &Pending{
		ID: h.journal.ID, Title: h.journal.Title, Kinds: h.journal.Kinds(), Left: h.journal.Left(),
		Holder: os.Getpid(), Applying: h.changed == 0,
	}
}

// applied notes that the change is made, and what it made of the machine.
func (h *holder) applied(ctx context.Context, c call) (settled bool, err error) {
	if c.pid != h.applier || c.pid == 0 {
		return false, errors.New("guard: only who makes the change can say that it is made")
	}
	h.applier = 0 // it is at rest
	if h.after, err = h.guard.save(ctx, h.journal.Before); err != nil {
		return true, h.revert("the new state cannot be read: " + oneLine(err))
	}
	h.changed = session.Boottime()
	if !c.Keep {
		return false, nil
	}
	if err := h.commit("nobody had to confirm it"); err != nil {
		return true, h.revert(oneLine(err))
	}
	return true, nil
}

// confirm judges the caller, and commits.
func (h *holder) confirm(ctx context.Context, c call) error {
	switch {
	case h.changed == 0:
		return fmt.Errorf("%w yet: it is still being made", ErrNothing)
	case h.journal.Left() <= 0: // the clock had no turn yet, as after SIGSTOP
		return h.revert(h.overdue())
	}
	by, err := h.judge(c.pid)
	if err != nil {
		return err
	}
	if err := h.guard.verify(ctx, h.after); err != nil {
		return fmt.Errorf("not confirmed: what was changed is no longer as it was made: %w", err)
	}
	return h.commit("confirmed from " + by)
}

// commit makes the change one that stays.
func (h *holder) commit(why string) error {
	if err := h.guard.remember(h.journal, h.after); err != nil {
		return fmt.Errorf("not confirmed: %w", err)
	}
	_ = h.guard.writeOutcome(h.journal, Confirmed, why) // only for people
	_ = h.guard.removeJournal()                         // what is remembered is settled
	return nil
}

// revert restores the old state. A program that is still at work on the new one is
// killed first: it may have been stopped, and would go on after the revert.
func (h *holder) revert(why string) error {
	if h.applier != 0 {
		if err := session.Kill(h.applier, 5*time.Second); err != nil {
			h.guard.note("%s: %v", why, err)
		}
	}
	return h.guard.revert(h.journal, why)
}

// converse carries the calls of one connection.
func (h *holder) converse(conn *net.UnixConn) {
	defer conn.Close()
	pid, uid, err := session.PeerOf(conn)
	if err != nil {
		return
	}
	var work sync.WaitGroup
	over := make(chan struct{})
	work.Go(func() { // ends a read when there is nothing more to say
		select {
		case <-h.settled:
			_ = conn.SetReadDeadline(time.Unix(1, 0))
		case <-over:
		}
	})
	applier := false
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		c := call{pid: pid, uid: uid, answer: make(chan answer, 1)}
		if json.Unmarshal(lines.Bytes(), &c.request) != nil {
			break
		}
		a := h.put(c)
		applier = applier || c.Op == opHold && a.Code == ""
		text, _ := json.Marshal(a)
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := conn.Write(append(text, '\n')); err != nil {
			break
		}
	}
	close(over)
	work.Wait()
	if applier {
		h.gone <- struct{}{}
	}
}

// put hands a call to run. Once the change is settled the answer is how.
func (h *holder) put(c call) answer {
	select {
	case h.calls <- c:
		return <-c.answer
	case <-h.settled:
	}
	if h.outcome == nil {
		return answer{Code: codeOf(ErrNothing), Message: ErrNothing.Error() + ": it was confirmed just now"}
	}
	return answer{Code: codeOf(h.outcome), Message: oneLine(h.outcome)}
}
