package load

import "time"

// A window holds the outstanding messages of a client: those from the oldest that
// is neither answered nor given up to the latest. Its memory grows with the most that
// were ever outstanding, and is kept.
type window struct {
	slots []slot // number n is in n modulo len, a power of two
	first uint64 // the oldest outstanding, if there is one
	next  uint64 // the number of the next message, from 1
	open  int    // outstanding ones among them
}

// A slot says when a message was sent; a sent of settled, that nobody waits for it.
type slot struct {
	sent time.Duration
	wall int64 // for payloads that are stamped: nanoseconds since 1970
}

const settled time.Duration = -1

// span returns the number of messages from the oldest outstanding one on.
func (w *window) span() int { return int(w.next - w.first) }

func (w *window) empty() bool { return w.open == 0 }

func (w *window) slot(n uint64) *slot { return &w.slots[n&uint64(len(w.slots)-1)] }

// latest returns the slot of the latest message, which push has added.
func (w *window) latest() *slot { return w.slot(w.next - 1) }

// oldest returns the slot of the oldest outstanding message, if there is one.
func (w *window) oldest() *slot { return w.slot(w.first) }

// push adds a message.
func (w *window) push(s slot) {
	if w.span() == len(w.slots) {
		w.grow()
	}
	*w.slot(w.next) = s
	w.next++
	w.open++
}

// retract takes the latest message back, which is outstanding and was not sent.
func (w *window) retract() {
	w.next--
	w.open--
}

func (w *window) grow() {
	wider := window{slots: make([]slot, max(2*len(w.slots), 1)), first: w.first, next: w.next}
	for n := w.first; n < w.next; n++ {
		*wider.slot(n) = *w.slot(n)
	}
	w.slots = wider.slots
}

// has reports whether message n is outstanding.
func (w *window) has(n uint64) bool {
	return w.first <= n && n < w.next && w.slot(n).sent != settled
}

// settle takes message n, which is outstanding, out of the window.
func (w *window) settle(n uint64) slot {
	s := *w.slot(n)
	w.slot(n).sent = settled
	w.open--
	for w.first < w.next && w.slot(w.first).sent == settled {
		w.first++
	}
	return s
}

// An answerLog remembers of the latest messages which were answered, so that a
// repetition is told from an answer that is late.
type answerLog struct{ bits []uint64 } // number n is bit n modulo their number, a power of two

func newAnswerLog(length int) answerLog {
	words := 1
	for words*64 < length {
		words *= 2
	}
	return answerLog{make([]uint64, words)}
}

func (a *answerLog) length() uint64 { return uint64(len(a.bits)) * 64 }

func (a *answerLog) at(n uint64) (word *uint64, bit uint64) {
	n &= a.length() - 1
	return &a.bits[n/64], 1 << (n % 64)
}

func (a *answerLog) mark(n uint64)  { word, bit := a.at(n); *word |= bit }
func (a *answerLog) clear(n uint64) { word, bit := a.at(n); *word &^= bit }

func (a *answerLog) has(n uint64) bool { word, bit := a.at(n); return *word&bit != 0 }
