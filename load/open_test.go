package load

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wirelab/clock"
)

func TestOpenLoopSendsWhatIsDue(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		for _, spec := range []string{"seq", "random:7", "stamp", "time", "text:hello"} {
			if network == "udp" && (spec == "time" || spec == "text:hello") {
				continue // their answers cannot be told apart
			}
			t.Run(network+" "+spec, func(t *testing.T) {
				addr := serveStream(t, echo)
				if network == "udp" {
					addr = serveDatagrams(t, func(_ int, d []byte) [][]byte { return once(d) })
				}
				r := mustRun(t, Config{
					Network: network, Target: addr, Clients: 7, Rate: 2000, Duration: 100 * time.Millisecond,
					Payload: mustParse(t, spec, 64), Loops: 2,
				})
				// Message n is due n/2000 s after the beginning.
				if err := r.Verify(); err != nil || r.Messages != 200 || r.Verified() != 200 || r.Mode != "open" || r.RequestedPerS != 2000 {
					t.Errorf("%v: %+v", err, r)
				}
				if r.LateSends == nil || r.LatencyUS != nil {
					t.Errorf("late sends %v, latency %v", r.LateSends, r.LatencyUS)
				}
			})
		}
	}
}

func TestOpenLoopEndsWithItsMessages(t *testing.T) {
	r := mustRun(t, Config{Target: serveStream(t, echo), Clients: 3, Rate: 5000, Messages: 40, Ramp: 20 * time.Millisecond})
	if err := r.Verify(); err != nil || r.Messages != 120 || r.Verified() != 120 || r.ElapsedS < 0.03 {
		t.Errorf("%v: %+v", err, r)
	}
}

// While the ramp lasts half as many messages are sent as at the full rate.
func TestOpenLoopRamps(t *testing.T) {
	r := mustRun(t, Config{Target: serveStream(t, echo), Clients: 2, Rate: 4000, Duration: 100 * time.Millisecond, Ramp: 100 * time.Millisecond})
	if err := r.Verify(); err != nil || r.Messages < 199 || r.Messages > 201 {
		t.Errorf("%v: %d messages, want 200: %+v", err, r.Messages, r)
	}
}

// A server that answers nothing before it has all shows that messages are sent
// whatever the answers do.
func TestOpenLoopDoesNotWaitForAnswers(t *testing.T) {
	const size, messages = 64, 100
	addr := serveStream(t, func(c *net.TCPConn) {
		all := make([]byte, size*messages)
		if _, err := io.ReadFull(c, all); err == nil {
			c.Write(all)
		}
		io.Copy(io.Discard, c)
	})
	r := mustRun(t, Config{Target: addr, Clients: 2, Messages: messages, Rate: 10_000})
	if err := r.Verify(); err != nil || r.LateSends.HeldBack != 0 {
		t.Errorf("%v: %+v", err, r)
	}
}

// A window that follows from the rate holds back nothing until answers are overdue:
// all messages are under way before the first answer.
func TestOpenLoopHasRoomForWhatIsDueWithinTheTimeout(t *testing.T) {
	const size, messages = 64, 2000
	addr := serveStream(t, func(c *net.TCPConn) {
		all := make([]byte, size*messages)
		if _, err := io.ReadFull(c, all); err == nil {
			c.Write(all)
		}
		io.Copy(io.Discard, c)
	})
	r := mustRun(t, Config{Target: addr, Clients: 1, Messages: messages, Rate: 10_000, Timeout: 5 * time.Second})
	if err := r.Verify(); err != nil || r.LateSends.HeldBack != 0 || r.Outstanding != 112_500 {
		t.Errorf("%v: %d outstanding, %+v", err, r.Outstanding, r.LateSends)
	}
}

// What a small window holds back, a server that takes 20 ms for an answer is not to
// blame for: it answers any number of messages in that time.
func TestOpenLoopSaysThatItsWindowWasFull(t *testing.T) {
	const delay = 20 * time.Millisecond
	addr := serveStream(t, delayed(delay))
	r := mustRun(t, Config{Target: addr, Clients: 1, Duration: 200 * time.Millisecond, Rate: 2000, Outstanding: 4})
	s := r.LateSends
	if s.HeldByWindow == 0 || s.HeldByWindow != s.HeldBack || s.WindowShare <= maxWindow {
		t.Errorf("%+v", s)
	}
	if !r.ClientLimited || !strings.Contains(strings.Join(r.ClientLimits, "; "), "--outstanding 4 held back") {
		t.Errorf("limits %q", r.ClientLimits)
	}
	r = mustRun(t, Config{Target: addr, Clients: 1, Duration: 200 * time.Millisecond, Rate: 2000})
	if err := r.Verify(); err != nil || r.LateSends.HeldByWindow != 0 {
		t.Errorf("%v: %+v", err, r.LateSends)
	}
}

// delayed answers each piece so long after it came, however many came meanwhile.
func delayed(delay time.Duration) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		type piece struct {
			at    time.Time
			bytes []byte
		}
		pieces := make(chan piece, 1<<16)
		var writer sync.WaitGroup
		writer.Go(func() {
			for p := range pieces {
				time.Sleep(time.Until(p.at))
				c.Write(p.bytes)
			}
		})
		b := make([]byte, 64<<10)
		for n, err := c.Read(b); err == nil; n, err = c.Read(b) {
			pieces <- piece{time.Now().Add(delay), bytes.Clone(b[:n])}
		}
		close(pieces)
		writer.Wait()
	}
}

// A rate that no generator reaches: what it had no time to begin is missing too.
func TestOpenLoopFasterThanTheGenerator(t *testing.T) {
	const due = 6_000_000 // give or take one a client: times are whole nanoseconds
	addr := serveDatagrams(t, func(_ int, d []byte) [][]byte { return once(d) })
	r := mustRun(t, Config{
		Network: "udp", Target: addr, Clients: 4, Loops: 2, Rate: MaxRate, Duration: 60 * time.Millisecond, Timeout: 4 * time.Millisecond,
	})
	if r.Messages < due-4 || r.Messages > due+4 || r.LateSends.NotBegun == 0 || r.Sent+r.LateSends.NotBegun > r.Messages || !r.ClientLimited {
		t.Errorf("%d messages, %d sent: %+v, limits %q", r.Messages, r.Sent, r.LateSends, r.ClientLimits)
	}
}

// A stall of the server counts for all messages whose time it was, although with
// one outstanding only the first of them met it: no coordinated omission.
func TestOpenLoopCountsFromTheIntendedTime(t *testing.T) {
	const stall = 200 * time.Millisecond
	addr := serveStream(t, turns(64, func(c *net.TCPConn, n int, m []byte) bool {
		if n == 0 {
			time.Sleep(stall)
		}
		_, err := c.Write(m)
		return err == nil
	}))
	r := mustRun(t, Config{Target: addr, Clients: 1, Messages: 50, Rate: 1000, Outstanding: 1})
	if err := r.Verify(); err != nil {
		t.Fatal(err)
	}
	// The last was due 49 ms after the first.
	if least := clock.Microseconds(stall - 50*time.Millisecond); r.ResponseUS.Min < least || r.ServiceUS.Max < clock.Microseconds(stall) || r.ServiceUS.P50 > r.ResponseUS.P50 {
		t.Errorf("response %+v, service %+v", r.ResponseUS, r.ServiceUS)
	}
	if s := r.LateSends; s.HeldBack == 0 || s.HeldByWindow != s.HeldBack {
		t.Errorf("nothing was held back, or not by the window: %+v", s)
	}
}

// A peer that never reads: its socket fills up, messages are held back, and the
// timeout ends it. What was due and not sent is no loss, but it is told.
func TestOpenLoopPeerNeverReads(t *testing.T) {
	addr := serveStream(t, func(c *net.TCPConn) { <-t.Context().Done() })
	r := mustRun(t, Config{
		Target: addr, Clients: 2, Rate: 2000, Messages: 1000, Timeout: 200 * time.Millisecond, FailFast: true,
		Payload: mustParse(t, "pattern", 256<<10),
	})
	if r.Messages != 2000 || r.Sent >= 2000 || r.Received != 0 || r.LateSends.HeldBack == 0 || r.LateSends.HeldByWindow != 0 || !strings.Contains(r.Verify().Error(), "messages not sent") {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
	wantErrors(t, r, map[string]uint64{"no answer in time": 2})
}

func TestOpenLoopAnswersDiffer(t *testing.T) {
	addr := serveStream(t, turns(64, func(c *net.TCPConn, n int, m []byte) bool {
		m[63] ^= byte(n & 1)
		_, err := c.Write(m)
		return err == nil
	}))
	r := mustRun(t, Config{Target: addr, Clients: 1, Messages: 10, Rate: 5000})
	if r.Mismatched != 5 || r.FirstMismatch.Message != 2 {
		t.Errorf("%+v, %v", r, r.FirstMismatch)
	}
}

// More bytes than were sent are never taken for later answers.
func TestOpenLoopServerSaysTooMuch(t *testing.T) {
	addr := serveStream(t, turns(64, func(c *net.TCPConn, n int, m []byte) bool {
		_, err := c.Write(bytes.Repeat(m, 2))
		return err == nil
	}))
	r := mustRun(t, Config{Target: addr, Clients: 1, Messages: 3, Rate: 100, Timeout: 5 * time.Second})
	if r.Verify() == nil || r.Mismatched == 0 {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
}

func TestOpenLoopDatagramFaults(t *testing.T) {
	tests := []struct {
		name   string
		answer func(n int, d []byte) [][]byte
		want   Report
	}{
		{"every third lost", func(n int, d []byte) [][]byte {
			if n%3 == 2 {
				return nil
			}
			return once(d)
		}, Report{Sent: 90, Received: 60, Lost: 30}},
		{"twice", func(_ int, d []byte) [][]byte { return [][]byte{d, d} }, Report{Sent: 90, Received: 90, Duplicate: 90}},
		{"in reverse, by three", func() func(int, []byte) [][]byte {
			var held [][]byte
			return func(n int, d []byte) [][]byte {
				held = append([][]byte{bytes.Clone(d)}, held...)
				if n%3 != 2 {
					return nil
				}
				answers := held
				held = nil
				return answers
			}
		}(), Report{Sent: 90, Received: 90}},
		{"a byte differs", func(n int, d []byte) [][]byte {
			d[40] ^= byte(n & 1)
			return once(d)
		}, Report{Sent: 90, Received: 90, Mismatched: 45}},
		{"rubbish", func(n int, d []byte) [][]byte { return once([]byte("?")) }, Report{Sent: 90, Received: 90, Mismatched: 90}},
	}
	for _, test := range tests {
		for _, spec := range []string{"seq", "random:1"} {
			t.Run(test.name+" "+spec, func(t *testing.T) {
				r := mustRun(t, Config{
					Network: "udp", Target: serveDatagrams(t, test.answer), Clients: 1, Messages: 90, Rate: 5000,
					Timeout: 300 * time.Millisecond, Payload: mustParse(t, spec, 64),
				})
				got := *r
				if missed := test.want.Duplicate - got.Duplicate; missed <= 1 {
					got.Duplicate = test.want.Duplicate // the last may come when nobody listens any more
				}
				if !equalCounts(&got, &test.want) {
					t.Errorf("got %+v\nwant %+v", got, test.want)
				}
			})
		}
	}
}

// Answers that come after the timeout, among those to later messages, are late and
// not lost; repeated, they are duplicates. Only the last message is lost: the wait for
// its answer leaves those before it time enough, however slow the machine is.
func TestOpenLoopDatagramsLate(t *testing.T) {
	const timeout, messages = 150 * time.Millisecond, 120
	var held [][]byte
	var since time.Time
	addr := serveDatagrams(t, func(n int, d []byte) [][]byte {
		switch {
		case n < 3:
			held, since = append(held, bytes.Clone(d), bytes.Clone(d)), time.Now()
			return nil
		case n == messages-1:
			return nil
		case held != nil && time.Since(since) > 2*timeout:
			answers := append(held, d)
			held = nil
			return answers
		}
		return once(d)
	})
	// The last message is due after more than three timeouts.
	r := mustRun(t, Config{Network: "udp", Target: addr, Clients: 1, Messages: messages, Rate: 250, Timeout: timeout})
	if r.Late < 3 || r.Duplicate < 3 || r.Lost != 1 {
		t.Errorf("%+v, %+v", r, r.Loss)
	}
}

func TestOpenLoopDatagramsRefused(t *testing.T) {
	r := mustRun(t, Config{Network: "udp", Target: closedPort(t, "udp"), Clients: 2, Messages: 20, Rate: 5000, Timeout: 100 * time.Millisecond})
	if r.Sent != 40 || r.Lost != 40 || r.Errors["connection refused"] == 0 || r.Verify() == nil {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
}

// A kernel that takes no more datagrams: those have no later time, so each is
// refused once, and none of them is sent or lost.
func TestOpenLoopDatagramsRefusedByThisHost(t *testing.T) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.SetNonblock(pair[0], true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(pair[1]) })
	cfg, err := (Config{Network: "udp", Target: closedPort(t, "udp"), Clients: 1, Messages: 5000, Rate: 1e6, Payload: mustParse(t, "seq", 64), Timeout: 100 * time.Millisecond}).withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	r := newRun(cfg)
	defer r.close()
	if err := r.open(); err != nil {
		t.Fatal(err)
	}
	l := r.loops[0]
	l.schedule, l.cutoff, l.running, l.active = newSchedule(&cfg, 0), never, true, 1
	c := &l.clients[0]
	c.fd, c.state, c.written, c.due = pair[0], open, cfg.Payload.Len(), 5000
	l.paced = true
	l.now()
	l.proceed(c)
	if l.rec.refused == 0 || l.rec.sent == 0 || l.rec.refused+l.rec.sent+uint64(c.window.span()) < 5000 || c.window.open != int(l.rec.sent) {
		t.Errorf("%d refused, %d sent, %d outstanding", l.rec.refused, l.rec.sent, c.window.open)
	}
}

func TestOpenLoopOfClientsThatAreNotConnected(t *testing.T) {
	r := mustRun(t, Config{Target: closedPort(t, "tcp"), Clients: 5, Rate: 1000, Duration: time.Hour})
	if r.Connected != 0 || r.Verify() == nil || r.Interrupted {
		t.Errorf("%v: %+v", r.Verify(), r)
	}
}

// halfDead is a run of two clients, of which one has no target that it can connect to.
func halfDead(t *testing.T, network string, loops int) Config {
	t.Helper()
	targets := []netip.AddrPort{serveStream(t, echo), closedPort(t, "tcp")}
	if network == "udp" {
		targets[0] = serveDatagrams(t, func(_ int, d []byte) [][]byte { return once(d) })
		targets[1] = netip.MustParseAddrPort("127.255.255.255:9") // broadcast, which takes a permission that no client asks for
	}
	return Config{
		Network: network, Targets: targets, Clients: 2, Loops: loops, Rate: 1000, Duration: 100 * time.Millisecond,
		Payload: mustParse(t, "seq", 64), Timeout: time.Minute,
	}
}

// What the clients of a loop were to send that ended early, since none of them
// lived, was due all the same: it does not matter how clients share loops.
func TestOpenLoopCountsWhatDeadClientsWereToSend(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "udp"} {
		for _, loops := range []int{1, 2} {
			r := mustRun(t, halfDead(t, network, loops))
			if r.Connected != 1 || r.Messages != 100 || r.Sent != 50 || r.LateSends.NotBegun != 0 || r.ElapsedS < 0.1 {
				t.Errorf("%s, %d loops: %d of %d messages sent in %v s, %d connected, %+v", network, loops, r.Sent, r.Messages, r.ElapsedS, r.Connected, r.LateSends)
			}
		}
	}
}

// Until an interruption, that is.
func TestOpenLoopInterruptedWithDeadClients(t *testing.T) {
	for _, loops := range []int{1, 2} {
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		cfg := halfDead(t, "udp", loops)
		cfg.Duration = time.Hour
		cfg.Progress = func(p Progress) {
			if p.Sent >= 50 {
				interrupt()
			}
		}
		r, err := Run(ctx, cfg)
		if err != nil || !r.Interrupted || r.Messages < 2*r.Sent-1 || float64(r.Messages) > 1000*(r.ElapsedS+1) {
			t.Errorf("%v: %d loops: %+v", err, loops, r)
		}
	}
}

func FuzzRecognise(f *testing.F) {
	f.Add([]byte("00000003/000000000017 !"), uint64(20))
	f.Add([]byte("00000003/99999999999"), uint64(1))
	f.Add(bytes.Repeat([]byte{0}, 44), uint64(1<<33))
	f.Fuzz(func(t *testing.T, d []byte, begun uint64) {
		begun %= 1 << 40
		for _, spec := range []string{"seq", "random:5", "stamp", "time", "text:x"} {
			p := mustParse(t, spec, 64)
			c := &client{number: 3, window: window{first: begun + 1, next: begun + 1}}
			if n, ok := p.Recognise(c.number, c.begun(), d); ok && (n == 0 || n > begun) {
				t.Fatalf("%s: message %d of %d", spec, n, begun)
			}
		}
	})
}
