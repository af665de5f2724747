package frame

import (
	"net"
	"slices"
	"testing"
	"time"

	"wirelab/internal/require"
)

// A program is made of the words that vary. The last one ends with the frame, so that
// none of it lies behind.
func TestLiveLayout(t *testing.T) {
	for _, one := range []struct{ size, from, to, words int }{
		{size: 60, from: 0, to: 0, words: 0},
		{size: 60, from: 20, to: 21, words: 1},
		{size: 60, from: 23, to: 25, words: 2},
		{size: 60, from: 56, to: 60, words: 1},
		{size: 60, from: 0, to: 60, words: 8},
		{size: 64, from: 63, to: 64, words: 1},
		{size: 61, from: 30, to: 61, words: 5},
	} {
		base := make([]byte, one.size)
		fill := func(memory []byte, stride int, n uint64, count int) {
			for i := range count {
				copy(memory[i*stride:], base)
				for at := one.from; at < one.to; at++ {
					memory[i*stride+at] = byte(n) + byte(i)
				}
			}
		}
		l, err := OpenLive(1, Series{Size: one.size, Fill: fill, Varies: true})
		require.Supported(t, err)
		defer l.Close()
		if err := l.learn(0, 3); err != nil {
			t.Fatal(err)
		}
		if len(l.words) != one.words || one.words > 0 && slices.Max(l.words) > one.size-8 {
			t.Errorf("%d to %d of %d: words at %v", one.from, one.to, one.size, l.words)
		}
		if covered := l.fill(5, 10); one.words > 0 && covered != 10 {
			t.Errorf("%d to %d of %d: the words cover %d frames of 10", one.from, one.to, one.size, covered)
		}
	}
}

// Memory is rounded up to blocks, of which there are two at least.
func TestRingMemory(t *testing.T) {
	inPair(t, "", func(_, b *net.Interface) {
		for memory, blocks := range map[int]int{1: 2, 3 * blockSize: 3, 3*blockSize + 1: 4, 0: 64 << 20 / blockSize} {
			r, err := OpenRing(RingConfig{Interface: b.Index, Memory: memory})
			if err != nil {
				t.Fatal(err)
			}
			if r.blocks != blocks || len(r.memory) != blocks*blockSize {
				t.Errorf("%d bytes: %d blocks, %d bytes", memory, r.blocks, len(r.memory))
			}
			r.Close()
		}
	})
}

// A block that is not full is kept as long as asked, and no frame of it is lost.
func TestRingLatency(t *testing.T) {
	inPair(t, "", func(a, b *net.Interface) {
		begun := time.Now() // the kernel's timer begins later
		r, err := OpenRing(RingConfig{Interface: b.Index, Latency: 400, Inbound: true})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		p, err := OpenPackets(a.Index, false)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if n, err := p.Send(series(3, 60)); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		var c Captured
		for !r.Next(&c) {
			if err := r.Wait(5 * time.Second); err != nil || time.Since(begun) > 30*time.Second {
				t.Fatal("no frame", err)
			}
		}
		if waited := time.Since(begun); waited < 350*time.Millisecond {
			t.Errorf("handed over after %v", waited)
		}
		more := 0
		for r.Next(&c) {
			more++
		}
		if more != 2 {
			t.Errorf("%d more came with it, not 2", more)
		}
	})
}

// A queue that another socket has is waited for.
func TestXDPWaitsForItsQueue(t *testing.T) {
	inPair(t, "", func(a, _ *net.Interface) {
		s := Series{Size: 60, Fill: func([]byte, int, uint64, int) {}}
		first, err := OpenXDP(a.Index, 0, s)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(50*time.Millisecond, func() { first.Close() })
		second, err := OpenXDP(a.Index, 0, s)
		if err != nil {
			t.Fatal(err)
		}
		second.Close()
	})
}
