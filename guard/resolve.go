package guard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"wirelab/internal/sys/session"
)

// Resolve settles a change whose holding process is gone: it restores the old
// state, unless the change was confirmed; one that was made alone it remembers. It
// returns how the change ended, nil if there was nothing to do, which is also the case
// while a holding process is at work. Every command that is about to read or change the state calls it first.
// A holding process that has missed its deadline by a long time, because somebody
// stopped it, is ended.
//
// Errors: ErrNotReverted, ErrElsewhere, and those of the directory.
func (g *Guard) Resolve(ctx context.Context) (*Outcome, error) {
	j, err := g.readJournal()
	if errors.Is(err, fs.ErrPermission) || j == nil {
		return nil, err
	}
	apply, ok, err := g.lock(applyLock)
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if !ok {
		return nil, nil // it is being made
	}
	defer apply.Close()
	hold, ok, err := g.lock(guardLock)
	if err == nil && !ok {
		hold, err = g.replace(ctx, j)
	}
	if err != nil || hold == nil {
		return nil, err
	}
	defer hold.Close()
	return g.settle(ctx, j.ID)
}

// settle is called with both locks held.
func (g *Guard) settle(ctx context.Context, id string) (*Outcome, error) {
	j, err := g.readJournal() // again, under the locks
	if err != nil || j == nil || j.ID != id {
		return nil, err
	}
	done, err := g.remembered(j.ID)
	if err != nil {
		return nil, err
	}
	if done {
		if err := g.removeJournal(); err != nil {
			return nil, err
		}
		return &Outcome{ID: j.ID, Title: j.Title, Result: Confirmed, Reason: "its guard died after the confirmation", At: time.Now()}, nil
	}
	boot, err := session.BootID()
	sameBoot := err == nil && boot == j.BootID
	if sameBoot && j.Namespace != session.NetworkNamespace() {
		return nil, fmt.Errorf("%w: it has the unfinished change %q", ErrElsewhere, j.Title)
	}
	if sameBoot && j.Alone {
		return g.finish(ctx, j)
	}
	if err := g.revert(j, "its guard was gone"); !errors.Is(err, ErrReverted) {
		return nil, err
	}
	return &Outcome{ID: j.ID, Title: j.Title, Result: Reverted, Reason: "its guard was gone", At: time.Now()}, nil
}

// finish does what is left of a change that was made alone. It is made unless the state
// is still the one before: then it is remembered, as its program would have done.
func (g *Guard) finish(ctx context.Context, j *Journal) (*Outcome, error) {
	o := &Outcome{ID: j.ID, Title: j.Title, Result: Reverted, Reason: "its program died before it was made", At: time.Now()}
	if g.verify(ctx, j.Before) != nil {
		after, err := g.save(ctx, j.Before)
		if err == nil {
			err = g.remember(j, after)
		}
		if err != nil {
			return nil, fmt.Errorf("the change %q was made by a program that died, and cannot be remembered: %w", j.Title, err)
		}
		o.Result, o.Reason = Confirmed, "its program died after it was made"
	}
	return o, g.removeJournal()
}

// Stale returns ErrStale with the title of a change that was left unfinished, so that
// Resolve has something to settle, and nil otherwise.
func (g *Guard) Stale() error {
	j, err := g.readJournal()
	if err != nil || j == nil {
		return nil
	}
	for _, name := range []string{applyLock, guardLock} {
		lock, ok, err := g.lock(name)
		if err != nil || !ok {
			return nil // somebody is at work on it
		}
		defer lock.Close()
	}
	return fmt.Errorf("%w: %s", ErrStale, j.Title)
}

// replace ends a holding process that is long overdue, and takes its lock. It
// returns nil without an error while that process has its time.
func (g *Guard) replace(ctx context.Context, j *Journal) (*os.File, error) {
	const late = 10 * time.Second
	if j.Left() > -late {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	h, err := g.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("guard: a process holds %s, but does not answer: %w", g.path(guardLock), err)
	}
	defer h.close()
	if _, err := h.ask(ctx, request{Op: opStatus}); err == nil {
		return nil, nil // slow, but at work
	}
	pid, _, err := session.PeerOf(h.conn)
	if err == nil {
		err = session.Kill(pid, 5*time.Second)
	}
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	lock, _, err := g.lock(guardLock) // nil where another process was faster
	return lock, err
}

// Forget drops the journal of a change that was made before the machine was
// started anew, without restoring anything: for boot, where the last confirmed
// state is applied instead. It reports whether there was one.
func (g *Guard) Forget() (bool, error) {
	j, err := g.readJournal()
	if err != nil || j == nil {
		return false, err
	}
	boot, err := session.BootID()
	if err != nil || boot == j.BootID {
		return false, err
	}
	_ = g.writeOutcome(j, Reverted, "the machine was started anew before anybody confirmed it")
	return true, g.removeJournal()
}
