package serve

import (
	"context"
	"runtime/debug"
	"time"

	"wirelab/internal/sys/process"
)

const (
	// burst is how many connections leave enough behind to be worth giving back.
	burst = 1000
	// calmAfter is how long nobody must have come, and how long there must have been
	// little to do, until a burst is over.
	calmAfter = 300 * time.Millisecond
	// calmTime is how much processor time is little in that.
	calmTime = calmAfter / 20
)

// giveBackMemory returns memory to the system after each burst of connections, which
// leaves what it took to accept and to log them. Silent connections make no garbage,
// so that Go would collect it only after minutes. It waits until there is little to
// do: those who are being served would notice. It is given how many connections were
// accepted, and how much processor time the process has used so far.
func giveBackMemory(ctx context.Context, accepted func() uint64, used func() time.Duration) error {
	ticker := time.NewTicker(calmAfter)
	defer ticker.Stop()
	var before, given uint64
	var usedBefore time.Duration
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now, usedNow := accepted(), used()
		if now == before && usedNow-usedBefore < calmTime && now-given >= burst {
			debug.FreeOSMemory()
			given = now
		}
		before, usedBefore = now, usedNow
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

// processorTime returns how much this process has used; 0 where that cannot be told.
func processorTime() time.Duration {
	used, _ := process.CPUTime()
	return used
}
