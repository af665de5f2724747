package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"wirelab/internal/sys/file"
)

// The errors that a caller may want to tell apart.
var (
	// ErrPending reports that an earlier change waits for its confirmation.
	ErrPending = errors.New("a change waits to be confirmed")
	// ErrBusy reports that another process is making a change right now.
	ErrBusy = errors.New("another change is being made")
	// ErrNothing reports that no change waits.
	ErrNothing = errors.New("no change waits to be confirmed")
	// ErrRefused reports a confirmation that proves nothing. The error says why.
	ErrRefused = errors.New("not confirmed")
	// ErrReverted reports that the old state is back.
	ErrReverted = errors.New("the old state is back")
	// ErrNotReverted reports that the old state could not be restored.
	ErrNotReverted = errors.New("the old state could not be restored")
	// ErrElsewhere reports a journal of another network namespace.
	ErrElsewhere = errors.New("the state directory belongs to another network namespace")
	// ErrStale reports the journal of a holding process that is gone: call Resolve.
	ErrStale = errors.New("an unfinished change was left behind")
)

// A Subject is something whose state can be saved and restored. Its functions work
// on the network namespace of the process that calls them.
type Subject struct {
	Kind string // names it in journals: never reused for something else

	// Save returns the present state. Like is nil before a change; after it, what
	// Save returned before, for a subject whose snapshots hold only the part of the
	// state that the change is about.
	Save func(ctx context.Context, like []byte) ([]byte, error)
	// Restore makes a saved state the present one again.
	Restore func(ctx context.Context, snapshot []byte) error
	// Verify reads the present state and returns an error that says what differs
	// from a saved one, nil if nothing does.
	Verify func(ctx context.Context, snapshot []byte) error
}

// A Guard makes changes to Subjects. It is a value without state of its own; that
// is all in the directory.
type Guard struct {
	Dir      string    // where the files are; made if it does not exist
	Subjects []Subject // all that a journal in Dir can name
	// Command starts the holding process: an absolute path and its arguments. The
	// guard appends the absolute Dir and the id of the change; the command is to
	// call Hold with them.
	Command []string
}

// A Change is what Apply makes.
type Change struct {
	Kinds []string // of the subjects that it changes, in the order in which it does
	Title string   // one line for people
	// Confirm is how long the guard waits for a confirmation. 0 keeps the change as
	// soon as it is made.
	Confirm time.Duration
	// Unguarded changes are made without a holding process. Only an Apply that the
	// kernel does whole or not at all may be, and only with Confirm 0.
	Unguarded bool
	Apply     func(ctx context.Context) error
	// After, for an Unguarded change that leads to a state known before it is made,
	// returns what Save would return then, or nil where it must be saved after all. It is
	// called while Apply is at work, and may be nil.
	After func() []Part
}

func (g *Guard) path(name string) string { return filepath.Join(g.Dir, name) }

func (g *Guard) subject(kind string) (Subject, error) {
	for _, s := range g.Subjects {
		if s.Kind == kind {
			return s, nil
		}
	}
	return Subject{}, fmt.Errorf("no subject %q is known to this version of the program", kind)
}

// save returns the present states of the subjects named in like.
func (g *Guard) save(ctx context.Context, like []Part) ([]Part, error) {
	var parts []Part
	for _, p := range like {
		s, err := g.subject(p.Kind)
		if err != nil {
			return nil, err
		}
		snapshot, err := s.Save(ctx, p.Snapshot)
		if err != nil {
			return nil, fmt.Errorf("save the present %s: %w", p.Kind, err)
		}
		parts = append(parts, Part{Kind: p.Kind, Snapshot: snapshot})
	}
	return parts, nil
}

// partsOf returns empty parts of the kinds.
func partsOf(kinds []string) []Part {
	var parts []Part
	for _, kind := range kinds {
		parts = append(parts, Part{Kind: kind})
	}
	return parts
}

// verify returns what differs from the parts.
func (g *Guard) verify(ctx context.Context, parts []Part) error {
	var failed []error
	for _, p := range parts {
		s, err := g.subject(p.Kind)
		if err == nil {
			err = s.Verify(ctx, p.Snapshot)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", p.Kind, err))
		}
	}
	return errors.Join(failed...)
}

// openDir makes the directory, and refuses one in which others could write.
func (g *Guard) openDir() error {
	if err := os.MkdirAll(g.Dir, 0o700); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	info, err := os.Stat(g.Dir)
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	uid, err := file.Owner(info)
	switch {
	case err != nil:
		return fmt.Errorf("state directory: %w", err)
	case uid != os.Geteuid():
		return fmt.Errorf("state directory %s belongs to user %d: take one of your own", g.Dir, uid)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("state directory %s: others may write to it: chmod go-w %s", g.Dir, g.Dir)
	}
	return nil
}

// lock takes a lock file of the directory, which the caller closes. It reports
// false when another process holds it.
func (g *Guard) lock(name string) (*os.File, bool, error) {
	f, err := os.OpenFile(g.path(name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, err
	}
	ok, err := file.Lock(f)
	if err != nil || !ok {
		f.Close()
		return nil, false, err
	}
	return f, true, nil
}

// oneLine makes one line of an error that joins several.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
