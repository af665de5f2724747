package tcp_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"wirelab/internal/require"
	"wirelab/server"
	"wirelab/server/tcp"
	"wirelab/server/tcp/handlers"
)

// TestAbuse lets peers do to a server what peers do on bad networks and on bad
// days. After each abuse the server serves others as if nothing had happened, has
// counted everyone who came, and (see serve) leaves nothing behind.
func TestAbuse(t *testing.T) {
	abuses := []struct {
		name    string
		handler string
		idle    time.Duration // after which the server ends a connection; 0: never
		abuse   func(*abused)
	}{
		{"peers reset while they are answered", "echo", 0, resetWhileAnswered},
		{"peers vanish without a word", "echo", idleTimeout, vanish},
		{"one byte at a time", "echo", 0, oneByteAtATime},
		{"half-closed and silent", "echo", 0, halfClosedAndSilent},
		{"lines without end to chat", "chat", 0, endlessLines},
		{"lines without end to timediff", "timediff", 0, endlessLines},
		{"port scans", "echo", 0, scan},
		{"connects and aborts", "echo", 0, connectAndAbort(require.Volume(300, 10_000))},
		{"connects and aborts to chat", "chat", 0, connectAndAbort(require.Volume(150, 1000))},
		{"bytes and aborts to discard", "discard", 0, byteAndAbort},
		{"bytes and aborts to timediff", "timediff", 0, byteAndAbort},
		{"talk among peers who come and go", "chat", 0, talkAmongAborts},
		{"kicked while busy", "echo", 0, kickWhileBusy},
	}
	for _, a := range abuses {
		t.Run(a.name, func(t *testing.T) {
			onEveryEngine(t, func(t *testing.T, engine string) { abuse(t, engine, a.handler, a.idle, a.abuse) })
		})
	}
}

// TestAbuseByMany is TestAbuse for what fills the machine, or is measured by the memory of
// the process.
func TestAbuseByMany(t *testing.T) {
	abuses := []struct {
		name    string
		handler string
		idle    time.Duration
		abuse   func(*abused)
	}{
		{"many connections at once", "echo", 0, crowd},
		{"peers that never read", "echo", 0, neverRead("echo", 256<<10, "others")},
		{"many short lines to timediff, and no reading", "timediff", 0, neverRead("\n", 512<<10, "")},
		{"many short lines to chat, and no reading", "chat", 0, neverRead("/who\n", 512<<10, "")},
		{"chargen that nobody reads", "chargen", idleTimeout / 2, neverReadTorrent},
	}
	for _, a := range abuses {
		t.Run(a.name, func(t *testing.T) {
			onEachEngineAlone(t, func(t *testing.T, engine string) { abuse(t, engine, a.handler, a.idle, a.abuse) })
		})
	}
}

// abuse has a server abused, and checks that it recovers.
func abuse(t *testing.T, engine, handler string, idle time.Duration, abuse func(*abused)) {
	s := &abused{running: serve(t, engine, handler, narrow, func(cfg *tcp.Config) { cfg.IdleTimeout = idle })}
	abuse(s)
	s.recovers()
}

// idleTimeout is that of a server that has no other way to know who has vanished. Tests
// are silent for less, even on a busy machine.
const idleTimeout = 2 * time.Second

// abused is a server that knows how many peers have connected to it.
type abused struct {
	*running
	came atomic.Uint64
}

// connect returns a connection that its peer closes.
func (r *abused) connect() (*net.TCPConn, error) {
	c, err := net.DialTimeout("tcp", r.Addr().String(), patience)
	if err != nil {
		return nil, err
	}
	r.came.Add(1)
	c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn), nil
}

// dial returns a connection that is closed at the test's end.
func (r *abused) dial() *net.TCPConn {
	r.t.Helper()
	r.came.Add(1)
	return r.running.dial()
}

// recovers checks that everyone who came was counted and is gone, and that a new
// peer is served.
func (r *abused) recovers() {
	r.t.Helper()
	r.everyoneHasGone()
	c := r.dial()
	if r.Status().Handler == "echo" {
		if got := roundTrip(r.t, c, "as ever"); got != "as ever" {
			r.t.Errorf("afterwards the answer is %q", got)
		}
	}
	r.eventually("a new peer is in", func(st tcp.Status) bool { return st.Accepted+st.Events["aborted_before_accept"] == r.came.Load() })
	c.Close()
	r.everyoneHasGone()
}

// everyoneHasGone waits until all who came were accepted, or were gone before, and
// have ended.
func (r *abused) everyoneHasGone() {
	r.t.Helper()
	r.eventually("everyone is counted and has gone", func(st tcp.Status) bool {
		return st.Accepted+st.Events["aborted_before_accept"] == r.came.Load() &&
			st.Active == 0 && len(st.Connections) == 0 && sum(st.Closed) == st.Accepted
	})
}

func sum(counts map[string]uint64) (total uint64) {
	for _, n := range counts {
		total += n
	}
	return total
}

// each runs peer n times, at most width at once, and fails with their first error.
func (r *abused) each(n, width int, peer func(i int) error) {
	r.t.Helper()
	if err := repeat(n, width, peer); err != nil {
		r.t.Fatal(err)
	}
}

func repeat(n, width int, peer func(i int) error) error {
	var g errgroup.Group
	g.SetLimit(width)
	for i := range n {
		g.Go(func() error {
			if err := peer(i); err != nil {
				return fmt.Errorf("peer %d: %w", i, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// abort closes a connection with a reset and without the usual wait.
func abort(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

// byteAndAbort resets connections whose server has nothing to answer. Nobody may be
// left for the idle timeout to end.
func byteAndAbort(r *abused) {
	r.each(require.Volume(200, 3000), 4, func(int) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		_, err = c.Write([]byte("x"))
		abort(c)
		return err
	})
	r.everyoneHasGone()
	if idle := r.Status().Closed[server.ReasonIdle.String()]; idle != 0 {
		r.t.Errorf("%d resets were not seen", idle)
	}
}

func resetWhileAnswered(r *abused) {
	message := make([]byte, 256<<10)
	r.each(require.Volume(80, 200), 16, func(i int) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		go c.Write(message) // ends with the connection
		_, err = io.ReadFull(c, make([]byte, 1+i*250))
		abort(c)
		return err
	})
}

// vanish takes peers away without FIN or RST, as a pulled cable does, where the
// process may (CAP_NET_ADMIN); otherwise they are only silent. The server notices
// both by the idle timeout alone.
func vanish(r *abused) {
	for range 20 {
		c := r.dial()
		io.WriteString(c, "hello")
		io.ReadFull(c, make([]byte, 5))
		const tcpRepair = 19 // of linux/tcp.h: close(2) sends nothing
		raw, err := c.SyscallConn()
		if err != nil {
			r.t.Fatal(err)
		}
		var repair error
		raw.Control(func(fd uintptr) { repair = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpRepair, 1) })
		if repair == nil {
			c.Close()
		} else if !errors.Is(repair, syscall.EPERM) {
			r.t.Fatal(repair)
		}
	}
	r.eventually("they are given up", func(st tcp.Status) bool { return st.Closed["idle"] == 20 })
}

func oneByteAtATime(r *abused) {
	text := strings.Repeat("drip ", 100)
	r.each(20, 20, func(int) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetNoDelay(true)
		got := make([]byte, 1)
		for i := range len(text) {
			io.WriteString(c, text[i:i+1])
			if _, err := io.ReadFull(c, got); err != nil || got[0] != text[i] {
				return fmt.Errorf("byte %d came back as %q: %w", i, got, err)
			}
		}
		return nil
	})
}

// halfClosedAndSilent peers say that they will send no more, and then neither read
// nor close: the server has nothing to wait for.
func halfClosedAndSilent(r *abused) {
	for range 50 {
		c := r.dial()
		io.WriteString(c, "last words")
		c.CloseWrite()
	}
	r.eventually("they are let go", func(st tcp.Status) bool { return st.Active == 0 && st.Accepted == 50 })
	if st := r.Status(); st.Traffic.BytesOut != 50*uint64(len("last words")) {
		r.t.Errorf("%d bytes answered", st.Traffic.BytesOut)
	}
}

func endlessLines(r *abused) {
	r.each(30, 10, func(int) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		defer c.Close()
		go func() {
			for err := error(nil); err == nil; { // until the server has closed
				_, err = c.Write(bytes.Repeat([]byte{'x'}, 1000))
			}
		}()
		answer, _ := io.ReadAll(c) // the end may come as a reset: we go on sending
		if !bytes.Contains(answer, fmt.Appendf(nil, "error: a line has at most %d bytes\n", maxLine)) {
			return fmt.Errorf("answered %.100q", answer)
		}
		return nil
	})
}

// scan does what port scanners do: connect, and go at once in one way or another.
func scan(r *abused) {
	r.each(require.Volume(200, 600), 32, func(i int) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		switch i % 3 {
		case 0:
			c.Close()
		case 1:
			abort(c)
		case 2:
			io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
			c.Close() // with the answer unread: a reset
		}
		return nil
	})
}

func connectAndAbort(peers int) func(*abused) {
	return func(r *abused) {
		r.each(peers, 32, func(int) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			abort(c)
			return nil
		})
	}
}

// talkAmongAborts has one peer of a chat hear every line of another, in order, while
// others come, say something and are gone.
func talkAmongAborts(r *abused) {
	speaker, listener := newLines(r.t, r.dial()), newLines(r.t, r.dial())
	for _, l := range []*lines{speaker, listener} {
		l.expect("welcome")
	}
	speaker.send("/nick speaker")
	go io.Copy(io.Discard, speaker.r) // what others say; ends with the connection
	gone := make(chan error, 1)
	go func() {
		gone <- repeat(200, 8, func(int) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			io.WriteString(c, "hello, and")
			abort(c)
			return nil
		})
	}()
	const count = 300
	for n := range count {
		speaker.send("line %d", n)
		for text := ""; !strings.HasPrefix(text, "<speaker> "); {
			if text = listener.next(); strings.HasPrefix(text, "<speaker> ") && text != fmt.Sprintf("<speaker> line %d", n) {
				r.t.Fatalf("line %d is heard as %q", n, text)
			}
		}
	}
	if err := <-gone; err != nil {
		r.t.Error(err)
	}
	speaker.Close()
	listener.Close()
}

// crowd has many connections open at once, all of them answered.
func crowd(r *abused) {
	const rounds, size = 3, 100
	peers := require.Volume(500, 2500)
	conns := make([]*net.TCPConn, peers)
	r.each(peers, 64, func(i int) (err error) {
		conns[i], err = r.connect()
		return err
	})
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for round := range rounds {
		r.each(peers, 64, func(i int) error {
			message := bytes.Repeat([]byte{byte(i + round)}, size)
			got := make([]byte, size)
			conns[i].SetDeadline(time.Now().Add(patience))
			if _, err := conns[i].Write(message); err != nil {
				return err
			}
			if _, err := io.ReadFull(conns[i], got); err != nil || !bytes.Equal(got, message) {
				return fmt.Errorf("the answer differs: %w", err)
			}
			return nil
		})
	}
	st := r.eventually("all is counted", func(st tcp.Status) bool { return st.Traffic.BytesOut == uint64(peers*rounds*size) })
	if st.Active != peers || st.PeakActive != peers || st.Traffic.BytesIn != uint64(peers*rounds*size) {
		r.t.Errorf("%d connections, %d at most, %d bytes in", st.Active, st.PeakActive, st.Traffic.BytesIn)
	}
}

// randomBytes returns size bytes of all values.
func randomBytes(seed byte, size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// Random bytes in random pieces hurt no handler, however the peer goes.
func TestAbuseRandomBytesToEveryHandler(t *testing.T) {
	for _, h := range handlers.All() {
		t.Run(h.Name, func(t *testing.T) {
			onEveryEngine(t, func(t *testing.T, engine string) {
				s := &abused{running: serve(t, engine, h.Name)}
				s.each(require.Volume(12, 40), 10, func(i int) error { return s.sendNoise(i, h.Name == "echo") })
				s.recovers()
			})
		})
	}
}

// sendNoise is one peer that sends noise and goes: politely, rudely or reading on.
func (r *abused) sendNoise(i int, echoed bool) error {
	c, err := r.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	noise := randomBytes(byte(i), 64<<10)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for rest := noise; len(rest) > 0; {
			n := 1 + int(rest[0])*int(rest[0])%len(rest)
			if _, err := c.Write(rest[:n]); err != nil {
				return // a handler that has heard enough
			}
			rest = rest[n:]
		}
		c.CloseWrite()
	}()
	switch {
	case i%4 == 3:
		abort(c)
		<-sent
		return nil
	case !echoed:
		// Chargen talks without end: enough of it is enough.
		io.Copy(io.Discard, io.LimitReader(c, 256<<10))
		abort(c)
		<-sent
		return nil
	}
	got, err := io.ReadAll(c)
	<-sent
	if err != nil || !bytes.Equal(got, noise) {
		return fmt.Errorf("%d of %d bytes came back, or others: %w", len(got), len(noise), err)
	}
	return nil
}

// slowHandler takes its time over every new connection, as a busy server does.
type slowHandler struct{}

const opening = 100 * time.Millisecond // how long it takes

func (h slowHandler) Open(*tcp.Conn) tcp.Session {
	time.Sleep(opening)
	return h
}

func (slowHandler) Handle(in []byte, _ bool, out []byte) (int, []byte, tcp.Next) {
	return len(in), out, tcp.Wait
}

func (slowHandler) Close() {}

// A byte and a reset that both come before the server has looked end the connection, with
// no idle timeout to help: while it is being opened, and while it is known for long and the
// server is busy with another one.
func TestResetsBeforeTheServerLooksAreSeen(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := &abused{running: serve(t, engine, "discard", func(cfg *tcp.Config) { cfg.Handler, cfg.Loops = slowHandler{}, 1 })}
		connect := func(pause time.Duration) *net.TCPConn {
			c, err := s.connect()
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(pause)
			return c
		}
		known := connect(2 * opening)
		for _, c := range []*net.TCPConn{connect(opening / 5), known} { // one is being opened now
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			abort(c)
		}
		s.everyoneHasGone()
	})
}
