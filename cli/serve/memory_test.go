package serve

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryIsGivenBackAfterABurst(t *testing.T) {
	forced := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumForcedGC
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var accepted, used atomic.Uint64
		done := make(chan error)
		go func() {
			done <- giveBackMemory(ctx, accepted.Load, func() time.Duration { return time.Duration(used.Load()) })
		}()
		for _, step := range []struct {
			more  uint64
			given bool
		}{{10, false}, {burst - 11, false}, {1, true}, {0, false}, {burst - 1, false}, {burst, true}} {
			before := forced()
			accepted.Add(step.more)
			time.Sleep(calmAfter)
			synctest.Wait()
			if forced() != before {
				t.Errorf("given back at %d, while they come", accepted.Load())
			}
			time.Sleep(2 * calmAfter)
			synctest.Wait()
			if given := forced() != before; given != step.given {
				t.Errorf("after %d connections, given back: %v", accepted.Load(), given)
			}
		}
		accepted.Add(burst)
		before := forced()
		for range 10 {
			used.Add(uint64(calmTime))
			time.Sleep(calmAfter)
			synctest.Wait()
		}
		if forced() != before {
			t.Error("given back while there was much to do")
		}
		used.Add(uint64(calmTime - 1))
		time.Sleep(calmAfter)
		synctest.Wait()
		if forced() == before {
			t.Error("not given back after that")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
