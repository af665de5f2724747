package frame

import (
	"net"
	"slices"
	"testing"
	"time"
)

// What varies is cut into the largest pieces, and these lie aligned in the table, whose
// entries are a power of two.
func TestLiveLayout(t *testing.T) {
	for _, one := range []struct {
		from, count int // the bytes that vary
		more        int // one more, if it is not 0
		want        []patch
		stride      int
	}{
		{from: 0, count: 0, stride: 0},
		{from: 20, count: 1, want: []patch{{20, 0, 1}}, stride: 1},
		{from: 20, count: 8, want: []patch{{20, 0, 8}}, stride: 8},
		{from: 20, count: 9, want: []patch{{20, 0, 8}, {28, 8, 1}}, stride: 16},
		{from: 52, count: 7, more: 10, want: []patch{{52, 0, 4}, {56, 4, 2}, {10, 6, 1}, {58, 7, 1}}, stride: 8},
	} {
		l := Live{varying: make([]byte, 64)}
		for i := range one.count {
			l.varying[one.from+i] = 0xff
		}
		if one.more != 0 {
			l.varying[one.more] = 0xff
		}
		if l.layOut(); !slices.Equal(l.patches, one.want) || l.stride != one.stride {
			t.Errorf("%d bytes from %d: %v, stride %d", one.count, one.from, l.patches, l.stride)
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
		first, err := OpenXDP(a.Index, s)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(50*time.Millisecond, func() { first.Close() })
		second, err := OpenXDP(a.Index, s)
		if err != nil {
			t.Fatal(err)
		}
		second.Close()
	})
}
