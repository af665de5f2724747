package receiver

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"time"
)

// FirstWait is how long the answer to the first request should be waited for, and
// each further one for twice as long. A request comes behind all that was sent before,
// and may be discarded with it.
const FirstWait = 20 * time.Millisecond

// Errors of a Question: the server is no wirelab, or cannot be reached.
var (
	ErrNoAnswer = errors.New("the server does not say what it counted")
	ErrEchoed   = errors.New("the server sends back what it gets and counts nothing")
)

// A Question is a request for counts, which may be sent repeatedly from one socket, and
// what came back. Who asks sends and receives.
type Question struct {
	request Request
	echoed  bool
}

// NewQuestion returns a question with a nonce of its own; see Request for anew.
func NewQuestion(anew bool) Question {
	var b [8]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return Question{request: Request{Nonce: binary.BigEndian.Uint64(b[:]), Anew: anew}}
}

// Request returns the datagram to send.
func (q *Question) Request() []byte { return AppendRequest(nil, q.request) }

// Answer looks at a datagram that came, of which Len+1 bytes are enough, and returns
// the counts if it is the answer.
func (q *Question) Answer(b []byte) (Report, bool) {
	if c, err := ParseAnswer(b, q.request.Nonce); err == nil {
		return c, true
	}
	if r, ok := ParseRequest(b); ok && r == q.request {
		q.echoed = true
	}
	return Report{}, false
}

// Echoed reports whether the request itself came back: a server that does that gives no
// answer, however long one waits.
func (q *Question) Echoed() bool { return q.echoed }

// Unanswered returns why there was no answer in the time that was given for it:
// ErrEchoed if the request itself came back, else ErrNoAnswer.
func (q *Question) Unanswered() error {
	if q.echoed {
		return ErrEchoed
	}
	return ErrNoAnswer
}
