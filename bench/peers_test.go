package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// buildPeer builds the generator and the peer with that name. What they are
// compiled with is also what the race detector needs: a test machine has it.
func buildPeer(t *testing.T, name string) (programs, peer) {
	t.Helper()
	p, err := findPeer(name)
	if err != nil {
		t.Fatal(err)
	}
	return buildAll(t, p.program), p
}

// buildAll builds the generator and these programs.
func buildAll(t *testing.T, names ...string) programs {
	t.Helper()
	built, err := build(t.Context(), t.TempDir(), "", append(names, closedLoop, plainLoop, openLoop))
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// TestPeersEcho checks that what is measured does its work: an echo that loses or
// changes bytes is cheap.
func TestPeersEcho(t *testing.T) {
	others := slices.DeleteFunc(peers(), func(p peer) bool { return p.program == wirelab }) // whose own tests are elsewhere
	var names []string
	for _, p := range others {
		names = append(names, p.program)
	}
	built := buildAll(t, names...)
	for _, p := range others {
		t.Run(p.name, func(t *testing.T) {
			s, err := startServer(t.Context(), p, built)
			if err != nil {
				skipWithoutRing(t, err)
				t.Fatal(err)
			}
			defer s.stop()
			for _, l := range []load{{1, 1, 1, false}, {64, 50, 64, false}, {64, 50, 64, true}, {1500, 2, 64, false}, {8, 3, 100_000, false}, {300, 2, 20_000, false}} {
				echoes(t, built, s, l)
			}
			halfCloses(t, s)
		})
	}
}

// skipWithoutRing skips the test if a server said that it may not or cannot have
// an io_uring, unless the machine is meant to run every test.
func skipWithoutRing(t *testing.T, err error) {
	t.Helper()
	for _, errno := range []syscall.Errno{syscall.ENOSYS, syscall.EPERM} {
		if strings.Contains(strings.ToLower(err.Error()), "io_uring_setup: "+errno.Error()) && os.Getenv("WIRELAB_STRICT") != "1" {
			t.Skip(err)
		}
	}
}

// echoes runs the load twice, for the second one meets a server in use.
func echoes(t *testing.T, built programs, s *server, l load) {
	t.Helper()
	c, err := connect(t.Context(), built, s.addr, l)
	if err != nil {
		t.Fatalf("%+v: %v", l, err)
	}
	for range 2 {
		if _, err := c.exchange(); err != nil {
			t.Errorf("%+v: %v", l, err)
			break
		}
	}
	if err := c.close(); err != nil {
		t.Errorf("%+v: %v", l, err)
	}
}

// halfCloses checks that all comes back that was sent before the end of input.
func halfCloses(t *testing.T, s *server) {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	sent := bytes.Repeat([]byte("half-close "), 100_000)
	writing := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		writing <- errors.Join(err, conn.(*net.TCPConn).CloseWrite())
	}()
	got, err := io.ReadAll(conn)
	if err := errors.Join(err, <-writing); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came back: %v", len(got), len(sent), err)
	}
}

// TestGeneratorNotices checks that the generator fails with a server that is
// no echo: it must not take wrong bytes for an answer.
func TestGeneratorNotices(t *testing.T) {
	built, _ := buildPeer(t, "C epoll")
	tests := []struct {
		name  string
		serve func(net.Conn, []byte)
		want  string
	}{
		{"changed", func(c net.Conn, b []byte) { b[len(b)-1] ^= 1; c.Write(b) }, "1 of 1 answers, 1 of them wrong"},
		{"closed", func(c net.Conn, b []byte) { c.Write(b[:1]); c.Close() }, "closed by the server"},
		{"too much", func(c net.Conn, b []byte) { c.Write(append(b, 0)) }, "more came back than was sent"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr := serveOnce(t, tt.serve)
			c, err := connect(t.Context(), built, addr, load{1, 1, 64, false})
			if err != nil {
				t.Fatal(err)
			}
			_, running := c.exchange()
			if err := errors.Join(running, c.close()); running == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// serveOnce accepts one connection and answers its first message with serve.
func serveOnce(t *testing.T, serve func(net.Conn, []byte)) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		b := make([]byte, 64, 128)
		if _, err := io.ReadFull(conn, b); err == nil {
			serve(conn, b)
		}
		io.Copy(io.Discard, conn) // until the generator closes
	}()
	t.Cleanup(func() {
		listener.Close()
		<-served
	})
	return listener.Addr().String()
}

func TestEveryComparisonHasItsPeers(t *testing.T) {
	var names []string
	for _, c := range comparisons(1000) {
		names = append(names, c.subject, c.baseline)
	}
	for _, h := range holdings() {
		names = append(names, h.peer)
	}
	ours, others := tailPeers()
	names = append(append(append(names, ours...), others...), costServer)
	for _, name := range names {
		if _, err := findPeer(name); err != nil {
			t.Error(err)
		}
	}
}

func TestArguments(t *testing.T) {
	p, err := findPeer("wirelab thread")
	if err != nil {
		t.Fatal(err)
	}
	want := "serve tcp --bind 127.0.0.1 --port 7 --buffer 16384 --engine thread"
	if got := strings.Join(p.argumentsFor("7"), " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
