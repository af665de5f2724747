package connect_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/require"
	"wirelab/load/connect"
)

// patience is far more than anything here takes; it only turns a hang into a failure.
const patience = 20 * time.Second

// servePeer listens on a free loopback port and gives the connections to serve, one
// goroutine each, until the test ends.
func servePeer(t *testing.T, serve func(*net.TCPConn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				serve(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// inputText is an Input that never blocks.
func inputText(s string) io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }

// blockedInput is an Input of which nothing ever comes.
func blockedInput(t *testing.T) io.ReadCloser {
	r, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	return r
}

func run(t *testing.T, cfg connect.Config) (connect.Conversation, error) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("the test hangs"))
	defer cancel()
	if cfg.Network == "" {
		cfg.Network = "tcp"
	}
	return connect.Run(ctx, cfg)
}

func TestHalfCloses(t *testing.T) {
	require.NoLeaks(t)
	address := servePeer(t, func(c *net.TCPConn) {
		all, err := io.ReadAll(c) // returns only when the client shuts its side down
		if err == nil {
			fmt.Fprintf(c, "got %q", all)
		}
	})
	var out bytes.Buffer
	conv, err := run(t, connect.Config{Address: address, Input: inputText("hello"), View: connect.RawView(&out)})
	if err != nil || out.String() != `got "hello"` {
		t.Fatalf("received %q, %v", &out, err)
	}
	if conv.BytesOut != 5 || conv.BytesIn != 11 || conv.Attempts != 1 || conv.Remote != address {
		t.Errorf("conversation %+v", conv)
	}
}

// Ten megabytes go both ways at once, whatever the peer's pace.
func TestLosesNoByte(t *testing.T) {
	peers := map[string]func(*net.TCPConn){
		"echo": func(c *net.TCPConn) { io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c}) },
		"odd pieces": func(c *net.TCPConn) {
			buf := make([]byte, 1021)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				c.Write(buf[:n/2])
				c.Write(buf[n/2 : n])
			}
		},
		"all at the end": func(c *net.TCPConn) {
			all, _ := io.ReadAll(c)
			c.Write(all)
		},
	}
	sent := make([]byte, 10<<20)
	rand.NewChaCha8([32]byte{1}).Read(sent)
	for name, peer := range peers {
		t.Run(name, func(t *testing.T) {
			require.NoLeaks(t)
			got := sha256.New()
			conv, err := run(t, connect.Config{
				Address: servePeer(t, peer), Input: io.NopCloser(bytes.NewReader(sent)), View: connect.RawView(got),
			})
			if err != nil {
				t.Fatal(err)
			}
			if want := sha256.Sum256(sent); !bytes.Equal(got.Sum(nil), want[:]) || conv.BytesIn != uint64(len(sent)) {
				t.Errorf("%d of %d bytes came back, or others", conv.BytesIn, len(sent))
			}
		})
	}
}

func TestReceivesByteAtATime(t *testing.T) {
	const text = "one byte at a time"
	address := servePeer(t, func(c *net.TCPConn) {
		c.SetNoDelay(true)
		for i := range len(text) {
			c.Write([]byte{text[i]})
		}
	})
	var out bytes.Buffer
	_, err := run(t, connect.Config{Address: address, Input: inputText(""), View: connect.RawView(&out)})
	if err != nil || out.String() != text {
		t.Fatalf("received %q, %v", &out, err)
	}
}

// A person's conversation ends with the peer's; a pipe's input is sent to its end.
func TestEndsWithPeer(t *testing.T) {
	require.NoLeaks(t)
	address := servePeer(t, func(c *net.TCPConn) { io.WriteString(c, "bye") })
	var out bytes.Buffer
	_, err := run(t, connect.Config{
		Address: address, Input: blockedInput(t), EndWithPeer: true, View: connect.RawView(&out),
	})
	if err != nil || out.String() != "bye" {
		t.Fatalf("received %q, %v", &out, err)
	}
}

func TestSendsOnAfterPeerHasClosedItsSide(t *testing.T) {
	got := make(chan []byte, 1)
	address := servePeer(t, func(c *net.TCPConn) {
		c.CloseWrite()
		all, _ := io.ReadAll(c)
		got <- all
	})
	input, typed := io.Pipe()
	view := func(e *connect.Event) error {
		if e.Kind == connect.EventPeerEnded {
			go func() { io.WriteString(typed, "still here"); typed.Close() }()
		}
		return nil
	}
	if _, err := run(t, connect.Config{Address: address, Input: input, View: view}); err != nil {
		t.Fatal(err)
	}
	if all := <-got; string(all) != "still here" {
		t.Errorf("the peer received %q", all)
	}
}

func TestPeerResets(t *testing.T) {
	require.NoLeaks(t)
	address := servePeer(t, func(c *net.TCPConn) {
		c.Read(make([]byte, 1))
		c.SetLinger(0)
	})
	_, err := run(t, connect.Config{Address: address, Input: inputText("x")})
	var failure *connect.Error
	if !errors.As(err, &failure) || !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("error %v, want a reset", err)
	}
	if want := "receive from " + address + ": connection reset by peer"; err.Error() != want {
		t.Errorf("error reads %q, want %q", err, want)
	}
}

func TestSaysWhenPeerStopsTaking(t *testing.T) {
	require.NoLeaks(t)
	address := servePeer(t, func(*net.TCPConn) {}) // closes at once
	input, typed := io.Pipe()
	view := func(e *connect.Event) error {
		if e.Kind == connect.EventPeerEnded {
			go func() { // until one write has met the reset that an earlier one provoked
				for err := error(nil); err == nil; {
					_, err = io.WriteString(typed, "x")
				}
			}()
		}
		return nil
	}
	_, err := run(t, connect.Config{Address: address, Input: input, View: view})
	if !errors.Is(err, connect.ErrUnsent) {
		t.Fatalf("error %v, want ErrUnsent", err)
	}
}

func TestRefused(t *testing.T) {
	address := closedPort(t)
	var retries []time.Duration
	view := func(e *connect.Event) error {
		if e.Kind == connect.EventRetry {
			retries = append(retries, e.Wait)
		}
		return nil
	}
	conv, err := run(t, connect.Config{Address: address, Input: blockedInput(t), Retries: 2, View: view})
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "(tried 3 times)") {
		t.Errorf("error %v", err)
	}
	if want := []time.Duration{100 * time.Millisecond, 200 * time.Millisecond}; conv.Attempts != 3 || fmt.Sprint(retries) != fmt.Sprint(want) {
		t.Errorf("%d attempts, pauses %v, want %v", conv.Attempts, retries, want)
	}
}

// closedPort returns a loopback address on which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestRetriesUntilServerIsUp(t *testing.T) {
	address := closedPort(t)
	var l net.Listener
	view := func(e *connect.Event) (err error) {
		if e.Kind == connect.EventRetry && e.Attempt == 2 {
			l, err = net.Listen("tcp", address)
		}
		return err
	}
	t.Cleanup(func() {
		if l != nil {
			l.Close()
		}
	})
	conv, err := run(t, connect.Config{
		Address: address, Retries: 5, IdleTimeout: 10 * time.Millisecond, Input: inputText(""), View: view,
	})
	if !errors.Is(err, connect.ErrIdle) || conv.Attempts != 3 {
		t.Errorf("%d attempts, %v; want 3, then a silent peer", conv.Attempts, err)
	}
}

func TestIdleTimeout(t *testing.T) {
	require.NoLeaks(t)
	address := servePeer(t, func(c *net.TCPConn) { io.Copy(io.Discard, c); <-t.Context().Done() })
	_, err := run(t, connect.Config{
		Address: address, Input: inputText("anybody?"), IdleTimeout: 20 * time.Millisecond,
	})
	if !errors.Is(err, connect.ErrIdle) {
		t.Fatalf("error %v, want ErrIdle", err)
	}
}

// A slow reader of our output is not a silent peer.
func TestIdleTimeoutSparesSlowView(t *testing.T) {
	address := servePeer(t, func(c *net.TCPConn) { io.WriteString(c, "hello") })
	view := func(e *connect.Event) error {
		if e.Kind == connect.EventReceived {
			time.Sleep(500 * time.Millisecond) // stands for a full pipe
		}
		return nil
	}
	_, err := run(t, connect.Config{Address: address, Input: inputText(""), IdleTimeout: 250 * time.Millisecond, View: view})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCancelled(t *testing.T) {
	inputs := map[string]func(*testing.T) io.ReadCloser{
		"waiting for input": blockedInput,
		"peer takes nothing": func(*testing.T) io.ReadCloser {
			return io.NopCloser(zeroes{})
		},
	}
	for name, input := range inputs {
		t.Run(name, func(t *testing.T) {
			require.NoLeaks(t)
			ctx, cancel := context.WithCancel(t.Context())
			view := func(e *connect.Event) error {
				if e.Kind == connect.EventConnected {
					cancel()
				}
				return nil
			}
			address := servePeer(t, func(*net.TCPConn) { <-t.Context().Done() })
			_, err := connect.Run(ctx, connect.Config{Network: "tcp", Address: address, Input: input(t), View: view})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("error %v, want context.Canceled", err)
			}
		})
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestInputAndViewFailures(t *testing.T) {
	broken := errors.New("broken")
	address := servePeer(t, func(c *net.TCPConn) { io.WriteString(c, "hello"); io.Copy(io.Discard, c) })
	t.Run("input", func(t *testing.T) {
		r, w := io.Pipe()
		w.CloseWithError(broken)
		if _, err := run(t, connect.Config{Address: address, Input: r}); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("view", func(t *testing.T) {
		view := func(e *connect.Event) error {
			if e.Kind == connect.EventReceived {
				return broken
			}
			return nil
		}
		if _, err := run(t, connect.Config{Address: address, Input: blockedInput(t), View: view}); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
	})
}

// What the caller has deferred, such as restoring a terminal, runs even when a
// view or an input panics.
func TestPanicsInCallersGoroutine(t *testing.T) {
	require.NoLeaks(t)
	address := servePeer(t, func(c *net.TCPConn) { io.Copy(io.Discard, c) })
	defer func() {
		if p := recover(); !strings.HasPrefix(fmt.Sprint(p), "boom\n") {
			t.Errorf("recovered %v", p)
		}
	}()
	view := func(e *connect.Event) error {
		if e.Kind == connect.EventSent {
			panic("boom")
		}
		return nil
	}
	run(t, connect.Config{Address: address, Input: inputText("x"), View: view})
	t.Error("no panic")
}

func TestMessages(t *testing.T) {
	address := servePeer(t, func(c *net.TCPConn) { io.Copy(c, c) })
	var out bytes.Buffer
	conv, err := run(t, connect.Config{
		Address: address, Count: 3, View: connect.RawView(&out), Input: blockedInput(t),
		Message: func(dst []byte, n uint64, _ time.Time) []byte { return fmt.Appendf(dst, "message %d\n", n) },
	})
	if want := "message 0\nmessage 1\nmessage 2\n"; err != nil || out.String() != want || conv.MessagesOut != 3 {
		t.Fatalf("received %q, %v; %+v", &out, err, conv)
	}
}

func TestUnknownNetwork(t *testing.T) {
	if _, err := run(t, connect.Config{Network: "sctp", Address: "127.0.0.1:1", Input: inputText("")}); err == nil {
		t.Error("no error")
	}
	if _, err := run(t, connect.Config{Address: "127.0.0.1", Input: inputText("")}); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v for an address without port", err)
	}
}
