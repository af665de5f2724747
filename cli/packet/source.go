package packet

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"wirelab/packet"
	"wirelab/wire/capfile"
	"wirelab/wire/filter"
)

// source is a capture file with the frames that a filter lets through, each scanned
// and verified. It allocates nothing per frame.
type source struct {
	name    string
	reader  *capfile.Reader
	filter  *filter.Links
	closers []io.Closer

	frame   capfile.Frame
	number  uint64 // of the frame in the file, from 1
	headers packet.Headers
	checks  []packet.Check
}

// openSource opens a capture file, "-" being stdin, and compiles the filter that the
// other words make.
func (a *app) openSource(name string, words []string) (*source, error) {
	links, err := filter.NewLinks(strings.Join(words, " "))
	if err != nil {
		return nil, usageOf(err)
	}
	s := &source{name: name, filter: links, checks: make([]packet.Check, 0, packet.MaxHeaders)}
	in := a.Stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		s.closers = append(s.closers, file)
		in = file
		if strings.HasSuffix(name, ".gz") {
			if in, err = gzip.NewReader(file); err != nil {
				s.Close()
				return nil, fmt.Errorf("read %s: %w", name, err)
			}
		}
	}
	if s.reader, err = capfile.NewReader(in); err != nil {
		s.Close()
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return s, nil
}

func (s *source) Close() {
	for _, c := range s.closers {
		c.Close()
	}
}

// next reads the next frame that passes the filter and returns io.EOF at the end.
func (s *source) next() error {
	for {
		if err := s.reader.Next(&s.frame); err != nil {
			return err
		}
		s.number++
		passed, err := s.filter.Match(uint16(s.frame.Link), s.frame.Data, s.frame.Length)
		if err != nil {
			return usageOf(err)
		}
		if passed {
			s.scan()
			return nil
		}
	}
}

func (s *source) scan() {
	f := &s.frame
	packet.Scan(packet.LinkType(f.Link), f.Data, f.Length, &s.headers)
	s.checks = packet.Verify(f.Data, &s.headers, offload(f.Flags), s.checks[:0])
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
