package clock

import "time"

const (
	// sequenceWindow is how far behind the highest number a packet may come and
	// still be told apart as late or duplicate.
	sequenceWindow = 1024
	// sequenceDropout is the longest gap that is believed to be loss. A number
	// farther ahead, or behind the window, is a stray or the first of a new count.
	sequenceDropout = 1 << 20
	// sequenceSilence is how long a sender must have been silent for an old number
	// to begin a new count: no network delays or repeats packets by so much.
	sequenceSilence = 3 * time.Second
)

// Sequence accounts for a stream of packets by their 32-bit sequence numbers,
// which wrap. The zero Sequence is ready for the first packet. It has a fixed size.
//
// A number from far outside the window is doubted: only when the next packet bears
// the number after it does a new count begin there, as RFC 3550 (appendix A.1) does it;
// alone it counts as reordered if it is behind, and not at all if it is ahead.
type Sequence struct {
	started, doubting bool
	highest           uint32
	span              uint32    // numbers in the window that belong to this count
	confirming        uint32    // with doubting: the number after the doubted one
	last              time.Time // when the last packet came
	expected          uint64    // numbers from the first of a count to its highest, all counts
	distinct          uint64    // of those, the ones that came
	reordered         uint64
	duplicate         uint64
	restarts          uint64
	seen              [sequenceWindow / 64]uint64 // bit n%window: number n came, for the latest numbers
}

// Add accounts for the packet with that number, which came at that time.
func (s *Sequence) Add(number uint32, at time.Time) {
	last := s.last
	s.last = at
	ahead := int32(number - s.highest)
	switch {
	case !s.started:
		s.begin(number)
	case s.doubting && number == s.confirming:
		s.confirm()
	case ahead > sequenceDropout:
		s.doubt(number)
	case ahead > 0:
		s.advance(uint32(ahead))
	case at.Sub(last) > sequenceSilence:
		s.restarts++
		s.begin(number)
	case ahead <= -sequenceWindow:
		s.doubt(number)
	default:
		s.late(number)
	}
}

// Counts returns how many numbers never came, how many packets came after one
// with a higher number, and how many came again.
func (s *Sequence) Counts() (lost, reordered, duplicate uint64) {
	return s.expected - s.distinct, s.reordered, s.duplicate
}

func (s *Sequence) doubt(number uint32) {
	s.doubting, s.confirming = true, number+1
	if int32(number-s.highest) < 0 {
		s.reordered++
	}
}

// confirm begins a count with the number that was doubted and the one after it.
func (s *Sequence) confirm() {
	number := s.confirming - 1
	if int32(number-s.highest) < 0 {
		s.reordered-- // it was not behind, it was new
	}
	s.restarts++
	s.begin(number)
	s.advance(1)
}

// begin starts a count, whose first number came.
func (s *Sequence) begin(number uint32) {
	s.started, s.doubting = true, false
	s.highest, s.span = number, 1
	clear(s.seen[:])
	s.expected++
	s.mark(number)
}

// advance moves the window up by n, to a number that came.
func (s *Sequence) advance(n uint32) {
	s.doubting = false
	s.expected += uint64(n)
	s.span = min(s.span+n, sequenceWindow)
	for i := range min(n, sequenceWindow) {
		s.unmark(s.highest + n - i)
	}
	s.highest += n
	s.mark(s.highest)
}

// late takes a number in the window that is not above the highest.
func (s *Sequence) late(number uint32) {
	s.doubting = false
	if s.seen[number%sequenceWindow/64]&(1<<(number%64)) != 0 {
		s.duplicate++
		return
	}
	s.reordered++
	s.mark(number)
	if span := s.highest - number + 1; span > s.span { // from before what was first
		s.expected += uint64(span - s.span)
		s.span = span
	}
}

func (s *Sequence) mark(number uint32) {
	s.distinct++
	s.seen[number%sequenceWindow/64] |= 1 << (number % 64)
}

func (s *Sequence) unmark(number uint32) {
	s.seen[number%sequenceWindow/64] &^= 1 << (number % 64)
}
