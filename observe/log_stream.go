package observe

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// A logStream reads the files of one group one after the other, oldest first,
// and stays at the end of the active one.
type logStream struct {
	filter    *Filter
	name      string // path of the active file
	component string

	segments []segment // the first is being read
	lines    *lineReader
	rotated  map[string]bool // the rotated files that are known, by uncompressed path

	head Entry     // the next entry
	full bool      // there is one
	last time.Time // of the latest entry: what cannot be dated takes this

	failed bool // the active file cannot be read, and is not tried again
}

// A segment is one file, opened when its turn comes. The active file is opened at
// once, so that a rotation does not take it away.
type segment struct {
	path string
	file io.ReadCloser // nil: not open
}

// newStream reads g from its first line that the filter may want. The active file
// is nil if there is none; it was opened before g was listed.
func newStream(g *logGroup, active *os.File, filter *Filter) *logStream {
	s := &logStream{filter: filter, name: g.active, component: g.component, rotated: g.paths()}
	for _, r := range g.rotated {
		// It may have been rotated since it was opened.
		if !r.at.Before(filter.Since) && (active == nil || !isAt(active, r.path)) {
			s.segments = append(s.segments, segment{path: r.path})
		}
	}
	s.addActive(active)
	return s
}

func (s *logStream) addActive(f *os.File) {
	if f != nil {
		s.segments = append(s.segments, segment{path: f.Name(), file: f})
	}
}

// fill finds the next entry that the filter wants, and reports false when there
// is none yet. With final it takes a last line without an end for a whole one.
func (s *logStream) fill(final bool) bool {
	for !s.full && len(s.segments) > 0 {
		if s.lines == nil && !s.openSegment() {
			continue
		}
		line, cut, err := s.lines.next()
		switch {
		case err == nil:
			s.take(line, cut)
			continue
		case len(s.segments) == 1 && !final && err == io.EOF:
			return false // more may come
		}
		if line, cut, ok := s.lines.rest(); ok {
			s.take(line, cut)
			continue
		}
		if err != io.EOF {
			s.fail(err)
			s.failed = len(s.segments) == 1
		}
		if len(s.segments) == 1 && err == io.EOF {
			return s.full
		}
		s.closeSegment()
	}
	return s.full
}

// openSegment opens the first segment, or drops it.
func (s *logStream) openSegment() bool {
	seg := &s.segments[0]
	if seg.file == nil {
		f, err := openLog(seg.path)
		if err != nil {
			// A rotated file may have been removed, as the oldest one.
			if !errors.Is(err, fs.ErrNotExist) {
				s.fail(err)
			}
			s.segments = s.segments[1:]
			return false
		}
		seg.file = f
	}
	s.lines = newLineReader(seg.file)
	return true
}

func (s *logStream) closeSegment() {
	if s.segments[0].file != nil {
		s.segments[0].file.Close()
	}
	s.segments = s.segments[1:]
	s.lines = nil
}

// take makes line the head if the filter wants it.
func (s *logStream) take(line []byte, cut bool) {
	if len(line) == 0 {
		return
	}
	if t, ok := peekTime(line); ok && t.Before(s.filter.Since) {
		s.last = t
		return
	}
	e, err := parseEntry(line)
	if err != nil {
		e = Entry{Raw: line, Broken: true}
	}
	e.Cut = cut
	s.offer(e)
}

// fail shows a file that cannot be read, as a broken line.
func (s *logStream) fail(err error) {
	s.offer(Entry{Raw: []byte(s.segments[0].path + ": " + err.Error()), Broken: true})
}

func (s *logStream) offer(e Entry) {
	if e.Broken {
		e.Time, e.Component = s.last, s.component
	}
	// Lines are queued by many goroutines, so that a file is only nearly in order.
	if e.Time.After(s.last) {
		s.last = e.Time
	}
	if s.filter.wants(&e) {
		s.head, s.full = e, true
	}
}

// refresh follows the group through a rotation, a truncation, or its files'
// removal.
func (s *logStream) refresh(g *logGroup) {
	if s.failed {
		return
	}
	active := s.active()
	if active != nil && isAt(active, g.active) {
		s.rewind(active)
		return
	}
	next, err := os.Open(g.active)
	if err != nil {
		return // between two files, perhaps
	}
	s.catchUp(g, active)
	s.addActive(next)
}

// catchUp adds the files that came and went since the last look. The first of them
// is the one that was active, if it was compressed and so cannot be compared. Names
// count, not their times: the clock may have been set back.
func (s *logStream) catchUp(g *logGroup, active *os.File) {
	first := true
	for _, r := range g.rotated {
		if s.rotated[uncompressedName(r.path)] {
			continue
		}
		compressed := r.path != uncompressedName(r.path)
		if active == nil || !(first && compressed) && !isAt(active, r.path) {
			s.segments = append(s.segments, segment{path: r.path})
		}
		first = false
	}
	s.rotated = g.paths()
}

// active returns the file at whose end the stream stays, or nil.
func (s *logStream) active() *os.File {
	if len(s.segments) == 0 {
		return nil
	}
	f, _ := s.segments[len(s.segments)-1].file.(*os.File)
	return f
}

// rewind begins anew if the file has become shorter than what was read of it.
func (s *logStream) rewind(f *os.File) {
	info, err := f.Stat()
	offset, seekErr := f.Seek(0, io.SeekCurrent)
	if err != nil || seekErr != nil || info.Size() >= offset {
		return
	}
	if _, err := f.Seek(0, io.SeekStart); err == nil {
		s.lines = nil
	}
}

func (s *logStream) close() {
	for _, seg := range s.segments {
		if seg.file != nil {
			seg.file.Close()
		}
	}
	s.segments = nil
}
