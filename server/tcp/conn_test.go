package tcp

import (
	"testing"

	"wirelab/server"
)

// A connection that is to finish can be broken off, and then not for another reason.
func TestEndBreaksOffWhatIsToFinish(t *testing.T) {
	for _, before := range []server.Reason{server.NotEnded, server.ReasonDrained, server.ReasonTooLong} {
		var l countingLink
		c := newQuietServer(Config{}).list(&l)
		c.ended.Store(uint32(before))
		c.Push(make([]byte, maxOutbox))
		c.Push([]byte("too much"))
		c.end(server.ReasonKicked)
		if why := c.reason(server.ReasonReset); why != server.ReasonTooSlow || l.aborted.Load() != 1 {
			t.Errorf("after %q it was broken off %d times, for %q", before, l.aborted.Load(), why)
		}
	}
}
