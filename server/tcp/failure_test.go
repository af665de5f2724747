package tcp_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"wirelab/server/tcp"
)

// An engine that fails ends the server with its error, also while connections are
// open that nothing would end: what it still can, it drains.
func TestFailedEngineEndsTheServer(t *testing.T) {
	onEachEngineAlone(t, func(t *testing.T, engine string) { // since it looks for the listener among all descriptors
		s, err := tcp.Listen(tcp.Config{
			Addr: netip.MustParseAddrPort("127.0.0.1:0"), Engine: engine, Handler: newHandler(t, "chat", func(string) {}), Loops: 2,
		})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Run(context.Background()) }()
		r := &running{Server: s, t: t}
		const peers = 16 // some on each loop
		var conns []net.Conn
		for range peers {
			conns = append(conns, r.dial())
		}
		r.eventually("all are in", func(st tcp.Status) bool { return st.Active == peers })
		breakListener(t, s.Addr())
		for _, c := range conns {
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("a connection is neither closed nor reset")
			}
			c.Close()
		}
		select {
		case err := <-done:
			if !errors.Is(err, syscall.EINVAL) {
				t.Errorf("Run: %v, want what accepting failed of", err)
			}
		case <-time.After(patience):
			t.Fatal("Run does not return")
		}
		if st := s.Status(); st.Active != 0 || sum(st.Closed) != peers {
			t.Errorf("%d are open, closed %v", st.Active, st.Closed)
		}
	})
}

// breakListener makes accepting fail on one of this process's listeners on addr.
func breakListener(t *testing.T, addr netip.AddrPort) {
	t.Helper()
	for fd := range highestDescriptor(t) + 1 {
		listens, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
		if err != nil || listens == 0 {
			continue
		}
		name, err := syscall.Getsockname(fd)
		if at, ok := name.(*syscall.SockaddrInet4); err != nil || !ok || at.Port != int(addr.Port()) {
			continue
		}
		if err := syscall.Shutdown(fd, syscall.SHUT_RDWR); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("nothing listens on %v", addr)
}

// deaf answers a byte when its peer has gone.
type deaf struct{ heard, gone chan struct{} }

func (h deaf) Open(*tcp.Conn) tcp.Session { return h }
func (deaf) Close()                       {}
func (h deaf) Handle(in []byte, _ bool, out []byte) (int, []byte, tcp.Next) {
	if len(in) > 0 {
		h.heard <- struct{}{}
		<-h.gone
		out = append(out, in...)
	}
	return len(in), out, tcp.Wait
}

// What could not be sent is neither counted nor logged as sent.
func TestAnswerToNobodyIsNotCounted(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, engine string) {
		var logged lockedBuffer
		h := deaf{make(chan struct{}), make(chan struct{})}
		s := serve(t, engine, "echo", func(cfg *tcp.Config) {
			cfg.Handler, cfg.Log = h, slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		c := s.dial()
		io.WriteString(c, "hello")
		<-h.heard
		abort(c) // the reset has arrived when close returns
		close(h.gone)
		st := s.eventually("it has gone", func(st tcp.Status) bool { return st.Closed["reset"] == 1 })
		if st.Traffic.MessagesOut != 0 || st.Traffic.BytesOut != 0 || logged.count("msg=sent") != 0 {
			t.Errorf("counted %+v, logged %d times", st.Traffic, logged.count("msg=sent"))
		}
		if st.Traffic.MessagesIn != 1 || logged.count("msg=received") != 1 {
			t.Errorf("counted %+v, logged %d times", st.Traffic, logged.count("msg=received"))
		}
	})
}
