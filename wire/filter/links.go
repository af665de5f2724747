package filter

import "fmt"

// Links is a filter for frames of whatever link types come, compiled for each when its
// first frame does. It belongs to one goroutine.
type Links struct {
	text     string
	programs map[uint16]Program
	link     uint16 // of program
	program  Program
}

// NewLinks returns a filter. Mistakes that are mistakes for every link type are told
// here, others when a frame comes.
func NewLinks(text string) (*Links, error) {
	var first error
	for _, link := range []uint16{linkEthernet, linkSLL2} { // between them they know every word
		_, err := Compile(text, Options{Link: link})
		if err == nil {
			return &Links{text: text, programs: make(map[uint16]Program)}, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// Clone returns the same filter for another goroutine.
func (l *Links) Clone() *Links {
	return &Links{text: l.text, programs: make(map[uint16]Program)}
}

// Match reports whether the filter accepts a frame: what was captured of it, and its
// length on the wire. It allocates only for the first frame of a link type.
func (l *Links) Match(link uint16, frame []byte, length int) (bool, error) {
	if l.text == "" {
		return true, nil
	}
	if l.program == nil || link != l.link {
		if err := l.compile(link); err != nil {
			return false, err
		}
	}
	return l.program.Match(frame, length), nil
}

func (l *Links) compile(link uint16) error {
	program, ok := l.programs[link]
	if !ok {
		var err error
		if program, err = Compile(l.text, Options{Link: link}); err != nil {
			return fmt.Errorf("frames of link type %d: %w", link, err)
		}
		l.programs[link] = program
	}
	l.link, l.program = link, program
	return nil
}
