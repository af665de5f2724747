package cli

import (
	"context"
	"runtime/debug"
	"time"
)

const (
	// burst is how many connections leave enough behind to be worth giving back.
	burst = 1000
	// calmAfter is how long nobody must have come until a burst is over.
	calmAfter = 300 * time.Millisecond
)

// giveBackMemory returns memory to the system after each burst of connections, which
// leaves what it took to accept and to log them. Silent connections make no garbage,
// so that Go would collect it only after minutes.
func giveBackMemory(ctx context.Context, accepted func() uint64) error {
	ticker := time.NewTicker(calmAfter)
	defer ticker.Stop()
	var before, given uint64
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := accepted()
		if now == before && now-given >= burst {
			debug.FreeOSMemory()
			given = now
		}
		before = now
	}
}

// accepted returns how many connections the servers have accepted so far.
func (s *service) accepted() (n uint64) {
	for _, p := range s.parts {
		if p.accepted != nil {
			n += p.accepted()
		}
	}
	return n
}
