package server

import "testing"

// A connection that is to finish can be broken off, and then not for another reason.
func TestEndBreaksOffWhatIsToFinish(t *testing.T) {
	for _, before := range []Reason{notEnded, ReasonDrained, ReasonTooLong} {
		var l countingLink
		c := newQuietServer(TCPConfig{}).list(&l)
		c.ended.Store(uint32(before))
		c.Push(make([]byte, maxOutbox))
		c.Push([]byte("too much"))
		c.end(ReasonKicked)
		if why := c.reason(ReasonReset); why != ReasonTooSlow || l.aborted.Load() != 1 {
			t.Errorf("after %q it was broken off %d times, for %q", before, l.aborted.Load(), why)
		}
	}
}
