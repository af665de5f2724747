package connect

import (
	"hash/maphash"
	"sync"
	"time"
)

// A ledger knows which of the messages sent over UDP are answered. A reflection names the
// message that it is of and an echo repeats it; any other answer is of the last message.
// Without it a duplicate would stand for an answer that is lost.
type ledger struct {
	mu       sync.Mutex
	seed     maphash.Seed
	sent     uint64 // messages so far
	recent   [ledgerSize]ledgerEntry
	answered uint64
	late     uint64
	oldest   uint64 // no earlier message is waited for
}

// ledgerSize is how many messages are remembered. What comes for an earlier one is late.
const ledgerSize = 1024

type ledgerEntry struct {
	content  uint64 // its hash
	sent     time.Time
	answered bool
	given    bool // up: nobody waits for its answer any more
}

// An answerKind says what an answer is to the message that it belongs to.
type answerKind uint8

const (
	firstAnswer answerKind = iota
	lateAnswer             // after nobody waited any more
	duplicateAnswer
	forgottenAnswer // late, to a message that is not remembered
	foreignAnswer   // to a message that was never sent
)

func newLedger() *ledger { return &ledger{seed: maphash.MakeSeed()} }

// add notes that message b is about to be sent, and returns its number.
func (l *ledger) add(b []byte) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.sent
	l.recent[n%ledgerSize] = ledgerEntry{content: maphash.Bytes(l.seed, b), sent: time.Now()}
	l.sent++
	return n
}

// reflected notes the reflection of the message with that sequence number, which has 32 bits.
func (l *ledger) reflected(sequence uint32) (n uint64, kind answerKind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	back := uint64(uint32(l.sent) - 1 - sequence) // how many messages before the last
	switch {
	case back >= l.sent:
		return 0, foreignAnswer
	case back >= ledgerSize:
		return l.sent - 1 - back, forgottenAnswer
	}
	n = l.sent - 1 - back
	return n, l.settle(n)
}

// received notes an answer that is no reflection.
func (l *ledger) received(b []byte) (n uint64, kind answerKind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sent == 0 {
		return 0, foreignAnswer
	}
	n = l.match(maphash.Bytes(l.seed, b))
	return n, l.settle(n)
}

// match returns the number of the message with that content: of several, the oldest that is
// waited for, and the last message where there is none.
func (l *ledger) match(content uint64) uint64 {
	last := l.sent - 1
	found := last
	for n := last; n+ledgerSize > last && n != ^uint64(0); n-- {
		if e := &l.recent[n%ledgerSize]; e.content == content {
			if found = n; !e.answered && !e.given {
				break
			}
		}
	}
	return found
}

func (l *ledger) settle(n uint64) answerKind {
	e := &l.recent[n%ledgerSize]
	switch {
	case e.answered:
		return duplicateAnswer
	case e.given:
		e.answered = true
		l.late++
		return lateAnswer
	}
	e.answered = true
	l.answered++
	return firstAnswer
}

// sentAt returns when message n, one of the recent ones, was about to be sent.
func (l *ledger) sentAt(n uint64) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recent[n%ledgerSize].sent
}

func (l *ledger) isAnswered(n uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recent[n%ledgerSize].answered
}

// giveUp ends the wait for the answer to message n, and reports whether it is missing.
func (l *ledger) giveUp(n uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &l.recent[n%ledgerSize]
	e.given = true
	return !e.answered
}

// expire gives up, in their order, the messages that were sent before a time and are not
// answered, and tells of each.
func (l *ledger) expire(before time.Time, tell func(n uint64)) {
	for {
		n, ok := l.next(before)
		if !ok {
			return
		}
		if l.giveUp(n) {
			tell(n)
		}
	}
}

// next returns the oldest message that is waited for, if it was sent before that time.
func (l *ledger) next(before time.Time) (n uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ; l.oldest < l.sent; l.oldest++ {
		if e := &l.recent[l.oldest%ledgerSize]; !e.answered && !e.given {
			return l.oldest, e.sent.Before(before)
		}
	}
	return 0, false
}

// allSettled reports whether nothing is waited for.
func (l *ledger) allSettled() bool {
	_, waits := l.next(farFuture())
	return !waits
}

func farFuture() time.Time { return time.Now().Add(1 << 62) }
