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
	filter  *linkFilter
	closers []io.Closer

	frame   capfile.Frame
	number  uint64 // of the frame in the file, from 1
	headers packet.Headers
	checks  []packet.Check
}

// openSource opens a capture file, "-" being stdin, and compiles the filter that the
// other words make.
func (a *app) openSource(name string, words []string) (*source, error) {
	s := &source{name: name, filter: newLinkFilter(strings.Join(words, " ")), checks: make([]packet.Check, 0, packet.MaxHeaders)}
	if err := s.filter.check(); err != nil {
		return nil, err
	}
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
	var err error
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
		passed, err := s.filter.match(&s.frame)
		if err != nil {
			return err
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

// offload is what the flags of a frame say of its checksums.
func offload(flags capfile.Flags) packet.Offload {
	switch {
	case flags&capfile.FlagChecksumNotReady != 0:
		return packet.OffloadPending
	case flags&capfile.FlagChecksumValid != 0:
		return packet.OffloadValid
	}
	return packet.OffloadUnknown
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

// linkFilter is a filter for frames of whatever link types a file holds.
type linkFilter struct {
	text     string
	programs map[capfile.LinkType]filter.Program
	link     capfile.LinkType // of program
	program  filter.Program
}

func newLinkFilter(text string) *linkFilter {
	return &linkFilter{text: text, programs: make(map[capfile.LinkType]filter.Program)}
}

// check compiles the filter for Ethernet, for which every word has a meaning, so that
// mistakes are told before a file is opened.
func (f *linkFilter) check() error {
	_, err := filter.Compile(f.text, filter.Options{Link: uint16(capfile.LinkEthernet)})
	if err != nil && strings.Contains(f.text, "bound") || strings.Contains(f.text, "ifindex") {
		return nil // words that only other link types know
	}
	return usageOf(err)
}

func (f *linkFilter) match(frame *capfile.Frame) (bool, error) {
	if f.text == "" {
		return true, nil
	}
	if f.program == nil || frame.Link != f.link {
		if err := f.compile(frame.Link); err != nil {
			return false, err
		}
	}
	return f.program.Match(frame.Data, frame.Length), nil
}

func (f *linkFilter) compile(link capfile.LinkType) error {
	program, ok := f.programs[link]
	if !ok {
		var err error
		if program, err = filter.Compile(f.text, filter.Options{Link: uint16(link)}); err != nil {
			return usageOf(fmt.Errorf("frames of type %v: %w", link, err))
		}
		f.programs[link] = program
	}
	f.link, f.program = link, program
	return nil
}
