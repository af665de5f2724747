package connect

import (
	"io"
	"time"
)

// A source yields what is to be sent, one message at a time. The bytes that
// next returns are valid until it is called again, and are to be sent even
// when an error comes with them; io.EOF is the end.
type source interface {
	next() ([]byte, error)
	io.Closer
}

// inputSize is the most that one Read of Input is asked for, and so the
// largest datagram made of it: as with nc.
const inputSize = 16 << 10

func newSource(cfg *Config) source {
	if cfg.Message != nil {
		return &messageSource{append: cfg.Message, count: cfg.Count, unused: cfg.Input}
	}
	input := &inputSource{input: cfg.Input, buf: make([]byte, inputSize)}
	if cfg.CRLF {
		return &crlfSource{source: input}
	}
	return input
}

type inputSource struct {
	input io.ReadCloser
	buf   []byte
}

func (s *inputSource) next() ([]byte, error) {
	if s.input == nil {
		return nil, io.EOF
	}
	n, err := s.input.Read(s.buf)
	return s.buf[:n], err
}

func (s *inputSource) Close() error { return closeIfSet(s.input) }

// crlfSource puts CR before each LF that has none.
type crlfSource struct {
	source
	last byte
	buf  []byte
}

func (s *crlfSource) next() ([]byte, error) {
	b, err := s.source.next()
	s.buf = s.buf[:0]
	for _, c := range b {
		if c == '\n' && s.last != '\r' {
			s.buf = append(s.buf, '\r')
		}
		s.buf, s.last = append(s.buf, c), c
	}
	return s.buf, err
}

type messageSource struct {
	append   func(dst []byte, n uint64, now time.Time) []byte
	n, count uint64
	buf      []byte
	unused   io.ReadCloser
}

func (s *messageSource) next() ([]byte, error) {
	if s.n == s.count {
		return nil, io.EOF
	}
	s.buf = s.append(s.buf[:0], s.n, time.Now())
	s.n++
	return s.buf, nil
}

func (s *messageSource) Close() error { return closeIfSet(s.unused) }

func closeIfSet(c io.Closer) error {
	if c == nil {
		return nil
	}
	return c.Close()
}
