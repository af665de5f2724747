package guard

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"wirelab/internal/sys/session"
)

const (
	journalName   = "pending.json"
	outcomeName   = "outcome.json"
	socketName    = "guard.sock"
	logName       = "guard.log"
	applyLock     = "apply.lock"
	guardLock     = "guard.lock"
	journalSchema = "wirelab.guard.journal/1"
)

// A Journal is a change that is not settled. It is written once, before the
// change, and removed when the change is confirmed or taken back.
type Journal struct {
	Schema    string        `json:"schema"`
	ID        string        `json:"id"`
	Title     string        `json:"title"`
	Begun     time.Time     `json:"begun"` // for people: clocks can be set
	BootID    string        `json:"boot_id"`
	Namespace string        `json:"network_namespace"`
	Deadline  time.Duration `json:"deadline_boottime_ns"` // CLOCK_BOOTTIME of that boot
	Confirm   time.Duration `json:"confirm_ns"`
	Audit     uint32        `json:"audit_session"` // of who makes the change
	// Alone: no process holds the way back, for the change is made whole or not at all.
	Alone  bool   `json:"alone,omitempty"`
	Before []Part `json:"before"`
}

// Kinds returns the kinds that the change is about.
func (j *Journal) Kinds() []string {
	var kinds []string
	for _, p := range j.Before {
		kinds = append(kinds, p.Kind)
	}
	return kinds
}

// Left returns how long the change may still be confirmed. It is not positive
// once the deadline is past, or the machine has been started anew.
func (j *Journal) Left() time.Duration {
	if boot, err := session.BootID(); err != nil || boot != j.BootID {
		return 0
	}
	return j.Deadline - session.Boottime()
}

// An Outcome is how a change ended.
type Outcome struct {
	ID     string    `json:"id"`
	Title  string    `json:"title"`
	Result Result    `json:"result"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// A Result is the last word on a change.
type Result string

// The results of changes.
const (
	Confirmed Result = "confirmed"
	Reverted  Result = "reverted"
	Failed    Result = "failed" // the old state could not be restored
)

func newJournal(c Change, before []Part) (*Journal, error) {
	boot, err := session.BootID()
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	self, err := session.Read(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	return &Journal{
		Schema: journalSchema, ID: rand.Text()[:12], Title: c.Title, Begun: time.Now().UTC(),
		BootID: boot, Namespace: session.NetworkNamespace(), Audit: self.Audit, Before: before,
		Deadline: session.Boottime() + deadlineOf(c), Confirm: c.Confirm,
	}, nil
}

// deadlineOf returns how long a change may take altogether. One that is kept as
// soon as it is made has time to be made.
func deadlineOf(c Change) time.Duration {
	const unconfirmed = 2 * time.Minute
	if c.Confirm == 0 {
		return unconfirmed
	}
	return c.Confirm
}

// readJournal returns nil without an error where there is no journal.
func (g *Guard) readJournal() (*Journal, error) {
	var j Journal
	err := readJSON(g.path(journalName), &j)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("journal: %w", err)
	case j.Schema != journalSchema:
		return nil, fmt.Errorf("journal %s: form %q is not known to this version of the program", g.path(journalName), j.Schema)
	}
	if err := unpack(j.Before); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return &j, nil
}

func (g *Guard) writeJournal(j *Journal) error {
	if err := writeJSON(g.path(journalName), j); err != nil {
		return fmt.Errorf("journal, without which nothing is changed: %w", err)
	}
	return nil
}

func (g *Guard) removeJournal() error {
	if err := os.Remove(g.path(journalName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("journal: %w", err)
	}
	return syncDir(g.Dir)
}

// Last returns how the last change ended; ok is false if none has.
func (g *Guard) Last() (o Outcome, ok bool) {
	err := readJSON(g.path(outcomeName), &o)
	return o, err == nil
}

func (g *Guard) writeOutcome(j *Journal, result Result, reason string) error {
	return writeJSON(g.path(outcomeName), Outcome{ID: j.ID, Title: j.Title, Result: result, Reason: reason, At: time.Now().UTC()})
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// writeJSON replaces the file at path whole or not at all, also when the machine
// loses its power.
func writeJSON(path string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		_ = os.Remove(path + ".new")
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
