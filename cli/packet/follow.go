package packet

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"wirelab/cli/term"
	"wirelab/packet"
)

// maxWaiting bounds what one direction of a stream keeps that came before its turn, where
// each segment costs waitingCost beside its bytes.
const (
	maxWaiting  = 4 << 20
	waitingCost = 128
)

// stream puts one direction of a TCP connection in order.
type stream struct {
	first   uint32 // sequence number of the first byte
	next    uint32 // sequence number of the next byte
	started bool
	waiting map[uint32]captured
	held    int
}

// captured is the content of a segment, as far as the capture has it.
type captured struct {
	data []byte
	cut  uint32 // bytes behind data
}

// An emitter takes what is in order; missing bytes are told of with emit(nil, n).
type emitter func(data []byte, missing uint32)

// add takes a segment and emits what is now in order. What is sent twice is emitted
// once. A SYN with another sequence number begins a new connection.
func (s *stream) add(sequence uint32, syn bool, content captured, emit emitter) {
	if syn {
		sequence++
	}
	if syn && sequence != s.first || !s.started && len(content.data) > 0 {
		s.flush(emit)
		s.first, s.next, s.started = sequence, sequence, true
	}
	if len(content.data) == 0 {
		return
	}
	if int32(sequence-s.next) > 0 {
		s.keep(sequence, content, emit)
		return
	}
	s.deliver(sequence, content, emit)
	s.release(emit)
}

// deliver emits what of a segment is new.
func (s *stream) deliver(sequence uint32, content captured, emit emitter) {
	if old, n := s.next-sequence, uint32(len(content.data)); old < n {
		emit(content.data[old:], 0)
		s.next = sequence + n
	}
	if end := sequence + uint32(len(content.data)) + content.cut; content.cut > 0 && int32(end-s.next) > 0 {
		emit(nil, end-s.next)
		s.next = end
	}
}

func (s *stream) keep(sequence uint32, content captured, emit emitter) {
	if s.waiting == nil {
		s.waiting = make(map[uint32]captured)
	}
	old := s.waiting[sequence]
	if old.data == nil {
		s.held += waitingCost
	}
	if len(old.data) < len(content.data) {
		s.held += len(content.data) - len(old.data)
		s.waiting[sequence] = captured{append([]byte(nil), content.data...), content.cut}
	}
	if s.held > maxWaiting {
		s.jump(emit)
	}
}

// release emits what waited for its turn.
func (s *stream) release(emit emitter) {
	for again := true; again; {
		again = false
		for sequence, content := range s.waiting {
			if int32(sequence-s.next) <= 0 {
				delete(s.waiting, sequence)
				s.held -= len(content.data) + waitingCost
				s.deliver(sequence, content, emit)
				again = true
			}
		}
	}
}

// nearest returns the sequence number of the nearest segment that waits, if one does.
func (s *stream) nearest() (nearest uint32, found bool) {
	for sequence := range s.waiting {
		if !found || int32(sequence-nearest) < 0 {
			nearest, found = sequence, true
		}
	}
	return nearest, found
}

// jump gives up the missing bytes before the nearest segment that waits.
func (s *stream) jump(emit emitter) {
	if nearest, found := s.nearest(); found {
		emit(nil, nearest-s.next)
		s.next = nearest
		s.release(emit)
	}
}

// acknowledged gives up missing bytes that the receiver says it has: the capture lost them.
func (s *stream) acknowledged(number uint32, emit emitter) {
	for len(s.waiting) > 0 && int32(number-s.next) > 0 {
		if nearest, _ := s.nearest(); int32(number-nearest) < 0 {
			return
		}
		s.jump(emit)
	}
}

// flush emits all that waits.
func (s *stream) flush(emit emitter) {
	for len(s.waiting) > 0 {
		s.jump(emit)
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
		f.ways[back].flush(f.emitter(back))
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
	begin, end := int(h.Offset+h.Length), int(h.End)
	there := max(begin, min(end, len(s.frame.Data)))
	content := captured{s.frame.Data[begin:there], uint32(max(0, end-there))}
	if b[13]&flagACK != 0 && f.ways[1-back].started {
		f.ways[1-back].acknowledged(binary.BigEndian.Uint32(b[8:]), f.emitter(1-back))
	}
	f.ways[back].add(binary.BigEndian.Uint32(b[4:]), b[13]&flagSYN != 0, content, f.emitter(back))
}

// The flags of TCP that say what a sequence number and an acknowledgment mean.
const (
	flagSYN = 2
	flagACK = 16
)

// emitter returns what prints pieces of one direction.
func (f *follower) emitter(back int) emitter {
	return func(data []byte, missing uint32) { f.piece(back, data, missing) }
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
