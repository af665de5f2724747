package load

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/load/latency"
	"wirelab/load/payload"
)

// serveStream runs serve for each connection to the returned address until the
// test ends.
func serveStream(t testing.TB, serve func(c *net.TCPConn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	stop := make(chan struct{})
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				served := make(chan struct{})
				running.Go(func() {
					select {
					case <-stop:
						c.Close()
					case <-served:
					}
				})
				serve(c.(*net.TCPConn))
				close(served)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		close(stop)
		running.Wait()
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// serveDatagrams calls answer for each datagram and sends what it returns, until
// the test ends.
func serveDatagrams(t testing.TB, answer func(n int, d []byte) [][]byte) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		buf := make([]byte, 1<<16)
		for n := 0; ; n++ {
			size, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			for _, d := range answer(n, buf[:size]) {
				conn.WriteToUDPAddrPort(d, from)
			}
		}
	})
	t.Cleanup(func() {
		conn.Close()
		running.Wait()
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func echo(c *net.TCPConn) {
	buf := make([]byte, 16<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// turns makes a server that reads whole messages of size bytes and calls answer
// with each and its number, from 0, until that returns false.
func turns(size int, answer func(c *net.TCPConn, n int, message []byte) bool) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		message := make([]byte, size)
		for n := 0; ; n++ {
			if _, err := io.ReadFull(c, message); err != nil || !answer(c, n, message) {
				return
			}
		}
	}
}

func closedPort(t testing.TB, network string) netip.AddrPort {
	t.Helper()
	if network == "udp" {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.LocalAddr().(*net.UDPAddr).AddrPort()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func TestMain(m *testing.M) { os.Exit(require.NoLeaksInPackage(m, os.Stderr)) }

// mustRun runs cfg with what it leaves out: TCP, seq messages of 64 bytes, and a
// timeout that no test waits for.
func mustRun(t *testing.T, cfg Config) *Report {
	t.Helper()
	if cfg.Network == "" {
		cfg.Network = "tcp"
	}
	if cfg.Payload == nil {
		cfg.Payload = mustParse(t, "seq", 64)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	report, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	checkAccounts(t, report)
	return report
}

// checkAccounts checks what holds for every report.
func checkAccounts(t *testing.T, r *Report) {
	t.Helper()
	if r.Sent != r.Received+r.Lost+r.Pending && !r.Flooded() {
		t.Errorf("sent %d, but received %d + lost %d + pending %d", r.Sent, r.Received, r.Lost, r.Pending)
	}
	if r.Mismatched > r.Received || r.Sent > r.Messages || r.Late > r.Received || r.Connections < r.Connected {
		t.Errorf("impossible counts: %+v", r)
	}
	if l := r.Loss; l != nil && (r.Sent+l.SenderRefused > r.Messages || l.Gap != r.Lost || l.Late != r.Late || l.Duplicate != r.Duplicate) {
		t.Errorf("impossible losses %+v of %d: %+v", l, r.Messages, r)
	}
	if r.ClientLimited != (len(r.ClientLimits) > 0) {
		t.Errorf("limited %v, by %v", r.ClientLimited, r.ClientLimits)
	}
	times := []*latency.Quantiles{r.LatencyUS, r.ServiceUS, r.ResponseUS}
	there := []bool{r.Mode == modeClosed, r.Mode == modeOpen, r.Mode == modeOpen}
	for i, q := range times {
		if (q != nil) != (there[i] && r.Received > r.Late) {
			t.Errorf("%d received in time, times %v", r.Received-r.Late, q)
		}
		if q != nil && !(0 < q.Min && q.Min <= q.P50 && q.P50 <= q.P90 && q.P90 <= q.P99 && q.P99 <= q.P999 && q.P999 <= q.Max && q.Min <= q.Mean && q.Mean <= q.Max) {
			t.Errorf("times out of order: %+v", q)
		}
	}
	if r.ServiceUS != nil && (r.ResponseUS.Mean < r.ServiceUS.Mean || r.ResponseUS.Max < r.ServiceUS.Max) {
		t.Errorf("response %+v before service %+v", r.ResponseUS, r.ServiceUS)
	}
}

func wantErrors(t *testing.T, r *Report, want map[string]uint64) {
	t.Helper()
	if len(r.Errors) != len(want) {
		t.Errorf("errors %v, want %v", r.Errors, want)
		return
	}
	for kind, n := range want {
		if r.Errors[kind] != n {
			t.Errorf("errors %v, want %v", r.Errors, want)
			return
		}
	}
}

func TestRunVerifiesEveryAnswer(t *testing.T) {
	for _, spec := range []string{"text:hello", "hex:00", "random:1", "pattern", "seq", "time", "stamp"} {
		for _, size := range []int{0, 100, 70_000} {
			t.Run(spec, func(t *testing.T) {
				addr := serveStream(t, echo)
				r := mustRun(t, Config{Target: addr, Clients: 5, Messages: 20, Payload: mustParse(t, spec, size)})
				if err := r.Verify(); err != nil || r.Verified() != 100 || r.Lost != 0 || r.Connected != 5 || r.Interrupted {
					t.Errorf("%v: %+v", err, r)
				}
				if want := 100 * uint64(r.SizeBytes); r.BytesSent != want || r.BytesReceived != want {
					t.Errorf("%d bytes sent, %d received, want %d", r.BytesSent, r.BytesReceived, want)
				}
			})
		}
	}
}

func TestRunManyClients(t *testing.T) {
	addr := serveStream(t, echo)
	r := mustRun(t, Config{Target: addr, Clients: 1000, Messages: 10, Loops: 3})
	if err := r.Verify(); err != nil || r.Verified() != 10_000 || r.Connected != 1000 || r.Loops != 3 {
		t.Errorf("%v: %+v", err, r)
	}
}

// A message that fits no socket buffer is answered while it is being sent.
func TestRunHugeMessages(t *testing.T) {
	addr := serveStream(t, echo)
	r := mustRun(t, Config{Target: addr, Clients: 2, Messages: 1, Payload: mustParse(t, "random:3", payload.MaxLen)})
	if err := r.Verify(); err != nil || r.Verified() != 2 {
		t.Errorf("%v: %+v", err, r)
	}
}

func TestRunSeesBadServers(t *testing.T) {
	const size = 64
	tests := []struct {
		name       string
		serve      func(*net.TCPConn)
		received   uint64
		mismatched uint64
		lost       uint64
		errors     map[string]uint64
		reason     string
	}{
		{
			name: "one byte differs",
			serve: turns(size, func(c *net.TCPConn, n int, m []byte) bool {
				if n == 1 {
					m[40] ^= 1
				}
				_, err := c.Write(m)
				return err == nil
			}),
			received: 4, mismatched: 1, reason: "message 2: byte 40 is",
		},
		{
			name: "closes within an answer",
			serve: turns(size, func(c *net.TCPConn, n int, m []byte) bool {
				c.Write(m[:size-n])
				return n < 1
			}),
			received: 1, lost: 1, errors: map[string]uint64{"closed by the server": 1},
		},
		{
			name: "answers twice in one piece",
			serve: turns(size, func(c *net.TCPConn, n int, m []byte) bool {
				_, err := c.Write(bytes.Repeat(m, 2))
				return err == nil
			}),
			received: 4, mismatched: 4, reason: "message 1: 64 bytes too many",
		},
		{
			name: "answers the message before",
			serve: func() func(*net.TCPConn) {
				last := bytes.Repeat([]byte{'.'}, size)
				return turns(size, func(c *net.TCPConn, n int, m []byte) bool {
					_, err := c.Write(last)
					copy(last, m)
					return err == nil
				})
			}(),
			received: 4, mismatched: 4, reason: "message 1: byte 0 is 0x2e, not 0x30",
		},
		{
			name: "resets",
			serve: turns(size, func(c *net.TCPConn, n int, m []byte) bool {
				c.SetLinger(0)
				return false
			}),
			lost: 1, errors: map[string]uint64{"connection reset": 1},
		},
		{
			name: "byte by byte",
			serve: turns(size, func(c *net.TCPConn, n int, m []byte) bool {
				for i := range m {
					if _, err := c.Write(m[i : i+1]); err != nil {
						return false
					}
				}
				return true
			}),
			received: 4,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := mustRun(t, Config{Target: serveStream(t, test.serve), Clients: 1, Messages: 4, FailFast: true})
			if r.Received != test.received || r.Mismatched != test.mismatched || r.Lost != test.lost {
				t.Errorf("received %d, mismatched %d, lost %d, want %d, %d, %d",
					r.Received, r.Mismatched, r.Lost, test.received, test.mismatched, test.lost)
			}
			wantErrors(t, r, test.errors)
			if test.reason != "" && (r.FirstMismatch == nil || !strings.Contains(r.FirstMismatch.String(), test.reason)) {
				t.Errorf("first mismatch %v, want %q", r.FirstMismatch, test.reason)
			}
			if good := test.received == 4 && test.mismatched == 0; (r.Verify() == nil) != good {
				t.Errorf("verified: %v", r.Verify())
			}
		})
	}
}

// What a server says unasked is told apart from answers, at the beginning and at
// the end.
func TestRunSeesUnexpectedBytes(t *testing.T) {
	said := make(chan struct{})
	addr := serveStream(t, func(c *net.TCPConn) {
		c.Write([]byte("welcome"))
		close(said)
		echo(c)
	})
	r := mustRun(t, Config{Target: addr, Clients: 1, Messages: 3})
	<-said
	if r.Unexpected+r.Mismatched == 0 || r.Verify() == nil {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
}

func TestRunAnswerNeverComes(t *testing.T) {
	addr := serveStream(t, func(c *net.TCPConn) { io.Copy(io.Discard, c) })
	r := mustRun(t, Config{Target: addr, Clients: 3, Messages: 4, Timeout: 20 * time.Millisecond, FailFast: true})
	if r.Sent != 3 || r.Lost != 3 || r.Received != 0 || r.Verify() == nil {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
	wantErrors(t, r, map[string]uint64{"no answer in time": 3})
}

// A server that takes nothing is noticed too, with the message half sent.
func TestRunMessageNeverTaken(t *testing.T) {
	addr := serveStream(t, func(c *net.TCPConn) { <-t.Context().Done() })
	r := mustRun(t, Config{Target: addr, Clients: 1, Messages: 1, Timeout: 50 * time.Millisecond, Payload: mustParse(t, "pattern", payload.MaxLen)})
	if r.Sent != 1 || r.Lost != 1 || r.BytesSent == 0 || r.BytesSent >= payload.MaxLen {
		t.Errorf("%+v", r)
	}
	wantErrors(t, r, map[string]uint64{"no answer in time": 1})
}

func TestRunRefused(t *testing.T) {
	r := mustRun(t, Config{Target: closedPort(t, "tcp"), Clients: 7, Messages: 10})
	if r.Sent != 0 || r.Connected != 0 || r.Messages != 70 || r.Verify() == nil {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
	wantErrors(t, r, map[string]uint64{"connection refused": 7})
}

func TestRunDuration(t *testing.T) {
	addr := serveStream(t, echo)
	r := mustRun(t, Config{Target: addr, Clients: 4, Duration: 50 * time.Millisecond})
	if err := r.Verify(); err != nil || r.Verified() == 0 || r.Verified() != r.Messages || r.ElapsedS < 0.05 {
		t.Errorf("%v: %+v", err, r)
	}
}

func TestRunInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// One client is answered, the others wait for ever.
	first := make(chan struct{}, 1)
	first <- struct{}{}
	addr := serveStream(t, func(c *net.TCPConn) {
		select {
		case <-first:
			m := make([]byte, 64)
			io.ReadFull(c, m)
			c.Write(m)
			cancel()
		default:
		}
		io.Copy(io.Discard, c)
	})
	r, err := Run(ctx, Config{Network: "tcp", Target: addr, Clients: 3, Messages: 10, Payload: mustParse(t, "seq", 64), Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	checkAccounts(t, r)
	if !r.Interrupted || r.Lost != 0 || r.Pending == 0 || r.Verify() != nil {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
}

func TestRunInterruptedWhileConnecting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := Run(ctx, Config{Network: "tcp", Target: closedPort(t, "tcp"), Clients: 100, Messages: 10, Payload: mustParse(t, "seq", 64)})
	if err != nil {
		t.Fatal(err)
	}
	checkAccounts(t, r)
	if r.Sent != 0 {
		t.Errorf("%+v", r)
	}
}

func TestRunShowsProgress(t *testing.T) {
	addr := serveStream(t, echo)
	var shown []Progress
	r := mustRun(t, Config{Target: addr, Clients: 2, Duration: 3 * ProgressInterval, Progress: func(p Progress) { shown = append(shown, p) }})
	if len(shown) == 0 {
		t.Fatal("no progress was shown")
	}
	last := shown[len(shown)-1]
	if last.Connected != 2 || last.Clients != 2 || last.Received == 0 || last.Received > r.Received || last.Elapsed <= 0 {
		t.Errorf("progress %+v, report %+v", last, r)
	}
}

// The intervals of a real run say the same as its totals.
func TestRunHasIntervals(t *testing.T) {
	r := mustRun(t, Config{Target: serveStream(t, echo), Clients: 4, Duration: 400 * time.Millisecond})
	if r.IntervalS <= 0 || len(r.Intervals) < 10 {
		t.Fatalf("%d intervals of %v s in %v s", len(r.Intervals), r.IntervalS, r.ElapsedS)
	}
	var answers float64
	for _, v := range r.Intervals {
		answers += v.RatePerS * r.IntervalS
	}
	if answers > float64(r.Received) || answers < float64(r.Received)/2 {
		t.Errorf("%v answers in intervals, %d in all", answers, r.Received)
	}
}

func TestBeginAndEndFrameTheMessages(t *testing.T) {
	var echoed atomic.Int64
	var atBegin, atEnd int64
	addr := serveStream(t, func(c *net.TCPConn) {
		b := make([]byte, 64)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			echoed.Add(int64(n))
			c.Write(b[:n])
		}
	})
	mustRun(t, Config{
		Target: addr, Clients: 3, Messages: 5,
		Begin: func() { atBegin = echoed.Load() },
		End:   func() { atEnd = echoed.Load() },
	})
	if atBegin != 0 || atEnd != 3*5*64 {
		t.Errorf("%d bytes at the beginning, %d at the end", atBegin, atEnd)
	}
}
