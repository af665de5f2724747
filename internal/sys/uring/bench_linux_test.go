package uring_test

import (
	"net/netip"
	"runtime"
	"testing"

	"wirelab/internal/require"
	"wirelab/internal/sys/stream"
	"wirelab/internal/sys/uring"
)

// ringPair is two connected descriptors on one ring, where the second echoes.
type ringPair struct {
	ring        *uring.Ring
	buffers     *uring.BufferRing
	near, far   int
	completions [16]uring.Completion
}

const nearData, farData = 1, 2

func newRingPair(b *testing.B) (p *ringPair, close func()) {
	b.Helper()
	r, err := uring.New(uring.Config{Submissions: 64, Completions: 256})
	require.Supported(b, err)
	p = &ringPair{ring: r}
	if p.buffers, err = uring.NewBufferRing(r, 0, 16, 2048); err != nil {
		b.Fatal(err)
	}
	if err := r.Enable(); err != nil {
		b.Fatal(err)
	}
	listener, addr, err := stream.Listen(loopback)
	if err != nil {
		b.Fatal(err)
	}
	if p.near, _, err = stream.Connect(addr); err != nil {
		b.Fatal(err)
	}
	if p.far, _, err = stream.Accept(listener); err != nil {
		b.Fatal(err)
	}
	r.Receive(p.near, 0, nearData)
	r.Receive(p.far, 0, farData)
	return p, func() {
		r.Close()
		p.buffers.Free()
		for _, fd := range []int{listener, p.near, p.far} {
			stream.Close(fd)
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

var loopback = netip.MustParseAddrPort("127.0.0.1:0")
