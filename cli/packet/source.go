package packet

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"wirelab/cli/term"
	"wirelab/packet"
	"wirelab/wire/capfile"
	"wirelab/wire/filter"
)

// scanned is a frame with its headers and verdicts.
type scanned struct {
	frame      *capfile.Frame
	number     uint64              // in the file or of the capture, from 1
	interfaces []capfile.Interface // that frames come from
	headers    packet.Headers
	checks     []packet.Check
}

// scan finds the headers of the frame and judges its checksums. It allocates once.
func (s *scanned) scan() {
	if s.checks == nil {
		s.checks = make([]packet.Check, 0, packet.MaxHeaders)
	}
	f := s.frame
	packet.Scan(packet.LinkType(f.Link), f.Data, max(f.Length, len(f.Data)), &s.headers)
	s.checks = packet.Verify(f.Data, &s.headers, offload(f.Flags), s.checks[:0])
}

// source is a capture file with the frames that a filter lets through. It allocates
// nothing per frame.
type source struct {
	scanned
	one     capfile.Frame // that was read last
	name    string
	reader  *capfile.Reader
	filter  *filter.Links
	closers []io.Closer
	ctx     context.Context
	stop    func() bool // waiting for ctx; nil for stdin
}

// openSource opens a capture file, "-" being stdin, and compiles the filter that the
// other words make. When ctx ends, reading does, even from a pipe.
func (a *app) openSource(ctx context.Context, name string, words []string) (*source, error) {
	links, err := filter.NewLinks(strings.Join(words, " "))
	if err != nil {
		return nil, usageOf(err)
	}
	s := &source{name: name, filter: links, ctx: ctx}
	s.frame = &s.one
	in := a.Stdin
	if name != "-" {
		file, err := term.Await(ctx, func() (*os.File, error) { return os.Open(name) })
		if path := (*fs.PathError)(nil); errors.As(err, &path) {
			return nil, term.Usagef("%w", err)
		}
		if err != nil {
			return nil, err
		}
		s.closers = append(s.closers, file)
		s.stop = context.AfterFunc(ctx, func() { file.Close() })
		in = file
		if strings.HasSuffix(name, ".gz") {
			if in, err = gzip.NewReader(file); err != nil {
				s.Close()
				return nil, reading(name, err)
			}
		}
	}
	if s.reader, err = capfile.NewReader(in); err != nil {
		s.Close()
		return nil, reading(name, err)
	}
	return s, nil
}

// reading says which file it was that could not be read, unless err does.
func reading(name string, err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return err
	}
	return fmt.Errorf("read %s: %w", name, err)
}

func (s *source) Close() {
	if s.stop != nil {
		s.stop()
	}
	for _, c := range s.closers {
		c.Close()
	}
}

// next reads the next frame that passes the filter, which the caller scans, and returns
// io.EOF at the end.
func (s *source) next() error {
	for {
		if err := s.reader.Next(s.frame); err != nil {
			return cmp.Or(s.ctx.Err(), err)
		}
		s.number++
		passed, err := s.filter.Match(uint16(s.frame.Link), s.frame.Data, s.frame.Length)
		if err != nil {
			return usageOf(err)
		}
		if passed {
			s.interfaces = s.reader.Interfaces()
			return nil
		}
	}
}

// damageOf returns the damage that ended a file, nil for its end, and other errors as
// they are.
func damageOf(err error) (*capfile.DamageError, error) {
	var damage *capfile.DamageError
	switch {
	case err == nil, err == io.EOF:
		return nil, nil
	case errors.As(err, &damage):
		return damage, nil
	}
	return nil, err
}
