package tcp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/internal/sys/socket"
	"wirelab/server/tcp"
	"wirelab/server/tcp/handlers"
)

// patience bounds every wait in these tests: far longer than anything takes, so
// that only something that never comes meets it.
const patience = 60 * time.Second

// maxLine is the longest line that fits into the buffer with its end.
const maxLine = tcp.DefaultBuffer - 2

// onEveryEngine runs one test under each concurrency model that the machine has, all at
// the same time. After them no goroutine, thread or descriptor may be left.
func onEveryEngine(t *testing.T, test func(t *testing.T, engine string)) {
	require.NoLeaks(t)
	var all sync.WaitGroup
	for _, kind := range tcp.Engines() {
		all.Go(func() { onEngine(t, kind, test) })
	}
	all.Wait()
}

// onEachEngineAlone is onEveryEngine for a test that measures or changes the process as a
// whole: the engines take turns.
func onEachEngineAlone(t *testing.T, test func(t *testing.T, engine string)) {
	require.NoLeaks(t)
	for _, kind := range tcp.Engines() {
		onEngine(t, kind, test)
	}
}

func onEngine(t *testing.T, kind tcp.EngineKind, test func(t *testing.T, engine string)) {
	t.Run(kind.Name, func(t *testing.T) {
		require.Supported(t, kind.Check()) // else another engine would serve in its place
		test(t, kind.Name)
	})
}

// running is a server under test.
type running struct {
	*tcp.Server
	t    *testing.T
	stop func() // ends the server and waits for it
}

// serve starts a server with cfg completed for tests, and stops it at the test's end.
func serve(t *testing.T, engine, handler string, configure ...func(*tcp.Config)) *running {
	t.Helper()
	cfg := tcp.Config{
		Addr: netip.MustParseAddrPort("127.0.0.1:0"), Engine: engine,
		Handler: newHandler(t, handler, func(string) {}), HandlerName: handler,
	}
	for _, f := range configure {
		f(&cfg)
	}
	s, err := tcp.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if name, note := s.Engine(); name != engine {
		t.Errorf("engine %s serves, not %s (%s)", name, engine, note)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	r := &running{Server: s, t: t}
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Errorf("Run does not return after its context ended")
		}
	}
	t.Cleanup(r.stop)
	return r
}

// narrow has the kernel hold little, so that a server whose peers do not read is soon stuck.
func narrow(cfg *tcp.Config) {
	cfg.Socket = socket.Options{SendBuffer: 64 << 10, ReceiveBuffer: 64 << 10}
}

// narrowPeer does the same at the other end.
func narrowPeer(c *net.TCPConn) {
	c.SetReadBuffer(16 << 10)
	c.SetWriteBuffer(16 << 10)
}

func newHandler(t *testing.T, name string, show func(string)) tcp.Handler {
	t.Helper()
	for _, h := range handlers.All() {
		if h.Name == name {
			return h.New(maxLine, show)
		}
	}
	t.Fatalf("no handler %q", name)
	return nil
}

// dial connects to the server; the connection is closed at the test's end.
func (r *running) dial() *net.TCPConn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	r.t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// eventually waits until the server's status is as wanted.
func (r *running) eventually(what string, holds func(tcp.Status) bool) tcp.Status {
	r.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		st := r.Status()
		if holds(st) {
			return st
		}
		if time.Now().After(end) {
			st.Connections = st.Connections[:min(len(st.Connections), 3)]
			r.t.Fatalf("never came true: %s; status %+v", what, st)
		}
	}
}

// stalls waits until the server has something to send and can send no more: for
// longer than the kernel takes to try a full window again, nothing has moved.
func (r *running) stalls() {
	r.t.Helper()
	last := uint64(0)
	r.eventually("nothing moves", func(st tcp.Status) bool {
		time.Sleep(200 * time.Millisecond)
		same := st.Traffic.BytesOut == last && last > 0
		last = st.Traffic.BytesOut
		return same
	})
}

// roundTrip writes text, half-closes and returns all that comes back.
func roundTrip(t *testing.T, c *net.TCPConn, text string) string {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	return readAll(t, c)
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("after %q: %v", b, err)
	}
	return string(b)
}

// lines reads lines from a connection.
type lines struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func newLines(t *testing.T, c net.Conn) *lines { return &lines{t, c, bufio.NewReader(c)} }

func (l *lines) send(format string, args ...any) {
	l.t.Helper()
	if _, err := fmt.Fprintf(l, format+"\n", args...); err != nil {
		l.t.Fatal(err)
	}
}

// next returns the next line without its end.
func (l *lines) next() string {
	l.t.Helper()
	text, err := l.r.ReadString('\n')
	if err != nil {
		l.t.Fatalf("after %q: %v", text, err)
	}
	return strings.TrimSuffix(text, "\n")
}

// expect fails unless the next line contains want.
func (l *lines) expect(want string) string {
	l.t.Helper()
	got := l.next()
	if !strings.Contains(got, want) {
		l.t.Fatalf("line %q, want one with %q", got, want)
	}
	return got
}
