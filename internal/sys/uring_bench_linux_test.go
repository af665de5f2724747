package sys_test

import (
	"runtime"
	"testing"

	"wirelab/internal/require"
	"wirelab/internal/sys"
)

// ringPair is two connected descriptors on one ring, where the second echoes.
type ringPair struct {
	ring        *sys.Ring
	buffers     *sys.BufferRing
	near, far   int
	completions [16]sys.Completion
}

const nearData, farData = 1, 2

func newRingPair(b *testing.B) (p *ringPair, close func()) {
	b.Helper()
	r, err := sys.NewRing(sys.RingConfig{Submissions: 64, Completions: 256})
	require.Supported(b, err)
	p = &ringPair{ring: r}
	if p.buffers, err = sys.NewBufferRing(r, 0, 16, 2048); err != nil {
		b.Fatal(err)
	}
	if err := r.Enable(); err != nil {
		b.Fatal(err)
	}
	listener, addr, err := sys.ListenStream(loopback)
	if err != nil {
		b.Fatal(err)
	}
	if p.near, _, err = sys.ConnectStream(addr); err != nil {
		b.Fatal(err)
	}
	if p.far, _, err = sys.Accept(listener); err != nil {
		b.Fatal(err)
	}
	r.Receive(p.near, 0, nearData)
	r.Receive(p.far, 0, farData)
	return p, func() {
		r.Close()
		p.buffers.Free()
		for _, fd := range []int{listener, p.near, p.far} {
			sys.Close(fd)
		}
	}
}

// roundTrip sends message and returns when the echo is back.
func (p *ringPair) roundTrip(b *testing.B, message []byte) {
	p.ring.SendNow(p.near, message, 0)
	for {
		if err := p.ring.SubmitAndWait(1, -1); err != nil {
			b.Fatal(err)
		}
		for _, c := range p.completions[:p.ring.Reap(p.completions[:])] {
			got := p.buffers.Take(c)
			if got == nil || !c.More() {
				b.Fatalf("%+v", c)
			}
			if c.Data == farData {
				p.ring.SendNow(p.far, got, 0)
				p.ring.Submit()
			}
			p.buffers.Publish()
			if c.Data == nearData {
				return
			}
		}
	}
}

// BenchmarkRingPingPong is one 64-byte message there and back, both ends on one ring.
func BenchmarkRingPingPong(b *testing.B) {
	lockThread(b)
	p, close := newRingPair(b)
	defer close()
	message := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		p.roundTrip(b, message)
	}
}

// BenchmarkRingPoll is a call of the kernel that finds nothing.
func BenchmarkRingPoll(b *testing.B) {
	lockThread(b)
	p, close := newRingPair(b)
	defer close()
	b.ReportAllocs()
	for b.Loop() {
		if err := p.ring.SubmitAndWait(0, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func lockThread(b *testing.B) {
	runtime.LockOSThread()
	b.Cleanup(runtime.UnlockOSThread)
}
