package load

import "time"

// A schedule says when clients send. All times are those since the run's origin.
//
// This one is the closed loop: a client sends its next message as soon as the last
// one was answered, until it has sent all of them or the time is over.
type schedule struct {
	messages uint64        // that a client sends; 0: no bound
	end      time.Duration // when no message is sent any more; 0: never
}

// more reports whether a client that has sent so many messages sends another one now.
func (s *schedule) more(sent uint64, now time.Duration) bool {
	return (s.messages == 0 || sent < s.messages) && (s.end == 0 || now < s.end)
}
