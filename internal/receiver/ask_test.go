package receiver

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/require"
)

// patience is longer than any answer of this host takes.
const patience = 20 * time.Second

// serve answers datagrams with what answer makes of them, nil being nothing, and
// returns a socket that is connected to it.
func serve(t *testing.T, answer func(request []byte) [][]byte) *net.UDPConn {
	t.Helper()
	require.NoLeaks(t)
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.DialUDP("udp", nil, server.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 2048)
		for {
			n, peer, err := server.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			for _, a := range answer(b[:n]) {
				server.WriteToUDPAddrPort(a, peer)
			}
		}
	}()
	t.Cleanup(func() { server.Close(); client.Close(); <-ended })
	return client
}

func answerTo(request []byte) []byte {
	asked, ok := ParseRequest(request)
	if !ok {
		return nil
	}
	b := make([]byte, Len)
	PutAnswer(b, asked.Nonce, &example)
	return b
}

func TestAsk(t *testing.T) {
	wrong := make([]byte, Len)
	PutAnswer(wrong, 1, &Report{})
	var asked atomic.Int64 // counted by the server's goroutine
	client := serve(t, func(request []byte) [][]byte {
		if asked.Add(1) < 3 {
			return nil // lost on the way
		}
		// Before the answer come: another's, a cut one, a longer one, what else was sent.
		return [][]byte{wrong, answerTo(request)[:100], append(answerTo(request), 0), []byte("hello"), answerTo(request)}
	})
	got, err := Ask(t.Context(), client, false, patience)
	if err != nil || got != example || asked.Load() != 3 {
		t.Errorf("%+v, %v, asked %d times", got, err, asked.Load())
	}
}

func TestAskEcho(t *testing.T) {
	client := serve(t, func(request []byte) [][]byte { return [][]byte{request} })
	if _, err := Ask(t.Context(), client, false, time.Hour); !errors.Is(err, ErrEchoed) {
		t.Errorf("%v", err)
	}
}

func TestAskNobody(t *testing.T) {
	silent := serve(t, func([]byte) [][]byte { return nil })
	begun := time.Now()
	if _, err := Ask(t.Context(), silent, false, 200*time.Millisecond); !errors.Is(err, ErrNoAnswer) || time.Since(begun) > patience {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Ask(ctx, silent, false, patience); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	silent.Close()
	if _, err := Ask(t.Context(), silent, false, 200*time.Millisecond); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestAskCancelled cancels while the answer is waited for.
func TestAskCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	silent := serve(t, func([]byte) [][]byte { cancel(); return nil })
	if _, err := Ask(ctx, silent, false, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	// Its reads wait again.
	answered := make(chan error, 1)
	go func() { _, err := silent.Read(make([]byte, 1)); answered <- err }()
	select {
	case err := <-answered:
		t.Errorf("a read afterwards: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	silent.Close()
	if err := <-answered; err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestAskRefused(t *testing.T) {
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.DialUDP("udp", nil, server.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server.Close()
	if _, err := Ask(t.Context(), client, false, 200*time.Millisecond); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v", err)
	}
}
