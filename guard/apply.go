package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"wirelab/internal/sys/session"
)

// A Pending change has been made and waits for its confirmation.
type Pending struct {
	ID       string        `json:"id"`
	Title    string        `json:"title"`
	Kinds    []string      `json:"kinds"`
	Left     time.Duration `json:"left_ns"`
	Holder   int           `json:"guard_pid"`
	Applying bool          `json:"applying"` // it is still being made
}

// Apply makes a change. It returns the change that now waits for its
// confirmation, or nil if it was kept at once. When it returns an error, nothing is
// changed: the error wraps ErrReverted where something was, and ErrNotReverted if
// it could not be undone. A cancelled ctx reverts.
//
// Errors before the change: ErrBusy, ErrPending, ErrStale, ErrElsewhere, and
// whatever keeps the journal from being written.
func (g *Guard) Apply(ctx context.Context, c Change) (*Pending, error) {
	if err := g.openDir(); err != nil {
		return nil, err
	}
	lock, ok, err := g.lock(applyLock)
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("%w: wait until it is done", ErrBusy)
	}
	defer lock.Close()
	if err := g.nothingPending(ctx); err != nil {
		return nil, err
	}
	before, err := g.save(ctx, partsOf(c.Kinds))
	if err != nil {
		return nil, err
	}
	j, err := newJournal(c, before)
	if err != nil {
		return nil, err
	}
	if c.Unguarded {
		return nil, g.applyAlone(ctx, c, j)
	}
	return g.applyHeld(ctx, c, j)
}

func (g *Guard) nothingPending(ctx context.Context) error {
	j, err := g.readJournal()
	if j == nil || err != nil {
		return err
	}
	if j.Namespace != session.NetworkNamespace() {
		return fmt.Errorf("%w: %s", ErrElsewhere, g.Dir)
	}
	p, err := g.Pending(ctx)
	switch {
	case errors.Is(err, ErrNothing):
		return fmt.Errorf("%w: %s", ErrStale, j.Title)
	case err != nil:
		return err
	}
	return fmt.Errorf("%w: %q has %v left: confirm it or take it back first", ErrPending, p.Title, p.Left.Round(time.Second))
}

// applyAlone makes a change that needs nobody to take it back. The journal is for
// Resolve, which remembers the change where this process dies before it has.
func (g *Guard) applyAlone(ctx context.Context, c Change, j *Journal) error {
	if c.Confirm != 0 {
		return errors.New("a change that is to be confirmed needs a guard")
	}
	j.Alone = true
	packAll(j.Before)
	if err := g.writeJournal(j); err != nil {
		return err
	}
	var after []Part
	var ready sync.WaitGroup
	ready.Go(func() { // while the kernel is busy
		if c.After != nil {
			after = c.After()
			packAll(after)
		}
	})
	err := c.Apply(ctx)
	ready.Wait()
	if err != nil {
		return errors.Join(err, g.removeJournal())
	}
	if after == nil {
		after, err = g.save(context.WithoutCancel(ctx), j.Before)
	}
	if err == nil {
		err = g.remember(j, after)
	}
	if err != nil {
		return fmt.Errorf("the change is made, but cannot be remembered for rollback and boot: %w", err)
	}
	_ = g.removeJournal() // what is remembered is settled
	return nil
}

// applyHeld makes a change while another process holds the way back.
func (g *Guard) applyHeld(ctx context.Context, c Change, j *Journal) (*Pending, error) {
	if err := g.writeJournal(j); err != nil {
		return nil, err
	}
	held, err := g.start(ctx, j)
	if err != nil {
		return nil, errors.Join(err, g.removeJournal())
	}
	defer held.close()
	err = c.Apply(ctx)
	if err == nil {
		err = ctx.Err()
	}
	// What follows must be said even if ctx is done.
	ctx = context.WithoutCancel(ctx)
	if err != nil {
		_, told := held.ask(ctx, request{Op: opRevert, Reason: "it failed: " + oneLine(err)})
		if told != nil && !errors.Is(told, ErrReverted) {
			told = fmt.Errorf("%w: %w", ErrNotReverted, told)
		}
		return nil, fmt.Errorf("%w; %w", err, told)
	}
	answer, err := held.ask(ctx, request{Op: opApplied, Keep: c.Confirm == 0})
	if err != nil || c.Confirm == 0 {
		return nil, err
	}
	return answer.Pending, nil
}

// Wait returns when the change is settled, with how.
func (g *Guard) Wait(ctx context.Context, id string) (Outcome, error) {
	for {
		if o, ok := g.Last(); ok && o.ID == id {
			return o, nil
		}
		if _, err := os.Stat(g.path(journalName)); err != nil {
			if o, ok := g.Last(); ok && o.ID == id {
				return o, nil
			}
			return Outcome{}, fmt.Errorf("%w, and nothing says how the last one ended", ErrNothing)
		}
		select {
		case <-ctx.Done():
			return Outcome{}, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
