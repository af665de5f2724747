package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

const (
	restoreTries   = 8
	restoreTimeout = 30 * time.Second // of one try
)

// revert restores the state before the change, reads it back, and tells how that
// went. The journal stays if it failed, for Resolve to try again.
func (g *Guard) revert(j *Journal, why string) error {
	if err := g.restore(j.Before); err != nil {
		err = fmt.Errorf("%w: %w (%s)", ErrNotReverted, err, why)
		_ = g.writeOutcome(j, Failed, oneLine(err))
		return err
	}
	_ = g.writeOutcome(j, Reverted, why) // a full disk keeps nobody out
	if err := g.removeJournal(); err != nil {
		return fmt.Errorf("%w, but %w", ErrReverted, err)
	}
	return fmt.Errorf("%w: %s", ErrReverted, why)
}

// restore restores the parts, last first, until all of them verify.
func (g *Guard) restore(parts []Part) error {
	var err error
	for try := range restoreTries {
		if try > 0 {
			time.Sleep(100 * time.Millisecond << min(try, 4))
		}
		if err = g.restoreOnce(parts); err == nil {
			return nil
		}
	}
	return err
}

func (g *Guard) restoreOnce(parts []Part) error {
	ctx, cancel := context.WithTimeout(context.Background(), restoreTimeout)
	defer cancel()
	if g.verify(ctx, parts) == nil {
		return nil // the change failed before it changed anything
	}
	var failed []error
	for _, p := range slices.Backward(parts) {
		s, err := g.subject(p.Kind)
		if err == nil {
			err = s.Restore(ctx, p.Snapshot)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("restore %s: %w", p.Kind, err))
		}
	}
	// What counts is what is there, whatever went wrong on the way.
	if err := g.verify(ctx, parts); err != nil {
		return errors.Join(append(failed, err)...)
	}
	return nil
}

// note adds a line to the guard's log.
func (g *Guard) note(format string, args ...any) {
	f, err := os.OpenFile(g.path(logName), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%s %s\n", time.Now().UTC().Format(time.RFC3339), fmt.Sprintf(format, args...))
}
