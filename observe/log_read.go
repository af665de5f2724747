package observe

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"
)

// Filter says which log lines are wanted; its zero value wants all. A broken line
// has no level, and passes any.
type Filter struct {
	Components []string     // "server" also stands for "server-tcp" and "server-udp"; none: all
	Since      time.Time    // the earliest; zero: all
	Level      slog.Leveler // the least; nil: all
	Last       int          // only so many, the latest, of those that were there at the start; 0: all
}

func (f *Filter) wants(e *Entry) bool {
	if e.Time.Before(f.Since) {
		return false
	}
	return e.Broken || f.Level == nil || e.Level >= f.Level.Level()
}

// ReadLogs gives the entries of all log files in dir that the filter wants to fn,
// in the order of their times, and those in rotated files as well, compressed or
// not. It stops at the first error that fn returns, and returns it; a file or a line
// that cannot be read is a broken Entry. If there is no such directory it returns
// fs.ErrNotExist. It holds one line of each component in memory, and the Last.
func ReadLogs(dir string, filter Filter, fn func(Entry) error) error {
	m := newLogMerge(dir, &filter)
	defer m.close()
	if err := m.refresh(); err != nil {
		return err
	}
	return m.backlog(fn, true)
}

// followEvery is how often Follow looks for new lines.
const followEvery = 200 * time.Millisecond

// Follow gives fn what ReadLogs would, then each entry as it comes, until ctx is
// done, for which it returns nil. It follows the files through rotation and
// truncation, and waits for those that do not exist yet, as for dir itself.
func Follow(ctx context.Context, dir string, filter Filter, fn func(Entry) error) error {
	m := newLogMerge(dir, &filter)
	defer m.close()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	give := m.backlog
	for {
		if err := m.refresh(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := give(fn, false); err != nil {
			return err
		}
		give = m.drain
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// A logMerge brings the lines of several files into one order.
type logMerge struct {
	dir     string
	filter  *Filter
	streams map[string]*logStream // by the path of the active file
}

func newLogMerge(dir string, filter *Filter) *logMerge {
	return &logMerge{dir: dir, filter: filter, streams: make(map[string]*logStream)}
}

// refresh looks at the directory: for new components, and for what became of the
// files of those it has.
func (m *logMerge) refresh() error {
	groups, err := scanLogs(m.dir)
	if err != nil {
		return err
	}
	active := make(map[string]*os.File)
	for path, g := range groups {
		if s := m.streams[path]; s != nil {
			s.refresh(g)
			delete(groups, path)
		} else if g.matches(m.filter.Components) {
			active[path], _ = os.Open(path) // nil: only rotated ones are left
		} else {
			delete(groups, path)
		}
	}
	if len(groups) == 0 {
		return nil
	}
	// Listed again, so that what was rotated before it could be opened is there.
	again, err := scanLogs(m.dir)
	for path, g := range groups {
		if later := again[path]; err == nil && later != nil {
			g = later
		}
		m.streams[path] = newStream(g, active[path], m.filter)
	}
	return nil
}

// drain gives fn what there is. With final, a line without an end is a whole one.
func (m *logMerge) drain(fn func(Entry) error, final bool) error {
	for {
		s := m.earliest(final)
		if s == nil {
			return nil
		}
		if err := fn(s.head); err != nil {
			return err
		}
		s.full = false
	}
}

func (m *logMerge) earliest(final bool) *logStream {
	var first *logStream
	for _, s := range m.streams {
		if s.fill(final) && (first == nil || s.before(first)) {
			first = s
		}
	}
	return first
}

func (s *logStream) before(o *logStream) bool {
	return cmp.Or(s.last.Compare(o.last), cmp.Compare(s.name, o.name)) < 0
}

// backlog is drain for what is there at the start, of which only the last may be
// wanted.
func (m *logMerge) backlog(fn func(Entry) error, final bool) error {
	if m.filter.Last <= 0 {
		return m.drain(fn, final)
	}
	var last []Entry // a ring, once it is full
	n := 0
	err := m.drain(func(e Entry) error {
		if len(last) < m.filter.Last {
			last = append(last, e.clone())
		} else {
			last[n%len(last)] = e.clone()
		}
		n++
		return nil
	}, final)
	if err != nil {
		return err
	}
	for i := range last {
		if err := fn(last[(n+i)%len(last)]); err != nil {
			return err
		}
	}
	return nil
}

func (e Entry) clone() Entry {
	e.Raw = slices.Clone(e.Raw)
	e.Attrs = slices.Clone(e.Attrs)
	return e
}

func (m *logMerge) close() {
	for _, s := range m.streams {
		s.close()
	}
}
