package packet

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"wirelab/cli/term"
	"wirelab/packet"
)

// maxWaiting bounds what one direction of a stream keeps that came before its turn.
const maxWaiting = 4 << 20

// stream puts one direction of a TCP connection in order.
type stream struct {
	next    uint32 // sequence number of the next byte
	started bool
	waiting map[uint32][]byte
	held    int
}

// add takes a segment and calls emit with what is now in order. What is sent twice is
// emitted once; missing bytes are told of with emit(nil, n).
func (s *stream) add(sequence uint32, syn bool, data []byte, emit func(data []byte, missing uint32)) {
	if syn {
		s.next, s.started = sequence+1, true
		sequence++
	}
	if len(data) == 0 {
		return
	}
	if !s.started {
		s.next, s.started = sequence, true
	}
	if int32(sequence-s.next) > 0 {
		s.keep(sequence, data, emit)
		return
	}
	s.deliver(sequence, data, emit)
	s.release(emit)
}

// deliver emits what of a segment is new.
func (s *stream) deliver(sequence uint32, data []byte, emit func([]byte, uint32)) {
	if old := s.next - sequence; old < uint32(len(data)) {
		emit(data[old:], 0)
		s.next += uint32(len(data)) - old
	}
}

func (s *stream) keep(sequence uint32, data []byte, emit func([]byte, uint32)) {
	if s.waiting == nil {
		s.waiting = make(map[uint32][]byte)
	}
	if len(s.waiting[sequence]) < len(data) {
		s.held += len(data) - len(s.waiting[sequence])
		s.waiting[sequence] = append([]byte(nil), data...)
	}
	if s.held > maxWaiting {
		s.jump(emit)
	}
}

// release emits what waited for its turn.
func (s *stream) release(emit func([]byte, uint32)) {
	for again := true; again; {
		again = false
		for sequence, data := range s.waiting {
			if int32(sequence-s.next) <= 0 {
				delete(s.waiting, sequence)
				s.held -= len(data)
				s.deliver(sequence, data, emit)
				again = true
			}
		}
	}
}

// jump gives up the missing bytes before the nearest segment that waits.
func (s *stream) jump(emit func([]byte, uint32)) {
	nearest, found := uint32(0), false
	for sequence := range s.waiting {
		if !found || int32(sequence-nearest) < 0 {
			nearest, found = sequence, true
		}
	}
	if found {
		emit(nil, nearest-s.next)
		s.next = nearest
		s.release(emit)
	}
}

// flowPiece is a piece of a conversation for programs: wirelab.packet.follow/1.
type flowPiece struct {
	Schema  string `json:"schema"`
	TimeNs  int64  `json:"time_ns"`
	From    string `json:"from"`
	To      string `json:"to"`
	Data    []byte `json:"data_base64,omitempty"`
	Missing uint32 `json:"missing_bytes,omitempty"`
}

// follow prints what one TCP conversation carried, in order, both directions.
func (a *app) follow(s *source, number uint64) error {
	out := bufio.NewWriterSize(a.Stdout, 64<<10)
	f := &follower{app: a, out: out, number: number, known: newConversations()}
	damage, err := damageOf(f.readAll(s))
	if err != nil {
		return err
	}
	for back := range f.ways {
		for len(f.ways[back].waiting) > 0 {
			f.ways[back].jump(func(data []byte, missing uint32) { f.piece(back, data, missing) })
		}
	}
	if err := term.UnlessGone(firstError(f.err, out.Flush())); err != nil {
		return err
	}
	if damage != nil {
		return term.FailedCheck(fmt.Errorf("%s: %w", s.name, damage))
	}
	if !f.found {
		return term.FailedCheck(fmt.Errorf("%s has %s; see them with --stats", s.name, term.Counted(f.known.tcp, "TCP conversation")))
	}
	return nil
}

type follower struct {
	app    *app
	out    *bufio.Writer
	number uint64
	known  *conversations
	found  bool
	one    conversation
	ways   [2]stream
	time   int64
	err    error
}

func (f *follower) readAll(s *source) error {
	for f.err == nil {
		if err := s.next(); err != nil {
			return err
		}
		s.scan()
		e, transport, ok := endpointsOf(s.frame.Data, &s.headers)
		if !ok || e.protocol != packet.TCP {
			continue
		}
		at, back := f.known.find(e)
		if at < 0 || f.known.list[at].number != f.number {
			continue
		}
		f.found, f.one, f.time = true, f.known.list[at], s.frame.Time
		f.segment(s, back, s.headers.All()[transport])
	}
	return io.EOF
}

func (f *follower) segment(s *source, back int, h packet.Header) {
	b := s.frame.Data[h.Offset : h.Offset+h.Length]
	if len(b) < 20 {
		return
	}
	begin := int(h.Offset + h.Length)
	end := min(int(h.End), len(s.frame.Data))
	syn := b[13]&2 != 0
	f.ways[back].add(binary.BigEndian.Uint32(b[4:]), syn, s.frame.Data[min(begin, end):end], func(data []byte, missing uint32) {
		f.piece(back, data, missing)
	})
}

// piece prints a piece of the conversation.
func (f *follower) piece(back int, data []byte, missing uint32) {
	from, to := f.one.from, f.one.to
	if back == 1 {
		from, to = to, from
	}
	if f.app.JSON {
		f.err = firstError(f.err, f.out.Flush(), f.app.PrintEvent(flowPiece{"wirelab.packet.follow/1", f.time, from.String(), to.String(), data, missing}))
		return
	}
	p := f.app.Colors(f.app.Stdout)
	head := fmt.Sprintf("%s > %s, %s", from, to, term.Counted(uint64(len(data)), "byte"))
	if data == nil {
		head = fmt.Sprintf("%s > %s: %s are not in the capture", from, to, term.Counted(uint64(missing), "byte"))
	}
	fmt.Fprintln(f.out, p.Bold(head))
	escaper := term.Escaper{W: f.out}
	_, err := escaper.Write(data)
	f.err = firstError(f.err, err, escaper.Finish())
}
