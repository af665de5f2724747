package load

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// drainAll reads to the end and counts.
func drainAll(n *atomic.Uint64) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		k, _ := io.Copy(io.Discard, c)
		n.Add(uint64(k))
	}
}

func TestFloodArrives(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{"pattern", "seq", "random:1"} {
		for _, size := range []int{1, 64, 1000, 300_000} {
			t.Run(spec, func(t *testing.T) {
				var read atomic.Uint64
				r := mustRun(t, Config{Target: serveStream(t, drainAll(&read)), Clients: 3, Messages: 50, Flood: true, Payload: mustParse(t, spec, size)})
				want := 150 * uint64(size)
				if err := r.Verify(); err != nil || r.Sent != 150 || r.Messages != 150 || r.BytesSent != want || read.Load() != want || r.UnreadBytes != 0 {
					t.Errorf("%v: the server read %d of %d: %+v", err, read.Load(), want, r)
				}
				if !r.Flooded() || r.RatePerS <= 0 || r.BytesPerS <= 0 || r.Lost != 0 {
					t.Errorf("%+v", r)
				}
			})
		}
	}
}

func TestFloodLastsAsLongAsItShould(t *testing.T) {
	var read atomic.Uint64
	r := mustRun(t, Config{Target: serveStream(t, drainAll(&read)), Clients: 4, Duration: 100 * time.Millisecond, Flood: true, Ramp: 40 * time.Millisecond})
	if err := r.Verify(); err != nil || r.ElapsedS < 0.1 || r.BytesSent != read.Load() || r.Sent == 0 || r.Messages != r.Sent {
		t.Errorf("%v: the server read %d: %+v", err, read.Load(), r)
	}
}

// What is sent is the messages, one after the other, whatever the socket takes at a time.
func TestFloodSendsMessagesInOrder(t *testing.T) {
	const size, messages = 1003, 2000
	p := mustParse(t, "seq", size)
	differs := make(chan int, 1)
	addr := serveStream(t, func(c *net.TCPConn) {
		got, _ := io.ReadAll(c)
		var want []byte
		for n := range uint64(messages) {
			want = p.Append(want, 0, n+1, time.Time{})
		}
		at := -1
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				at = i
				break
			}
		}
		differs <- at
	})
	r := mustRun(t, Config{Target: addr, Clients: 1, Messages: messages, Flood: true, Payload: p})
	if at := <-differs; r.Verify() != nil || at >= 0 {
		t.Errorf("%v: differs at %d", r.Verify(), at)
	}
}

// An echo server floods back, which must not make both wait for each other.
func TestFloodOfAnEchoServer(t *testing.T) {
	r := mustRun(t, Config{Target: serveStream(t, echo), Clients: 2, Messages: 200, Flood: true, Payload: mustParse(t, "pattern", 100_000)})
	if err := r.Verify(); err != nil || r.BytesReceived != r.BytesSent {
		t.Errorf("%v: %+v", err, r)
	}
}

func TestFloodFaults(t *testing.T) {
	t.Parallel()
	big := mustParse(t, "pattern", 1<<20)
	tests := []struct {
		name   string
		serve  func(context.Context, *net.TCPConn)
		errors map[string]uint64
	}{
		{"never reads", func(ctx context.Context, c *net.TCPConn) { <-ctx.Done() }, map[string]uint64{"nothing taken in time": 2}},
		{"reads a little", func(ctx context.Context, c *net.TCPConn) {
			io.ReadFull(c, make([]byte, 1000))
			<-ctx.Done()
		}, map[string]uint64{"nothing taken in time": 2}},
		{"resets", func(_ context.Context, c *net.TCPConn) {
			io.ReadFull(c, make([]byte, 1000))
			c.SetLinger(0)
		}, map[string]uint64{"connection reset": 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			addr := serveStream(t, func(c *net.TCPConn) { test.serve(t.Context(), c) })
			r := mustRun(t, Config{Target: addr, Clients: 2, Messages: 100, Flood: true, Payload: big, Timeout: 200 * time.Millisecond})
			if r.Verify() == nil || r.Sent >= r.Messages {
				t.Errorf("%v: %+v", r.Verify(), r)
			}
			if r.RatePerS*float64(r.SizeBytes) > 1.001*r.BytesPerS {
				t.Errorf("%v messages/s of %d bytes are not %v bytes/s", r.RatePerS, r.SizeBytes, r.BytesPerS)
			}
			if test.errors["nothing taken in time"] > 0 && r.ElapsedS < 0.2 {
				t.Errorf("the time in which nothing was taken does not count: %vs", r.ElapsedS)
			}
			wantErrors(t, r, test.errors)
		})
	}
}

// All is sent but not all read: the rest lies in buffers, and is not called arrived.
func TestFloodNotReadToTheEnd(t *testing.T) {
	addr := serveStream(t, func(c *net.TCPConn) { <-t.Context().Done() })
	r := mustRun(t, Config{Target: addr, Clients: 1, Messages: 1, Flood: true, Payload: mustParse(t, "pattern", 1000), Timeout: 100 * time.Millisecond})
	if r.Verify() == nil || r.Sent != 1 {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
	wantErrors(t, r, map[string]uint64{"not read to the end in time": 1})
}

// A flood that breaks off leaves bytes in this host's buffers, which did not arrive.
// The server that is seen here takes what its host's buffers hold, and no more.
func TestFloodThatBreaksOff(t *testing.T) {
	const timeout = 100 * time.Millisecond // how long the client's buffers take to fill up, and more
	tests := []struct {
		name string
		cfg  Config
		ends func(c *net.TCPConn, interrupt func())
	}{
		{"interrupted", Config{Duration: time.Hour}, func(_ *net.TCPConn, interrupt func()) { interrupt() }},
		{"interrupted at its end", Config{Duration: timeout / 2}, func(_ *net.TCPConn, interrupt func()) { interrupt() }},
		{"reset", Config{Duration: time.Hour}, func(c *net.TCPConn, _ func()) { c.SetLinger(0) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			cfg := test.cfg
			cfg.Target = serveStream(t, func(c *net.TCPConn) {
				time.Sleep(timeout)
				if test.ends(c, interrupt); test.name != "reset" {
					<-t.Context().Done()
				}
			})
			cfg.Network, cfg.Clients, cfg.Flood, cfg.Payload = "tcp", 1, true, mustParse(t, "pattern", 1<<16)
			r, err := Run(ctx, cfg)
			if err != nil {
				t.Fatal(err)
			}
			checkAccounts(t, r)
			if r.UnreadBytes == 0 || r.UnreadBytes >= r.BytesSent || r.BytesPerS*r.ElapsedS > 1.001*float64(r.BytesSent-r.UnreadBytes) {
				t.Errorf("%d of %d bytes not read, %v/s in %v s", r.UnreadBytes, r.BytesSent, r.BytesPerS, r.ElapsedS)
			}
			if r.Interrupted == (test.name == "reset") {
				t.Errorf("interrupted %v, errors %v", r.Interrupted, r.Errors)
			}
		})
	}
}

func TestFloodBufferRepeatsTheMessage(t *testing.T) {
	p := mustParse(t, "text:abc", 0)
	b := newFloodBuffer(p)
	if len(b)%3 != 0 || len(b) < floodChunk-3 || !bytes.Equal(b[len(b)-6:], []byte("abcabc")) {
		t.Errorf("%d bytes, the last %q", len(b), b[len(b)-6:])
	}
	if huge := mustParse(t, "pattern", floodChunk+1); len(newFloodBuffer(huge)) != floodChunk+1 {
		t.Error("a message larger than a chunk is not sent as a whole")
	}
}
