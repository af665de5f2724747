package tcp_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/server"
	"wirelab/server/tcp"
)

func TestManyConnectionsAtOnce(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		const clients = 300
		s := serve(t, engine, "echo")
		conns := make([]*net.TCPConn, clients)
		for i := range conns {
			conns[i] = s.dial()
		}
		var wg sync.WaitGroup
		for i, c := range conns {
			wg.Go(func() {
				message := strings.Repeat(string(rune('a'+i%26)), 512)
				got := make([]byte, len(message))
				for range 5 {
					io.WriteString(c, message)
					if _, err := io.ReadFull(c, got); err != nil || string(got) != message {
						t.Errorf("client %d: %v", i, err)
						return
					}
				}
			})
		}
		wg.Wait()
		st := s.eventually("all are counted", func(st tcp.Status) bool { return st.Traffic.BytesOut == clients*5*512 })
		if len(st.Connections) != clients || st.PeakActive != clients {
			t.Fatalf("%d connections listed, peak %d", len(st.Connections), st.PeakActive)
		}
		if engine == "thread" {
			checkThreads(t, st.Connections)
		}
	})
}

// checkThreads fails unless every connection has an existing thread to itself.
func checkThreads(t *testing.T, conns []tcp.Connection) {
	t.Helper()
	seen := map[int]bool{}
	for _, c := range conns {
		if _, err := os.Stat("/proc/self/task/" + strconv.Itoa(c.Thread)); err != nil {
			t.Errorf("connection %d: no thread %d", c.ID, c.Thread)
		}
		seen[c.Thread] = true
	}
	if len(seen) != len(conns) {
		t.Errorf("%d connections have %d threads", len(conns), len(seen))
	}
}

func TestLimits(t *testing.T) {
	cases := []struct {
		reason string
		limit  func(*tcp.Config)
	}{
		{"max_conns", func(cfg *tcp.Config) { cfg.MaxConns = 1 }},
		{"max_per_ip", func(cfg *tcp.Config) { cfg.MaxPerIP = 1 }},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			onEveryEngine(t, func(t *testing.T, engine string) {
				s := serve(t, engine, "echo", c.limit)
				first := s.dial()
				s.eventually("the first is in", func(st tcp.Status) bool { return st.Active == 1 })
				expectClosed(t, s.dial())
				st := s.eventually("the refusal is counted", func(st tcp.Status) bool { return st.Refused[c.reason] == 1 })
				if st.Accepted != 1 {
					t.Errorf("accepted %d", st.Accepted)
				}
				first.Close()
				s.eventually("the first is gone", func(st tcp.Status) bool { return st.Active == 0 })
				if got := roundTrip(t, s.dial(), "again"); got != "again" {
					t.Errorf("after the first left: %q", got)
				}
			})
		})
	}
}

// expectClosed fails unless the server closes c without an answer.
func expectClosed(t *testing.T, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) || err == nil {
		t.Fatalf("read %d bytes, %v; want the end", n, err)
	}
}

func TestAccessRulesChangeWhileRunning(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		var access server.Access
		s := serve(t, engine, "echo", func(cfg *tcp.Config) { cfg.Access = &access })
		old := newLines(t, s.dial())
		old.send("before")
		old.expect("before")
		access.Set(nil, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
		expectClosed(t, s.dial())
		s.eventually("counted", func(st tcp.Status) bool { return st.Refused["denied"] == 1 })
		access.Set([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, nil)
		expectClosed(t, s.dial())
		s.eventually("counted", func(st tcp.Status) bool { return st.Refused["not_allowed"] == 1 })
		old.send("the old connection stays")
		old.expect("the old connection stays")
		access.Set(nil, nil)
		if got := roundTrip(t, s.dial(), "x"); got != "x" {
			t.Errorf("allowed again: %q", got)
		}
	})
}

func TestKick(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "echo")
		stays, goes := newLines(t, s.dial()), s.dial()
		st := s.eventually("both are in", func(st tcp.Status) bool { return st.Active == 2 })
		id := uint64(0)
		for _, c := range st.Connections {
			if c.Peer == goes.LocalAddr().String() {
				id = c.ID
			}
		}
		if !s.Kick(id) || s.Kick(id+100) {
			t.Fatal("Kick tells wrongly who was there")
		}
		expectClosed(t, goes)
		s.eventually("counted", func(st tcp.Status) bool { return st.Closed["kicked"] == 1 && st.Active == 1 })
		stays.send("still here")
		stays.expect("still here")
	})
}

func TestKickWhilePeerDoesNotRead(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "chargen", narrow)
		narrowPeer(s.dial())
		s.stalls()
		st := s.Status()
		s.Kick(st.Connections[0].ID)
		s.eventually("gone", func(st tcp.Status) bool { return st.Closed["kicked"] == 1 })
	})
}

// A server that stops can still be told to wait for somebody no longer.
func TestKickWhileDraining(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "echo", narrow, func(cfg *tcp.Config) { cfg.DrainTimeout = time.Hour })
		if err := sendUntilStuck(s.dial(), "x"); err != nil {
			t.Fatal(err)
		}
		stuck := s.Status().Connections[0].ID
		second := s.dial()
		s.eventually("both are in", func(st tcp.Status) bool { return st.Active == 2 })
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			s.stop()
		}()
		readAll(t, second) // it is drained after the other
		second.Close()
		if !s.Kick(stuck) {
			t.Error("there is nobody to kick")
		}
		<-stopped
		if st := s.Status(); st.Closed["kicked"] != 1 || st.Closed["drained"] != 1 {
			t.Errorf("closed %v", st.Closed)
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "echo", func(cfg *tcp.Config) { cfg.IdleTimeout = 300 * time.Millisecond })
		expectClosed(t, s.dial())
		s.eventually("counted", func(st tcp.Status) bool { return st.Closed["idle"] == 1 })
	})
}

// Urgent data, which no handler knows of, holds up nothing of what comes with it.
func TestUrgentDataHoldsUpNothing(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		c := serve(t, engine, "echo").dial()
		for range 50 {
			sendAroundUrgent(t, c, "before", "!", "after")
			got := make([]byte, len("beforeafter"))
			if n, err := io.ReadFull(c, got); err != nil || string(got) != "beforeafter" {
				t.Fatalf("answered %q, %v", got[:n], err)
			}
		}
	})
}

// sendAroundUrgent sends the three as one segment, the second of them urgent.
func sendAroundUrgent(t *testing.T, c *net.TCPConn, before, urgent, after string) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	const cork, more = 3, 0x8000 // TCP_CORK and MSG_MORE of Linux: to go with what follows
	send := func(fd uintptr, text string, flags int) {
		if _, err := syscall.SendmsgN(int(fd), []byte(text), nil, nil, flags|more); err != nil {
			t.Error(err)
		}
	}
	raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, cork, 1)
		send(fd, before, 0)
		send(fd, urgent, syscall.MSG_OOB)
		send(fd, after, 0)
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, cork, 0)
	})
}

// large answers whatever it is sent with so many bytes, and then wants next.
type large struct {
	size int
	next tcp.Next
}

func (h large) Open(*tcp.Conn) tcp.Session { return h }
func (large) Close()                       {}
func (h large) Handle(in []byte, _ bool, out []byte) (int, []byte, tcp.Next) {
	if len(in) == 0 {
		return 0, out, tcp.Wait
	}
	return len(in), append(out, make([]byte, h.size)...), h.next
}

// Who takes an answer slowly, but steadily, is not idle, however long that takes.
func TestSlowReaderIsNotIdle(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		const timeout, size, parts = 2 * time.Second, 4 << 20, 20
		s := serve(t, engine, "echo", narrow, func(cfg *tcp.Config) { cfg.Handler, cfg.IdleTimeout = large{size, tcp.Wait}, timeout })
		c := s.dial()
		narrowPeer(c)
		io.WriteString(c, "go")
		for range parts {
			if n, err := io.CopyN(io.Discard, c, size/parts); err != nil {
				t.Fatalf("after %d bytes of a part: %v; closed %v", n, err, s.Status().Closed)
			}
			time.Sleep(timeout / 16)
		}
	})
}

// What has arrived when the server stops is answered, and the answer arrives whole.
func TestDrainAnswersWhatHasArrived(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "echo")
		conns := make([]*net.TCPConn, 50)
		for i := range conns {
			conns[i] = s.dial()
			io.WriteString(conns[i], "answer me")
		}
		s.eventually("all are in", func(st tcp.Status) bool { return st.Active == len(conns) })
		var wg sync.WaitGroup
		for i, c := range conns {
			wg.Go(func() {
				if got := readAll(t, c); got != "answer me" {
					t.Errorf("connection %d got %q", i, got)
				}
				c.Close()
			})
		}
		s.stop()
		wg.Wait()
		if st := s.Status(); st.Closed["drained"] != uint64(len(conns)) {
			t.Errorf("closed %v", st.Closed)
		}
		if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
			t.Error("a stopped server accepts")
		}
	})
}

// stopWhileAnswered has a peer take nothing of an answer that the kernel has whole, and
// the server stop then. stopped is closed when it has.
func stopWhileAnswered(s *running, size int) (c *net.TCPConn, stopped chan struct{}) {
	s.t.Helper()
	c = s.dial()
	io.WriteString(c, "go")
	s.eventually("it is answered", func(st tcp.Status) bool { return st.Traffic.BytesOut == uint64(size) })
	time.Sleep(20 * time.Millisecond) // for what comes after the answer
	stopped = make(chan struct{})
	go func() {
		defer close(stopped)
		s.stop()
	}()
	s.eventually("it takes no more", func(tcp.Status) bool {
		late, err := net.Dial("tcp", s.Addr().String())
		if err == nil {
			late.Close()
		}
		return err != nil
	})
	time.Sleep(20 * time.Millisecond)
	return c, stopped
}

// A server that stops does not forget those who have their answer and only were to
// read it: what they still say does not destroy it.
func TestStopLeavesAnswersOnTheirWay(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		const size = 1 << 20
		s := serve(t, engine, "echo", func(cfg *tcp.Config) { cfg.Handler = large{size, tcp.Finish} })
		c, stopped := stopWhileAnswered(s, size)
		io.WriteString(c, "one more")
		time.Sleep(20 * time.Millisecond)
		if got, err := io.ReadAll(c); len(got) != size || err != nil {
			t.Errorf("%d bytes of %d, %v", len(got), size, err)
		}
		c.Close()
		<-stopped
	})
}

// Nor does it wait for those who have gone without their answer.
func TestStopDoesNotWaitForWhoHasGone(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		const size = 1 << 20
		s := serve(t, engine, "echo", func(cfg *tcp.Config) {
			cfg.Handler, cfg.DrainTimeout = large{size, tcp.Wait}, time.Hour
		})
		c, stopped := stopWhileAnswered(s, size)
		abort(c)
		<-stopped
	})
}

// torrent answers every connection with more than all buffers on the way hold.
type torrent struct{}

func (torrent) Open(*tcp.Conn) tcp.Session { return torrent{} }
func (torrent) Close()                     {}
func (torrent) Handle(in []byte, _ bool, out []byte) (int, []byte, tcp.Next) {
	return len(in), append(out, make([]byte, 16<<20)...), tcp.Wait
}

func TestDrainBreaksOffWhoNeverReads(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "echo", func(cfg *tcp.Config) {
			cfg.Handler, cfg.DrainTimeout = torrent{}, 200*time.Millisecond
		})
		s.dial()
		s.eventually("it is in", func(st tcp.Status) bool { return st.Active == 1 })
		s.stop()
		if st := s.Status(); st.Closed["drain_timeout"] != 1 {
			t.Errorf("closed %v", st.Closed)
		}
	})
}

func TestBusyPortNamesItsHolder(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		first := serve(t, engine, "echo")
		cfg := tcp.Config{Addr: first.Addr(), Engine: engine, Handler: newHandler(t, "echo", nil)}
		_, err := tcp.Listen(cfg)
		var busy *server.PortBusyError
		if !errors.As(err, &busy) || busy.Holder.PID != os.Getpid() {
			t.Fatalf("error %v, want one that names this process", err)
		}
		next := serve(t, engine, "echo", func(cfg *tcp.Config) { cfg.Addr, cfg.AutoPort = first.Addr(), true })
		if next.Addr().Port() <= first.Addr().Port() {
			t.Errorf("automatic port %v after %v", next.Addr(), first.Addr())
		}
	})
}

func TestListensOnBothFamilies(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		s := serve(t, engine, "echo", func(cfg *tcp.Config) { cfg.Addr = netip.MustParseAddrPort("[::]:0") })
		for _, host := range []string{"127.0.0.1", "::1"} {
			c, err := net.Dial("tcp", netip.AddrPortFrom(netip.MustParseAddr(host), s.Addr().Port()).String())
			require.Supported(t, err)
			if got := roundTrip(t, c.(*net.TCPConn), "hello"); got != "hello" {
				t.Errorf("%s: %q", host, got)
			}
			c.Close()
		}
		if st := s.Status(); len(st.Refused) > 0 {
			t.Errorf("refused %v", st.Refused)
		}
	})
}
