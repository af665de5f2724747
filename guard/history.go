package guard

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// keep is how many confirmed states of each kind are kept.
const keep = 10

const historySchema = "wirelab.guard.confirmed/1"

// An Entry is a confirmed state.
type Entry struct {
	Schema string    `json:"schema"`
	Number int       `json:"number"` // counts from 1 and is never given twice
	ID     string    `json:"id"`     // of the change that led to it
	Title  string    `json:"title"`
	At     time.Time `json:"at"`
	Before []Part    `json:"before,omitempty"` // what the change found
	Parts  []Part    `json:"parts"`
}

// Part returns the state of a kind; ok is false if the entry has none.
func (e Entry) Part(kind string) (p Part, ok bool) {
	i := slices.IndexFunc(e.Parts, func(p Part) bool { return p.Kind == kind })
	if i < 0 {
		return Part{}, false
	}
	return e.Parts[i], true
}

// History returns the confirmed states that have a part of the kind, oldest first:
// ten at most. The first one may be what there was before the first change.
func (g *Guard) History(kind string) ([]Entry, error) {
	all, err := g.entries()
	if err != nil {
		return nil, err
	}
	of := slices.DeleteFunc(all, func(e Entry) bool { _, ok := e.Part(kind); return !ok })
	of = of[max(0, len(of)-keep):]
	for _, e := range of {
		if err := errors.Join(unpack(e.Before), unpack(e.Parts)); err != nil {
			return nil, fmt.Errorf("confirmed state %d: %w", e.Number, err)
		}
	}
	return of, nil
}

// Latest returns the state of the kind that was confirmed last.
func (g *Guard) Latest(kind string) (e Entry, ok bool, err error) {
	of, err := g.History(kind)
	if err != nil || len(of) == 0 {
		return Entry{}, false, err
	}
	return of[len(of)-1], true, nil
}

// entries returns all confirmed states, oldest first, with their parts packed.
func (g *Guard) entries() ([]Entry, error) {
	names, err := filepath.Glob(g.path("confirmed/*.json"))
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, name := range names {
		var e Entry
		if err := readJSON(name, &e); err != nil {
			return nil, fmt.Errorf("confirmed states: %w", err)
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return a.Number - b.Number })
	return entries, nil
}

// remember adds confirmed states. That the file is there is what makes a change a
// confirmed one. Of a kind that has no state yet it first adds the one before.
func (g *Guard) remember(j *Journal, after []Part) error {
	entries, err := g.entries()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(g.path("confirmed"), 0o700); err != nil {
		return fmt.Errorf("confirmed states: %w", err)
	}
	next := 1
	if len(entries) > 0 {
		next = entries[len(entries)-1].Number + 1
	}
	first := firstParts(entries, j.Before)
	if len(first) > 0 {
		before := Entry{historySchema, next, j.ID + "-before", "before the first change", j.Begun, nil, first}
		if err := g.writeEntry(before); err != nil {
			return err
		}
		entries = append(entries, before)
		next++
	}
	e := Entry{historySchema, next, j.ID, j.Title, time.Now().UTC(), j.Before, after}
	if err := g.writeEntry(e); err != nil {
		return err
	}
	g.forget(append(entries, e))
	return nil
}

// firstParts returns the parts of whose kind there is no entry.
func firstParts(entries []Entry, parts []Part) []Part {
	return slices.DeleteFunc(slices.Clone(parts), func(p Part) bool {
		return slices.ContainsFunc(entries, func(e Entry) bool { _, ok := e.Part(p.Kind); return ok })
	})
}

func (g *Guard) entryPath(number int) string {
	return g.path(fmt.Sprintf("confirmed/%06d.json", number))
}

func (g *Guard) writeEntry(e Entry) error {
	if err := writeJSON(g.entryPath(e.Number), e); err != nil {
		return fmt.Errorf("confirmed states: %w", err)
	}
	return nil
}

// forget removes entries of which each kind has newer ones enough. One that cannot
// be removed does no harm.
func (g *Guard) forget(entries []Entry) {
	newer := make(map[string]int)
	for _, e := range slices.Backward(entries) {
		needed := false
		for _, p := range e.Parts {
			newer[p.Kind]++
			needed = needed || newer[p.Kind] <= keep
		}
		if !needed {
			_ = os.Remove(g.entryPath(e.Number))
		}
	}
}

// remembered reports whether the change was confirmed.
func (g *Guard) remembered(id string) (bool, error) {
	entries, err := g.entries()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return slices.ContainsFunc(entries, func(e Entry) bool { return e.ID == id }), nil
}
